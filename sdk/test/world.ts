/** A world for senders: virtual time, a database, a server that stores each report once. */

import { IDBFactory } from "fake-indexeddb";
import { createSender, type Identity, type Sender, type SenderOptions, type Told } from "../src/sender.ts";
import type { Report } from "../src/report.ts";

const real = { setTimeout, clearTimeout, setImmediate };
const { timeout } = AbortSignal;

/** Virtual time: timers and the tasks of fake-indexeddb run when told, in one order. */
export class Time {
  now = 0;
  #id = 0;
  #timers = new Map<number, { at: number; call: () => void }>();
  #tasks: (() => void)[] = [];

  install(): void {
    Object.assign(globalThis, {
      setTimeout: (call: (...details: unknown[]) => void, milliseconds = 0, ...details: unknown[]) => {
        // As in browsers: what does not fit into 31 bits is at once.
        const wait = milliseconds >= 2 ** 31 || !(milliseconds > 0) ? 0 : milliseconds;
        this.#timers.set(++this.#id, { at: this.now + wait, call: () => call(...details) });
        return this.#id;
      },
      clearTimeout: (id: number) => this.#timers.delete(id),
      setImmediate: (call: () => void) => void this.#tasks.push(call),
      addEventListener() {},
      removeEventListener() {},
    });
    AbortSignal.timeout = (milliseconds) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new DOMException("timeout", "TimeoutError")), milliseconds);
      return controller.signal;
    };
  }

  restore(): void {
    Object.assign(globalThis, real);
    AbortSignal.timeout = timeout;
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Run everything that waits for no timer, or so many tasks of it. */
  async settle(most = 100_000): Promise<void> {
    for (let count = 0; count <= most; count++) {
      await new Promise<void>((resolve) => real.setImmediate(resolve));
      if (count === 100_000) throw Error("it never comes to rest");
      const task = count < most && this.#tasks.shift();
      if (!task) return;
      task();
    }
  }

  async advance(milliseconds: number): Promise<void> {
    const until = this.now + milliseconds;
    await this.settle();
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.now = Math.max(this.now, next[1].at);
      next[1].call();
      await this.settle();
    }
    this.now = until;
  }
}

export interface Request {
  path: string;
  token: string;
  body: any;
  text: string;
  keepalive: boolean;
}

type Answer = Response | Promise<Response>;

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });
export const html = (status: number): Response => new Response("<h1>Hotel Wi-Fi</h1>", { status });
export const failure = (status: number, headers: Record<string, string> = {}): Response =>
  json(status, { success: false, message: "No", errors: [{ field: "body", message: "no" }] }, headers);

/** A token as Headway makes them: a JWT, here without a signature. */
export const makeToken = (sub: string, serial = 0): string =>
  ["{}", JSON.stringify({ sub, serial })].map((part) => Buffer.from(part).toString("base64url")).join(".") + ".";
const subjectOf = (token: string): string => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()).sub;

/** A server with exactly-once semantics. */
export class Server {
  /** By learner and id, the content that was stored. */
  stored = new Map<string, any>();
  conflicts = 0;
  /** Reports whose metadata say so are rejected. */
  requests: Request[] = [];
  clock: () => number;

  constructor(clock: () => number) {
    this.clock = clock;
  }

  answer(request: Request): Response {
    if (request.token === "undefined") return failure(401);
    if (request.path === "heartbeat") return json(200, { success: true, data: { received_at: new Date(this.clock()).toISOString() } });
    const results = request.body.events.map((event: any, index: number) => ({ index, ...this.#record(request.token, event) }));
    const isRefused = results.every((result: any) => result.status === "rejected");
    return json(isRefused ? 400 : 200, { success: !isRefused, data: { results } });
  }

  #record(token: string, event: any) {
    const key = `${subjectOf(token)} ${event.event_id}`;
    const { event_id } = event;
    if (event.metadata?.bad) return { event_id, status: "rejected", errors: [{ field: "metadata", message: "bad" }] };
    const stored = this.stored.get(key);
    if (!stored) {
      this.stored.set(key, event);
      return { event_id, status: "accepted" };
    }
    if (JSON.stringify(stored) === JSON.stringify(event)) return { event_id, status: "duplicate" };
    this.conflicts++;
    return { event_id, status: "conflict", errors: [] };
  }
}

/** How requests are locked by one tab of several. */
export class Locks {
  #isHeld = false;
  isStuck = false;

  request = (async (_name: string, _options: LockOptions, call: (lock: Lock | null) => unknown) => {
    if (this.#isHeld || this.isStuck) return await call(null);
    this.#isHeld = true;
    try {
      return await call({} as Lock);
    } finally {
      this.#isHeld = false;
    }
  }) as LockManager["request"];
}

export class World {
  time = new Time();
  /** How far the device's clock is behind the server's. */
  skew = 3_600_000;
  server = new Server(() => this.time.now + this.epoch + this.skew);
  epoch = Date.parse("2026-01-01T00:00:00Z");
  indexedDB: IDBFactory | undefined = new IDBFactory();
  locks = new Locks();
  clock: { now(): number; anchor?: number } = { now: () => this.time.now + this.epoch };
  told: { [Name in keyof Told]: Told[Name][] } = { error: [], rejected: [], sent: [], debug: [] };
  /** Answer a request, or fail it; undefined leaves it to the server. */
  reply: (request: Request, index: number) => Answer | undefined = () => undefined;
  listeners = new Map<string, () => void>();
  #serial = 0;

  constructor() {
    this.time.install();
    Math.random = () => 0.5 + ++this.#random / 1e9;
    Object.assign(globalThis, {
      addEventListener: (name: string, call: () => void) => this.listeners.set(name, call),
      removeEventListener: (name: string) => this.listeners.delete(name),
    });
  }
  #random = 0;

  get requests(): Request[] {
    return this.server.requests;
  }
  get batches(): Request[] {
    return this.requests.filter(({ path }) => path === "batch");
  }
  get texts(): string[] {
    return [...this.server.stored.keys()];
  }

  fetch = ((url: string, init: RequestInit) =>
    new Promise<Response>((resolve, reject) => {
      const headers = init.headers as Record<string, string>;
      const text = init.body as string;
      const request: Request = {
        path: url.split("/").at(-1)!,
        token: headers["Authorization"]!.slice(7),
        body: JSON.parse(text),
        text,
        keepalive: !!init.keepalive,
      };
      this.requests.push(request);
      init.signal?.addEventListener("abort", () => reject(init.signal!.reason));
      Promise.resolve(this.reply(request, this.requests.length - 1) ?? this.server.answer(request)).then(resolve, reject);
    })) as typeof globalThis.fetch;

  open(who: Identity = { token: makeToken("5") }, options: Partial<SenderOptions> = {}): Sender {
    const { indexedDB, locks, clock, fetch } = this;
    return createSender({
      endpoint: "https://headway.example",
      course: 1,
      ...who,
      flushSeconds: 5,
      clock,
      fetch,
      indexedDB,
      locks,
      emit: (name, detail) => void (this.told[name] as unknown[]).push(detail),
      ...options,
    });
  }

  /** Run what a promise waits for, other than timers. */
  async finish(promise: Promise<void>): Promise<void> {
    let isDone = false;
    void promise.then(() => (isDone = true));
    await this.time.settle();
    if (!isDone) throw Error("it waits for time");
  }

  /** A beat of ten seconds, each after the one before. */
  beat(fields: Partial<Report> = {}): Report {
    const serial = this.#serial++;
    const start = this.epoch + serial * 10_000;
    return { event_id: `e-${`${serial}`.padStart(4, "0")}`, activity_type: "unit_view", course_id: 1, unit_id: 2, session_id: "s", start, end: start + 10_000, ...fields };
  }
}

