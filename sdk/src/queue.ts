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
  maxReports: number;
  maxBytes: number;
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

export function openQueue({ indexedDB, maxReports, maxBytes, isOwn, drop }: QueueOptions): Queue {
  // What the database does not know yet.
  const changed = new Map<string, Entry>();
  const removed = new Set<string>();
  let known: Entry[] = [];
  let opening: Promise<IDBDatabase> | undefined;
  let database: IDBDatabase | undefined;
  let wasOpen = false;
  let turn = Promise.resolve();

  const close = () => {
    database!.close();
    database = opening = undefined;
  };
  const open = () =>
    new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB!.open("headway", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
      request.onerror = reject;
      request.onsuccess = () => {
        wasOpen = true;
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
    const puts = [...changed.values()].filter((entry) => entry.sub || entry.user);
    const removals = [...removed];
    for (const entry of puts) store.put(entry);
    for (const id of removals) store.delete(id);
    store.transaction.commit();
    return () => {
      for (const entry of puts) if (changed.get(entry.id) === entry) changed.delete(entry.id);
      for (const id of removals) removed.delete(id);
    };
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
        let settle: (() => void) | undefined;
        const see = (stored: Entry[]) => {
          isSeen = true;
          const all = new Map(stored.map((entry) => [entry.id, entry]));
          // Another page may have made the text of what this one has not stored for sure.
          for (const entry of changed.values()) if (!all.get(entry.id)?.text) all.set(entry.id, entry);
          for (const id of removed) all.delete(id);
          known = [...all.values()];
          edit?.(known);
          trim(queue, maxReports, maxBytes, isOwn, drop);
        };
        try {
          const store = begin(await limit((opening ??= open()), STORE_SECONDS));
          await limit(
            new Promise<void>((resolve, reject) => {
              const request = store.getAll();
              request.onsuccess = () => {
                if (isSeen) return;
                see(request.result);
                settle = write(store);
              };
              store.transaction.oncomplete = () => resolve();
              store.transaction.onabort = reject;
            }),
            STORE_SECONDS,
          );
          settle?.();
        } catch {
          if (database) close();
          if (!wasOpen) removed.clear();
          if (!isSeen) see(known);
        }
      })),
    save() {
      try {
        write(begin(database!));
      } catch {
        // It stays in memory, and is stored by the next sync.
      }
    },
  };
  return queue;
}

/** Join beats, then drop the oldest beats, then the oldest of the others, until there is room for the rest. */
function trim(queue: Queue, maxReports: number, maxBytes: number, isOwn: QueueOptions["isOwn"], drop: QueueOptions["drop"]): void {
  const entries = queue.list();
  let count = entries.length;
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const isOver = () => count > maxReports || bytes > maxBytes;
  if (!isOver()) return;
  const take = (entry: Entry) => {
    queue.remove(entry);
    count--;
    bytes -= entry.bytes;
  };

  const last = new Map<string, Entry>();
  for (const entry of entries) {
    const { report, offset, text } = entry;
    if (isOver() && report.start && !text && (offset === undefined || isOwn(entry))) {
      const state = JSON.stringify({ ...entry, ...report, id: 0, report: 0, bytes: 0, event_id: 0, start: 0, end: 0, engagement_metrics: 0 });
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
  const segments = [a, b].flatMap((report) => report.engagement_metrics?.video_segments ?? []);
  if (segments.length > MAX_SEGMENTS) return;
  const metrics: Record<string, unknown> = { ...a.engagement_metrics };
  for (const [name, value] of Object.entries(b.engagement_metrics ?? {})) metrics[name] = Math.max(value as number, (metrics[name] as number) ?? 0);
  if (segments[0]) metrics["video_segments"] = segments;
  return { ...a, end: b.end!, engagement_metrics: metrics };
}
