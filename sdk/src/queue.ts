/** Reports that wait to be sent: in IndexedDB, which tabs and visits share, and in memory for as long as that fails. */

import { measure, render } from "./text.ts";
import type { Report } from "./report.ts";

/** A report that waits. */
export interface Entry {
  /** The key: the id of the report. */
  id: string;
  report: Report;
  /** Bytes of its text. */
  bytes: number;
  endpoint: string;
  /** The page and learner that made it: a number that no other has. */
  page: number;
  /** Whose it is: by the option `user`, and by the token. */
  user?: string | undefined;
  sub?: string | undefined;
  /** Milliseconds to add to its instants, if that was known when it was made. */
  offset?: number | undefined;
  /** What is sent, made once by the first attempt: the server refuses other content under the same id. */
  text?: string;
  /** Whether it is stored without an offset: another page may make another text, so it is not sent before this page's is stored. */
  isLoose?: boolean;
}

export interface Queue {
  /** Return what waits, the oldest first, as far as is known without asking the database. */
  list(): Entry[];
  /** Keep an entry, or what was changed in one. */
  put(entry: Entry): void;
  remove(entry: Entry): void;
  /** Read what waits, let `edit` change it, and store the result, all in one transaction. Never rejects. */
  sync(edit?: (entries: Entry[]) => void): Promise<void>;
  /** Begin to store what was put, without a look at the rest: a page that goes has no time. */
  save(): void;
}

export interface QueueOptions {
  indexedDB: IDBFactory | undefined;
  /** How many reports there is room for, of 1 kB on average. */
  maxReports: number;
  /** Whether no page but this one can have sent an entry that has an offset. */
  isOwn(entry: Entry): boolean;
  /** Told of reports that there was no room for. */
  drop(reports: Report[]): void;
}

const STORE = "reports";
const STORE_SECONDS = 2;
const LONGEST_BEAT = 3_600_000;
const MAX_SEGMENTS = 200;

/** Reject if a promise takes longer: nothing that hangs may keep reports from being sent. */
export const limit = <T>(promise: Promise<T>, seconds: number): Promise<T> => {
  let timer: ReturnType<typeof setTimeout>;
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(Error("timeout")), seconds * 1000);
    }),
  ]).finally(() => clearTimeout(timer));
};

export function openQueue({ indexedDB, maxReports, isOwn, drop }: QueueOptions): Queue {
  // What the database does not know yet.
  const changed = new Map<string, Entry>();
  const removed = new Set<string>();
  let known: Entry[] = [];
  let opening: Promise<IDBDatabase> | undefined;
  let database: IDBDatabase | undefined;
  let saves = 0;
  let turn = Promise.resolve();

  const close = () => {
    database!.close();
    opening = undefined;
  };
  const open = () =>
    new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB!.open("headway", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
      request.onerror = reject;
      request.onsuccess = () => {
        database = request.result;
        database.onversionchange = close;
        resolve(database);
      };
    }).catch((error) => {
      opening = undefined;
      throw error;
    });

  const begin = (from: IDBDatabase) => from.transaction(STORE, "readwrite").objectStore(STORE);
  /** Ask that what has changed is stored; return what to do once it is. */
  const write = (store: IDBObjectStore) => {
    // What nobody could send later, as it is not known whose it is, is not stored.
    const puts = [...changed.values()]
      .filter((entry) => entry.sub || entry.user)
      .map((entry) => ({ entry, text: entry.text, isLoose: entry.offset === undefined }));
    const removals = [...removed];
    for (const { entry } of puts) store.put(entry);
    for (const id of removals) store.delete(id);
    store.transaction.commit();
    return () => {
      for (const { entry, text, isLoose } of puts) {
        entry.isLoose = isLoose;
        if (changed.get(entry.id) === entry && entry.text === text) changed.delete(entry.id);
      }
      for (const id of removals) removed.delete(id);
    };
  };

  /** Know what is stored, with what this page has not stored yet. */
  const merge = (stored: Entry[]) => {
    const all = new Map(stored.map((entry) => [entry.id, entry]));
    for (const entry of stored) entry.isLoose = entry.offset === undefined;
    for (const entry of changed.values()) {
      const same = all.get(entry.id);
      // Another page has made a text, or has sent what was stored.
      if (same ? same.text : entry.isLoose) changed.delete(entry.id);
      else all.set(entry.id, entry);
    }
    for (const id of removed) all.delete(id);
    known = [...all.values()];
  };

  const queue: Queue = {
    list: () => known,
    put(entry) {
      if (!known.includes(entry)) known.push(entry);
      changed.set(entry.id, entry);
    },
    remove({ id }) {
      changed.delete(id);
      removed.add(id);
      known = known.filter((entry) => entry.id !== id);
    },
    sync: (edit) =>
      (turn = turn.then(async () => {
        let isSeen = false;
        const see = (stored?: Entry[]) => {
          isSeen = true;
          if (stored) merge(stored);
          edit?.(known);
          trim(queue, maxReports, drop, (entry) => {
            const isAlone = entry.offset === undefined || isOwn(entry);
            return isAlone && (!!stored || (changed.has(entry.id) && !entry.isLoose));
          });
        };
        try {
          const from = await limit((opening ??= open()), STORE_SECONDS);
          while (!isSeen)
            await limit(
              new Promise<void>((resolve, reject) => {
                const count = saves;
                const store = begin(from);
                const { transaction } = store;
                const request = store.getAll();
                request.onsuccess = () => {
                  // What was saved meanwhile is stored after this transaction, and would undo it.
                  if (isSeen || saves > count) return;
                  see(request.result);
                  const settle = write(store);
                  transaction.oncomplete = () => resolve(settle());
                };
                transaction.oncomplete = () => resolve();
                transaction.onabort = reject;
              }),
              STORE_SECONDS,
            );
        } catch {
          if (database) close();
          else removed.clear();
          if (!isSeen) see();
        }
      })),
    save() {
      try {
        const store = begin(database!);
        saves++;
        store.transaction.oncomplete = write(store);
      } catch {
        // It stays in memory, and is stored by the next sync.
      }
    },
  };
  return queue;
}

/** Join beats, then drop the oldest beats, then the oldest of the others, until there is room for the rest. */
function trim(
  queue: Queue,
  maxReports: number,
  drop: QueueOptions["drop"],
  canJoin: (entry: Entry) => boolean,
): void {
  const entries = queue.list();
  let count = entries.length;
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const isOver = () => count > maxReports || bytes > maxReports * 1000;
  if (!isOver()) return;
  const take = (entry: Entry) => {
    queue.remove(entry);
    count--;
    bytes -= entry.bytes;
  };

  const last = new Map<string, Entry>();
  for (const entry of entries) {
    const { report, text } = entry;
    if (isOver() && report.start && !text && canJoin(entry)) {
      const { page, sub, offset } = entry;
      const state = JSON.stringify([page, sub, offset, { ...report, event_id: 0, start: 0, end: 0, engagement_metrics: 0 }]);
      const before = last.get(state);
      const joined = before && join(before.report, report);
      if (joined) {
        take(entry);
        bytes -= before.bytes;
        bytes += before.bytes = measure(render((before.report = joined), 0));
        queue.put(before);
      } else last.set(state, entry);
    }
  }

  const dropped: Report[] = [];
  for (const isBeat of [true, false])
    for (const entry of queue.list())
      if (isOver() && !!entry.report.start === isBeat) {
        take(entry);
        dropped.push(entry.report);
      }
  if (dropped[0]) drop(dropped);
}

/** Return one beat for two of the same state that adjoin; undefined if they do not, or if it would be too long. */
function join(a: Report, b: Report): Report | undefined {
  if (a.end !== b.start || b.end! - a.start! > LONGEST_BEAT) return;
  const metrics = { ...a.engagement_metrics, ...b.engagement_metrics };
  const segments = [a, b].flatMap((report) => report.engagement_metrics?.video_segments ?? []);
  if (segments.length > MAX_SEGMENTS) return;
  if (segments[0]) metrics.video_segments = segments;
  return { ...a, end: b.end!, engagement_metrics: metrics };
}
