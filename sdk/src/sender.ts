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
  flushSeconds: number;
  /** The page's clock. Its `anchor` is another one after the clock was set: what was learned of it is void. */
  clock: { now(): number; readonly anchor?: number };
  fetch: typeof globalThis.fetch;
  indexedDB: IDBFactory | undefined;
  locks: Pick<LockManager, "request"> | undefined;
  emit<Name extends keyof Told>(name: Name, detail: Told[Name]): void;
  maxReports?: number;
  maxBytes?: number;
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
  /** Send what waits, and end; `forget` deletes it instead. */
  stop(how: { forget: boolean }): Promise<void>;
}

const BATCH_REPORTS = 20;
const BATCH_BYTES = 48_000;
const MAX_BATCH_REPORTS = 500;
const MAX_REPORT_BYTES = 40_000;
const KEEPALIVE_BYTES = 64_000;
const REQUEST_SECONDS = 30;
const LONGEST_BACK_OFF_SECONDS = 60;
const LONGEST_RETRY_AFTER_SECONDS = 3600;
const MAX_BUSY = 6;
const PATH = "/api/courses/activity/";

interface Who extends Identity {
  page: number;
  sub?: string | undefined;
}

interface Answer {
  status: number;
  headers: Headers;
  /** The body, if it is JSON. */
  body: any;
}

/** Why sending stops. `after`: seconds that the server asks to wait, Infinity if waiting alone changes nothing. */
interface Halt {
  why: string;
  after?: number;
}

export function createSender(options: SenderOptions): Sender {
  const { endpoint, flushSeconds, clock, fetch, locks } = options;
  const flying = new Set<string>();
  let flyingBytes = 0;
  let offset: number | undefined;
  let anchor = clock.anchor;
  let maxReports = MAX_BATCH_REPORTS;
  let failures = 0;
  let busy = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** 1 while backing off, 2 while the server wants no request. */
  let held = 0;
  let running: Promise<void> | undefined;
  let isStopped = false;

  const emit: SenderOptions["emit"] = (name, detail) => queueMicrotask(() => options.emit(name, detail));
  const drop = (message: string) => (dropped: Report[]) => emit("error", { message, dropped });
  const getOffset = () => {
    if (clock.anchor !== anchor) {
      anchor = clock.anchor;
      offset = undefined;
    }
    return offset;
  };

  // Identity
  const become = ({ token, getToken, user }: Identity): Who => ({ token, getToken, user, sub: subject(token), page: Math.random() });
  let me = become(options);
  const isOf = (entry: Entry, who: Who) =>
    entry.endpoint === endpoint &&
    (entry.sub && who.sub ? entry.sub === who.sub : entry.page === who.page || (!!who.user && entry.user === who.user));
  const askToken = async (who: Who) => {
    try {
      who.token = await limit(Promise.resolve(who.getToken!()), REQUEST_SECONDS);
    } catch (error) {
      throw { why: `getToken: ${error}` } satisfies Halt;
    }
    who.sub = subject(who.token) ?? who.sub;
    for (const entry of queue.list()) if (!entry.sub && isOf(entry, who)) tag(entry, who);
  };
  const tag = (entry: Entry, who: Who) => {
    if (entry.sub !== (entry.sub ??= who.sub)) queue.put(entry);
  };

  const queue = openQueue({
    indexedDB: options.indexedDB,
    maxReports: options.maxReports ?? 1000,
    maxBytes: options.maxBytes ?? 1e6,
    isOwn: (entry) => entry.page === me.page,
    drop: drop("queue full"),
  });
  const waiting = () => queue.list().filter((entry) => isOf(entry, me) && !flying.has(entry.id));

  // Requests
  const post = async (who: Who, path: string, body: string): Promise<Answer> => {
    const bytes = measure(body);
    const abort = new AbortController();
    const timeout = setTimeout(() => abort.abort(), REQUEST_SECONDS * 1000);
    const keepalive = flyingBytes + bytes <= KEEPALIVE_BYTES;
    flyingBytes += bytes;
    const { token } = who;
    try {
      const response = await fetch(endpoint + PATH + path, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body,
        keepalive,
        signal: abort.signal,
      });
      const { status, headers } = response;
      if (status === 401 && who.getToken && who.token === token) who.token = undefined;
      return { status, headers, body: await response.json().catch(() => undefined) };
    } finally {
      clearTimeout(timeout);
      flyingBytes -= bytes;
    }
  };

  /** Send entries with the token of `who`, and act on the verdicts. Return whether any has one. */
  const send = async (who: Who, entries: Entry[]): Promise<boolean> => {
    for (const { id } of entries) flying.add(id);
    try {
      const answer = await post(who, "batch", `{"events":[${entries.map((entry) => entry.text)}]}`);
      const { status, body } = answer;
      const results = body?.data?.results;
      const settled: Entry[] = [];
      const accepted: Report[] = [];
      const settle = (entry: Entry, verdict: string, errors: Refusal["errors"] = []) => {
        const { report } = entry;
        if (/^(accepted|duplicate)$/.test(verdict)) accepted.push(report);
        else if (/^(conflict|rejected)$/.test(verdict)) emit("rejected", { report, status: verdict as Refusal["status"], errors });
        else return;
        settled.push(entry);
      };
      if (/200|400/.test(`${status}`) && results?.length === entries.length)
        entries.forEach((entry, index) => settle(entry, results[index].status, results[index].errors));
      else if (status === 413 || (status === 400 && body?.success === false)) {
        maxReports = entries.length >> 1;
        if (maxReports) return true;
        settle(entries[0]!, "rejected", body?.errors);
      }
      if (!settled[0]) throw halt(answer);
      maxReports = Math.min(MAX_BATCH_REPORTS, (maxReports || 1) * 2);
      await queue.sync(() => settled.forEach(queue.remove));
      if (accepted[0]) emit("sent", accepted);
      return true;
    } finally {
      for (const { id } of entries) flying.delete(id);
    }
  };

  /** Choose what is sent next of what waits, and make its text. */
  const choose = (who: Who, maxBytes: number, entries: Entry[]): Entry[] => {
    const chosen: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (!isOf(entry, who) || flying.has(entry.id)) continue;
      bytes += entry.bytes + 1;
      if (chosen[0] && (bytes > maxBytes || chosen.length >= maxReports)) break;
      entry.offset ??= offset!;
      entry.text ??= render(entry.report, entry.offset);
      tag(entry, who);
      queue.put(entry);
      chosen.push(entry);
    }
    return chosen;
  };

  const sendBatch = async (who: Who): Promise<boolean> => {
    let chosen: Entry[] = [];
    await queue.sync((entries) => {
      purge(who, entries);
      chosen = choose(who, BATCH_BYTES, entries);
    });
    return !!chosen[0] && send(who, chosen);
  };
  const purge = (who: Who, entries: Entry[]) => {
    // What the former learner did is sent after somebody else has come: nothing is foreign then.
    if (who !== me) return;
    const foreign = entries.filter((entry) => entry.endpoint === endpoint && !isOf(entry, who));
    foreign.forEach(queue.remove);
    if (foreign[0]) drop("another learner")(foreign.map((entry) => entry.report));
  };

  /** Send a batch while no other tab does. One that keeps the lock for longer than a batch takes is frozen. */
  const sendAlone = async (who: Who): Promise<boolean> => {
    let isBusy = false;
    let sending: Promise<boolean> | undefined;
    await locks!
      .request("headway", { ifAvailable: true }, async (lock) => {
        isBusy = !lock && ++busy < MAX_BUSY;
        if (!isBusy) await (sending = sendBatch(who));
      })
      .catch(() => {});
    if (isBusy) return false;
    busy = 0;
    return sending ?? sendBatch(who);
  };

  /** Ask an inactive heartbeat, which claims nothing, for the server's time. */
  const learn = async (who: Who, course_id: number) => {
    const learned = await learnOffset(async () => {
      const answer = await post(who, "heartbeat", JSON.stringify({ course_id, is_active: false }));
      const { status, headers, body } = answer;
      // A course that refuses the learner now may take what was done before.
      const refused = /40[034]/.test(`${status}`) && body?.success === false && headers.get("Date");
      const received = Date.parse(body?.data?.received_at ?? refused);
      if (!received) throw halt(answer);
      return received;
    }, clock.now);
    if (learned === undefined) throw { why: "clock" } satisfies Halt;
    offset = learned;
    getOffset();
  };

  const halt = ({ status, headers, body }: Answer): Halt => {
    const after = headers.get("Retry-After") ?? "";
    const seconds = +after || (Date.parse(after) - (Date.parse(headers.get("Date") ?? "") || clock.now() + (offset ?? 0))) / 1000 || 0;
    // The caller as such is refused, not what was sent.
    const isRefused = (status === 401 && !me.getToken) || (status === 403 && body?.success === false);
    return { why: `HTTP ${status}`, after: isRefused ? Infinity : Math.min(Math.max(seconds, 0), LONGEST_RETRY_AFTER_SECONDS) };
  };

  let isRenewed = false;
  /** Do what comes next; return whether more is to be done. */
  const step = async (who: Who, isUrgent: boolean): Promise<boolean> => {
    await queue.sync();
    const entries = queue.list().filter((entry) => entry.endpoint === endpoint && !flying.has(entry.id));
    const mine = entries.find((entry) => isOf(entry, who));
    if (!entries[0]) return false;
    if (!who.token) {
      if (!who.getToken) throw { why: "no token", after: Infinity } satisfies Halt;
      isRenewed = true;
      await askToken(who);
    } else if (mine && getOffset() === undefined) await learn(who, mine.report.course_id);
    else {
      const isMore = await (locks && !isUrgent ? sendAlone : sendBatch)(who);
      isRenewed = false;
      return isMore;
    }
    return true;
  };

  const run = (who: Who, isUrgent = false): Promise<void> =>
    (running ??= (async () => {
      let seconds = flushSeconds;
      isRenewed = false;
      try {
        while (
          await step(who, isUrgent).catch((error) => {
            // A token that was refused is replaced once.
            if (who.token || !who.getToken || isRenewed) throw error;
            return true;
          })
        );
        failures = held = 0;
      } catch (error) {
        const { why = `${error}`, after = 0 } = error as Partial<Halt>;
        seconds = after + Math.random() * Math.min(LONGEST_BACK_OFF_SECONDS, 2 ** failures++);
        held = after ? 2 : 1;
        if (after === Infinity || !who.token) emit("error", { message: why });
        else emit("debug", `${why}: again in ${seconds} s`);
      }
      running = undefined;
      arm(seconds);
    })());
  /** Send what waits, if anything does, in some seconds; those that are over the limits of timers never come. */
  const arm = (seconds: number) => {
    clearTimeout(timer);
    timer = undefined;
    if (!isStopped && seconds < Infinity && waiting()[0]) timer = setTimeout(wake, seconds * 1000);
  };
  const wake = () => {
    timer = undefined;
    void run(me);
  };
  const wakeOnline = () => {
    if (held < 2) wake();
  };

  let saving: Promise<void> | undefined;
  const flush = async () => {
    await running;
    await run(me, true);
  };
  /** Send without waiting for anything; what is refused, as other requests of the page fill its allowance, is halved. */
  const beam = async (who: Who, entries: Entry[]): Promise<void> => {
    try {
      if (entries[0]) await send(who, entries);
    } catch (error) {
      if (error instanceof TypeError) await beam(who, entries.slice(0, entries.length >> 1));
    }
  };

  globalThis.addEventListener?.("online", wakeOnline);
  // Whose the reports are decides whether they can be stored: a short visit has no time to ask later.
  if (me.getToken && !me.token && !me.user) void askToken(me).catch(() => {});
  timer = setTimeout(wake, flushSeconds * 1000);

  return {
    add(report) {
      if (isStopped) return;
      const copy: Report = JSON.parse(JSON.stringify(report));
      const bytes = measure(render(copy, 0));
      if (bytes > MAX_REPORT_BYTES) return drop("too large")([report]);
      const { page, user, sub } = me;
      queue.put({ id: copy.event_id, report: copy, bytes, endpoint, page, user, sub, offset: getOffset() });
      saving ??= queue.sync(() => {
        saving = undefined;
      });
      const entries = waiting();
      const isFull = entries.length >= BATCH_REPORTS || entries.reduce((sum, entry) => sum + entry.bytes, 0) >= BATCH_BYTES;
      if (!held && (isFull || !timer)) arm(isFull ? 0 : flushSeconds);
    },
    flush,
    leave() {
      if (isStopped) return;
      // Another page may have joined what it did not send, or may make the text of what has no offset.
      const own = queue.list().filter((entry) => entry.page === me.page && entry.offset !== undefined);
      const chosen = me.token && held < 2 ? choose(me, KEEPALIVE_BYTES - flyingBytes, own) : [];
      queue.save();
      void beam(me, chosen).finally(() => held || timer || arm(flushSeconds));
    },
    async identify(who) {
      const former = me;
      me = become(who);
      if (me.sub ? me.sub === former.sub : me.user && me.user === former.user) me.page = former.page;
      else {
        await running;
        former.getToken = undefined;
        await run(former, true);
      }
      if (me.sub || me.user) await queue.sync((entries) => purge(me, entries));
      failures = held = 0;
      wake();
    },
    async stop({ forget }) {
      isStopped = true;
      globalThis.removeEventListener?.("online", wakeOnline);
      if (forget) await queue.sync((entries) => entries.filter((entry) => entry.endpoint === endpoint).forEach(queue.remove));
      else await flush();
      clearTimeout(timer);
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
