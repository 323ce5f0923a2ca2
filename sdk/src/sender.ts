/** Sends reports: in batches, again until the server has a verdict on each, and never one learner's with another's token. */

import { learnOffset } from "./offset.ts";
import { limit, openQueue, type Entry } from "./queue.ts";
import { measure, render } from "./text.ts";
import type { Refusal, Report } from "./report.ts";

/** Who the reports are of. */
export interface Identity {
  token?: string | undefined;
  /** Return a new token: asked when there is none, and when the server refused the last one. */
  getToken?: (() => string | Promise<string>) | undefined;
  /** The learner, where the token does not say: without either, reports are not kept from one visit to the next. */
  user?: string | undefined;
}

/** What a sender tells. */
export interface Told {
  /** Something that the page should know: reports were dropped, or nothing is sent for now. */
  error: { message: string; dropped?: Report[] };
  /** The server refused a report, which is not sent again. */
  rejected: Refusal;
  /** The server has these reports. */
  sent: Report[];
  debug: string;
}

export interface SenderOptions extends Identity {
  /** The origin of the server, with a prefix if it has one. */
  endpoint: string;
  /** The course of the page: it is asked for the server's time. */
  course: number;
  flushSeconds: number;
  /** The page's clock. Its `anchor` is another one after the clock was set: what was learned of it is void. */
  clock: { now(): number; readonly anchor?: number };
  fetch: typeof globalThis.fetch;
  indexedDB: IDBFactory | undefined;
  locks: Pick<LockManager, "request"> | undefined;
  /** Told of what happens; it must not throw. */
  emit<Name extends keyof Told>(name: Name, detail: Told[Name]): void;
  /** How many reports may wait, of 1 kB on average. */
  maxReports?: number;
}

export interface Sender {
  /** Store a report, and send it within `flushSeconds`. */
  add(report: Report): void;
  /** Send what waits, at once. Resolves when all is sent or the attempt failed. */
  flush(): Promise<void>;
  /** Send what waits in requests that outlive the page. */
  leave(): void;
  /** Go on with a new token; if it is somebody else's, first send what the former learner did, and drop what cannot be sent. */
  identify(who: Identity): Promise<void>;
  /** Return what the server answers to a GET of the learner's own. */
  read(path: string): Promise<any>;
  /** Send what waits, and end; `forget` deletes it instead. Nothing may be added after. */
  stop(how?: { forget?: boolean }): Promise<void>;
}

const PATH = "/api/courses/activity/";
const BATCH_REPORTS = 20;
const BATCH_BYTES = 48_000;
const MAX_REPORT_BYTES = 40_000;
/** What the browser lets requests have that outlive the page, a little below 64 KiB. */
const KEEPALIVE_BYTES = 64_000;
const REQUEST_SECONDS = 30;
const LONGEST_BACK_OFF_SECONDS = 60;
/** Longer than a page lives, and than timers can wait. */
const NEVER_SECONDS = 1e6;

interface Who extends Identity {
  /** A number that no other page, and no other learner in this one, has. */
  page: number;
  sub?: string | undefined;
}

type Body = { success?: boolean; errors?: Refusal["errors"]; data?: { received_at?: string; results?: { status: Refusal["status"]; errors?: Refusal["errors"] | undefined }[] } } | undefined;

/** Why sending stops. */
interface Halt {
  why: string;
  /** Seconds that the server wants to pass first, or NEVER_SECONDS if waiting alone changes nothing. */
  after?: number;
}

export function createSender({ endpoint, course, flushSeconds, clock, fetch, indexedDB, locks, emit, maxReports = 1000, ...first }: SenderOptions): Sender {
  /** The ids of what is under way. */
  const flying = new Set<string>();
  let offset: number | undefined;
  let anchor: number | undefined;
  let batchReports = Infinity;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  let saving: Promise<void> | undefined;
  let isStopped = false;

  const drop = (message: string, dropped: Report[]) => dropped[0] && emit("error", { message, dropped });
  const getOffset = () => (clock.anchor === anchor ? offset : undefined);

  const become = (who: Identity): Who => ({ ...who, sub: subject(who.token), page: Math.random() });
  let me = become(first);
  const isOf = (entry: Entry | Who, who: Who) =>
    entry.sub && who.sub ? entry.sub === who.sub : entry.page === who.page || (who.user && entry.user === who.user);
  /** What may be sent, of whoever it is. */
  const waiting = (entries = list()) => entries.filter((entry) => entry.endpoint === endpoint && !flying.has(entry.id));
  /** Return what is somebody's, and note that it is. */
  const claim = (who: Who, entries: Entry[]): Entry[] => {
    const own = waiting(entries).filter((entry) => isOf(entry, who));
    for (const entry of own) entry.sub ??= who.sub;
    return own;
  };
  /** Choose what is sent next, and make its text. */
  const choose = (who: Who, entries: Entry[], maxBytes: number): Entry[] =>
    claim(who, entries)
      // What has to be stored first may stay, and must not take the place of the rest.
      .sort((a, b) => +!!a.isLoose - +!!b.isLoose)
      .filter((entry) => (entry.offset ??= getOffset()) !== undefined && (maxBytes -= entry.bytes + 1) > 0)
      .slice(0, batchReports)
      .map((entry) => {
        entry.text ??= render(entry.report, entry.offset!);
        return entry;
      });
  const askToken = async (who: Who) => {
    who.token = await limit(Promise.resolve().then(who.getToken) as Promise<string>, REQUEST_SECONDS);
    if (!who.token) throw "no token";
    who.sub = subject(who.token) ?? who.sub;
    await sync((entries) => claim(who, entries));
  };

  const isOwn = (entry: Entry) => entry.offset !== undefined && entry.page === me.page;
  const [list, put, remove, sync, save] = openQueue(indexedDB, maxReports, isOwn, drop);

  /** Send a request; a token that is refused is replaced once, unless the new one is somebody else's. */
  const request = async (who: Who, path: string, body?: string, isRetry?: boolean): Promise<[Response, Body]> => {
    const { sub } = who;
    const response = await fetch(endpoint + path, {
      method: body ? "POST" : "GET",
      headers: { Authorization: `Bearer ${who.token}`, "Content-Type": "application/json" },
      body: body!,
      keepalive: true,
      signal: AbortSignal.timeout(REQUEST_SECONDS * 1000),
    });
    if (response.status === 401 && who.getToken && !isRetry) {
      who.token = undefined;
      await askToken(who);
      if (who.sub === sub) return request(who, path, body, true);
    }
    return [response, await response.json().catch(() => {})];
  };
  const halt = ({ status, headers }: Response, body: Body): never => {
    const after = headers.get("Retry-After")!;
    const seconds = +after || (Date.parse(after) - clock.now() - getOffset()!) / 1000 || 0;
    // The caller as such is refused, not what was sent.
    const isRefused = (status === 401 && !me.getToken) || (status === 403 && body);
    throw { why: `HTTP ${status}`, after: isRefused ? NEVER_SECONDS : Math.max(seconds, 0) } satisfies Halt;
  };

  /** Send entries, and act on the verdicts. Return whether there were any; throw without verdicts. */
  const send = async (who: Who, entries: Entry[]): Promise<boolean> => {
    // The token may have become another learner's since they were chosen.
    entries = entries.filter((entry) => isOf(entry, who) && !entry.isLoose);
    if (!entries[0]) return false;
    for (const { id } of entries) flying.add(id);
    try {
      const [response, body] = await request(who, PATH + "batch", `{"events":[${entries.map(({ text }) => text)}]}`);
      const { status } = response;
      let results = body?.data?.results;
      if (results?.length !== entries.length) {
        if (status !== 413 && (status !== 400 || !body?.errors)) halt(response, body);
        batchReports = entries.length >> 1;
        if (batchReports) return true;
        results = [{ status: "rejected", errors: body?.errors }];
      }
      batchReports = batchReports * 2 + 1;
      const accepted: Report[] = [];
      entries.forEach(({ report }, index) => {
        const { status, errors = [] } = results[index]!;
        if (/accepted|duplicate/.test(status)) accepted.push(report);
        else emit("rejected", { report, status, errors });
      });
      await sync(() => entries.forEach(remove));
      if (accepted[0]) emit("sent", accepted);
      return true;
    } finally {
      for (const { id } of entries) flying.delete(id);
    }
  };

  /** Drop what others than the present learner did, once it is known who that is. */
  const purge = (entries: Entry[]): void => {
    const foreign = waiting(entries).filter((entry) => (me.sub || me.user) && !isOf(entry, me));
    foreign.forEach(remove);
    drop("another learner", foreign.map(({ report }) => report));
  };
  const sendBatch = async (who: Who): Promise<boolean> => {
    let chosen: Entry[] = [];
    await sync((entries) => {
      chosen = choose(who, entries, BATCH_BYTES);
    });
    return send(who, chosen);
  };

  /** Ask an inactive heartbeat, which claims nothing, for the server's time. */
  const learn = async (who: Who): Promise<void> => {
    const asked = clock.anchor;
    offset = await learnOffset(async () => {
      const [response, body] = await request(who, PATH + "heartbeat", JSON.stringify({ course_id: course, is_active: false }));
      // A course that refuses the learner now may take what was done before.
      const isRefused = /40[034]/.test(`${response.status}`);
      return Date.parse((isRefused ? response.headers.get("Date") : body?.data?.received_at)!) || halt(response, body);
    }, clock.now);
    anchor = asked;
  };

  /** Send a batch of somebody's; return whether there was any. */
  const step = async (who: Who, isUrgent?: boolean): Promise<boolean> => {
    // Also before anything waits: a page that is soon left has no time to ask.
    if (getOffset() === undefined) await learn(who);
    if (!waiting().some((entry) => isOf(entry, who))) return false;
    let sending: Promise<boolean> | false | undefined;
    if (!isUrgent)
      // One in ten goes on without the lock: a page that is frozen may keep it.
      await locks
        ?.request("headway", { ifAvailable: true }, (lock) => (sending = (lock || Math.random() < 0.1) && sendBatch(who)))
        .catch(() => {});
    return sending ?? sendBatch(who);
  };

  const run = (who: Who, isUrgent?: boolean): Promise<void> =>
    (running ??= (async () => {
      let seconds = flushSeconds;
      try {
        // What the former learner did is sent after somebody else has come: it is not foreign yet.
        await sync((entries) => who === me && purge(entries));
        if (!who.token) await askToken(who);
        while (await step(who, isUrgent));
        failures = 0;
      } catch (error) {
        // A page may throw anything.
        const { why = error, after = 0 } = Object(error) as { why?: unknown; after?: number };
        seconds = after + Math.random() * Math.min(LONGEST_BACK_OFF_SECONDS, 2 ** failures++);
        if (after >= NEVER_SECONDS || !who.token) emit("error", { message: `${why}` });
        else emit("debug", `${why}: again in ${seconds} s`);
      }
      running = undefined;
      arm(seconds);
    })());
  /** Send what waits, if anything does, or ask for the time again, in some seconds. */
  const arm = (seconds: number) => {
    clearTimeout(timer);
    timer = !isStopped && seconds < NEVER_SECONDS && (waiting()[0] || getOffset() === undefined) ? setTimeout(wake, seconds * 1000) : undefined;
  };
  const wake = () => void run(me);
  /** Send at once, whatever other tabs do. */
  const hurry = async (who: Who) => {
    await running;
    await run(who, true);
  };
  /** Send without waiting for anything; what is refused, as other requests of the page fill its allowance, is halved. */
  const beam = (who: Who, entries: Entry[]): Promise<unknown> =>
    send(who, entries).catch((error) => error instanceof TypeError && beam(who, entries.slice(0, entries.length >> 1)));

  addEventListener("online", wake);
  // Learn whose the reports are, which decides whether they can be stored, and the server's time; and send what earlier visits left.
  timer = setTimeout(wake);

  return {
    add(report) {
      const copy: Report = JSON.parse(JSON.stringify(report));
      const bytes = measure(render(copy, 0));
      if (bytes > MAX_REPORT_BYTES) return void drop("too large", [report]);
      const { page, user, sub } = me;
      put({ id: copy.event_id, report: copy, bytes, endpoint, page, user, sub, offset: getOffset() });
      saving ??= sync(() => {
        saving = undefined;
      });
      const isFull = waiting().length >= BATCH_REPORTS;
      if (!failures && (isFull || !timer)) arm(isFull ? 0 : flushSeconds);
    },
    flush: () => hurry(me),
    leave() {
      // Another page may have joined what it did not send, or may make the text of what has no offset.
      const own = list().filter((entry) => isOwn(entry) && !entry.isLoose);
      const chosen = me.token ? choose(me, own, flying.size ? KEEPALIVE_BYTES - BATCH_BYTES : KEEPALIVE_BYTES) : [];
      chosen.forEach(put);
      save();
      void beam(me, chosen).then(() => failures || timer || arm(flushSeconds));
    },
    read: async (path) => (await request(me, path))[1],
    async identify(who) {
      const former = me;
      me = become(who);
      if (isOf(me, former)) me.page = former.page;
      else if (former.token) {
        former.getToken = undefined;
        await hurry(former);
      }
      failures = 0;
      wake();
    },
    async stop(how) {
      isStopped = true;
      removeEventListener("online", wake);
      if (how?.forget) await sync((entries) => entries.forEach(remove));
      else await hurry(me);
      arm(0);
    },
  };
}

/** Return the `sub` of a JWT. */
function subject(token: string | undefined): string | undefined {
  try {
    return JSON.parse(atob(token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))).sub;
  } catch {
    return undefined;
  }
}
