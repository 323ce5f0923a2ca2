/** Reports that wait to be sent: in IndexedDB, which tabs and visits share, and in memory for as long as that fails. */

import { measure, render } from "./text.ts";
import type { Report } from "./report.ts";

/** A report that waits. */
export interface Entry {
  /** The id of the report. */
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
  /** Whether another page may join it, or make another text of it, as it is stored: then it is sent once its text is stored, too. */
  isLoose?: boolean;
}

/** A tuple, because minifying shortens no names of properties. */
export type Queue = [
  /** Return what waits, as far as is known without asking the database. */
  list: () => Entry[],
  /** Add an entry, or keep what was changed in one outside of `sync`. */
  put: (entry: Entry) => void,
  remove: (entry: Entry) => void,
  /** Read what waits, let `edit` change it, and store the result, all in one transaction. Never rejects. */
  sync: (edit?: (entries: Entry[]) => unknown) => Promise<void>,
  /** Begin to store what was put, without a look at the rest: a page that goes has no time. */
  save: () => void,
];

const STORE = "reports";
const READ_SECONDS = 2;
/** Longer: until it is known whether reports are stored as they were joined, none of them can be sent. */
const WRITE_SECONDS = 30;
const LONGEST_BEAT = 3_600_000;
const MAX_SEGMENTS = 200;

/** Reject if a promise takes longer: nothing that hangs may keep reports from being sent. */
export const limit = <T>(promise: Promise<T>, seconds: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(reject, seconds * 1000, "timeout");
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });

/**
 * Open the queue. It has room for `maxReports` of 1 kB on average; `drop` is told of those that there is no room for. `isOwn` says
 * whether only this page may join an entry, and any makes the same text of it.
 */
export function openQueue(
  indexedDB: IDBFactory | undefined,
  maxReports: number,
  isOwn: (entry: Entry) => boolean,
  drop: (message: string, reports: Report[]) => void,
): Queue {
  /** What waits, by id. */
  let known = new Map<string, Entry>();
  /** What may not be stored yet. */
  const fresh = new Map<string, Entry>();
  /** What may still be stored, by id and end: what another page joins has another end. */
  const removed = new Set<string>();
  let opening: Promise<IDBDatabase> | undefined;
  let database: IDBDatabase | undefined;
  let isSaved = false;
  let turn = Promise.resolve();

  const list = () => [...known.values()];
  const put = (entry: Entry) => {
    known.set(entry.id, entry);
    fresh.set(entry.id, entry);
  };
  const remove = ({ id, report }: Entry) => {
    known.delete(id);
    fresh.delete(id);
    removed.add(id + report.end);
  };

  const close = () => {
    database!.close();
    opening = undefined;
  };
  const open = () =>
    new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB!.open("headway", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
      request.onerror = reject;
      request.onsuccess = () => {
        database = request.result;
        database.onversionchange = close;
        resolve(database);
      };
    });
  const isLoose = (entry: Entry) => !(entry.text || isOwn(entry));
  const begin = (from: IDBDatabase) => from.transaction(STORE, "readwrite").objectStore(STORE);
  /** Store entries as one record; reject if that fails. */
  const write = (store: IDBObjectStore, entries: Entry[]) =>
    new Promise<void>((resolve, reject) => {
      const { transaction } = store;
      // What nobody could send later, as it is not known whose it is, is not stored.
      const stored = entries.filter((entry) => entry.sub || entry.user);
      store.put(stored);
      transaction.commit();
      transaction.onabort = reject;
      transaction.oncomplete = () => {
        for (const entry of stored) {
          fresh.delete(entry.id);
          entry.isLoose = isLoose(entry);
        }
        resolve();
      };
    });

  /** Know what is stored, with what this page has not stored yet. */
  const merge = (stored: Entry[]) => {
    known = new Map();
    // Another page may have made a text meanwhile, also between what this one stored and what it saved as it went.
    for (const entry of [...stored, ...fresh.values()])
      if (!removed.has(entry.id + entry.report.end) && !known.get(entry.id)?.text) known.set(entry.id, entry);
  };

  /** Join beats, then drop the oldest beats, then the oldest of the others, until there is room for the rest. */
  const trim = (isStored: boolean) => {
    let bytes = 0;
    for (const entry of known.values()) bytes += entry.bytes;
    const isOver = () => known.size > maxReports || bytes > maxReports * 1000;

    const last = new Map<string, Entry>();
    for (const entry of known.values()) {
      const { id, report, text, page, sub, offset } = entry;
      // What another page may send, or may be sending, stays as it is; so does what may be stored while storage fails.
      const isFree = !text && (offset === undefined || isOwn(entry)) && (isStored || !database);
      const { event_id, start, end, engagement_metrics, ...rest } = report;
      if (isOver() && start && isFree) {
        const state = JSON.stringify([page, sub, offset, rest]);
        const before = last.get(state);
        const joined = before && join(before.report, report);
        if (joined) {
          // A copy: nothing is joined if this cannot be stored.
          const both = { ...before, report: joined, bytes: measure(render(joined, 0)) };
          bytes += both.bytes - before.bytes - entry.bytes;
          known.delete(id);
          known.set(both.id, both);
          if (!isStored) {
            fresh.delete(id);
            fresh.set(both.id, both);
          }
          last.set(state, both);
        } else last.set(state, entry);
      }
    }

    const dropped: Report[] = [];
    for (const entry of list().sort((a, b) => +!a.report.start - +!b.report.start))
      if (isOver()) {
        remove(entry);
        bytes -= entry.bytes;
        dropped.push(entry.report);
      }
    drop("queue full", dropped);
  };

  const sync: Queue[3] = (edit) =>
    (turn = turn.then(async () => {
      let isSeen = false;
      let stored: Entry[] | undefined;
      let written: Promise<void>;
      const see = () => {
        isSeen = true;
        if (stored) merge(stored);
        edit?.(list());
        trim(!!stored);
      };
      const attempt = (from: IDBDatabase): Promise<void> =>
        new Promise((resolve) => {
          isSaved = false;
          const store = begin(from);
          const request = store.getAll();
          request.onsuccess = () => {
            // What was saved meanwhile is stored after this transaction, and would undo it.
            if (isSaved) return resolve(attempt(from));
            if (isSeen) return;
            stored = request.result.flat() as Entry[];
            for (const entry of stored) entry.isLoose = isLoose(entry);
            see();
            store.clear();
            written = write(store, list());
            resolve();
          };
        });
      try {
        await limit((opening ??= open()).then(attempt), READ_SECONDS);
        await limit(written!, WRITE_SECONDS);
        removed.clear();
        // What was joined.
        for (const id of fresh.keys()) if (!known.has(id)) fresh.delete(id);
      } catch {
        if (database) close();
        if (isSeen) merge(stored!);
        else see();
      }
    }));
  const save = async () => {
    try {
      const store = begin(database!);
      isSaved = true;
      // As it is known: one that was joined a moment ago must not come back.
      await write(store, list().filter(({ id }) => fresh.has(id)));
    } catch {
      // It stays in memory, and is stored by the next sync.
    }
  };
  return [list, put, remove, sync, save];
}

/** Return one beat for two of the same state that adjoin; undefined if they do not, or if it would be too long. */
function join(a: Report, b: Report): Report | undefined {
  const segments = [a, b].flatMap((report) => report.engagement_metrics?.video_segments ?? []);
  if (a.end !== b.start || b.end! - a.start! > LONGEST_BEAT || segments.length > MAX_SEGMENTS) return;
  const metrics = { ...a.engagement_metrics, ...b.engagement_metrics };
  if (segments[0]) metrics.video_segments = segments;
  return { ...a, end: b.end!, engagement_metrics: metrics };
}
