/** Whatever fails, and wherever pages crash: each report arrives exactly once, or is told as dropped. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import fc from "fast-check";
import { IDBFactory } from "fake-indexeddb";
import { createSender, type Sender } from "../src/sender.ts";
import type { Report } from "../src/report.ts";
import { makeToken, Server, Time, type Request } from "./world.ts";

const SECONDS = Number(process.env["HEADWAY_PROPERTY_SECONDS"] ?? 20);
const CASES_AT_ONCE = 20;
const EPOCH = Date.parse("2026-01-01T00:00:00Z");
const SKEW = -86_400_000 * 400;
const LEARNERS = ["5", "6"] as const;

/** What becomes of a request. */
const OUTCOMES = ["ok", "lost before", "lost after", "500", "500 after", "429", "413", "401", "html", "html after", "never", "never after"] as const;
type Outcome = (typeof OUTCOMES)[number];

/** How a page knows who the learner is. */
const CREDENTIALS = ["token", "token, getToken", "user, getToken", "getToken", "getToken of whoever signed in last"] as const;
/** What the storage of a page does. */
const STORAGES = ["works", "denied", "fails", "aborts", "hangs", "slow"] as const;
/** Milliseconds after which a page hears of what its slow storage did: longer than it waits. */
const SLOW = 3_000;

const tab = fc.nat(2);
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("add" as const), tab, isBeat: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("run" as const), tasks: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("pass" as const), seconds: fc.constantFrom(0.1, 5, 31, 100) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("answer" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("crash" as const, "freeze" as const, "leave" as const, "flush" as const, "stop" as const, "forget" as const), tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("online" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("store" as const), tab, storage: fc.constantFrom(...STORAGES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("set clock" as const), tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sign in" as const), learner: fc.constantFrom(...LEARNERS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("identify" as const), tab, learner: fc.constantFrom(...LEARNERS), how: fc.constantFrom(...CREDENTIALS) }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

const scenario = fc.record({
  commands: fc.array(command, { maxLength: 60, size: "max" }),
  outcomes: fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant("ok" as const) }, fc.constantFrom(...OUTCOMES)), { maxLength: 30, size: "max" }),
  pages: fc.array(fc.record({ learner: fc.constantFrom("5", "5", "5", "6"), how: fc.constantFrom(...CREDENTIALS) }), { minLength: 3, maxLength: 8 }),
  hasLocks: fc.boolean(),
  maxReports: fc.constantFrom(4, 1000),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

interface Page {
  sender: Sender;
  isAlive: boolean;
  isDone?: boolean;
  /** Whether it deletes what waits, also what other pages report until it ends. */
  isForgetting?: boolean;
  /** What a frozen page does once it goes on. */
  held?: (() => void)[] | undefined;
  /** Whose the page is, once that is known. */
  learner: string | undefined;
  identity: object;
  storage: (typeof STORAGES)[number];
  /** Its transactions and connections that are under way. */
  open: Set<any>;
  /** How many transactions ended of which it has not heard: no other one begins before. */
  late: number;
  jump: number;
  end: number;
}

/** A report that was made: it is found by its serial wherever it goes. */
interface Made {
  learner: string | undefined;
  page: Page;
  isStored: boolean;
}

/** A transaction that never begins. */
const HUNG = { objectStore: () => ({ getAll: () => ({}), put() {}, clear() {}, transaction: { commit() {} } }) };

/** Return the serials of reports, also of those that were joined. */
const serials = (report: Pick<Report, "engagement_metrics" | "metadata">): number[] =>
  report.metadata ? [report.metadata["serial"] as number] : report.engagement_metrics!.video_segments!.map(([from]) => from);

class Universe {
  time = new Time();
  server = new Server(() => this.time.now + EPOCH + SKEW);
  factory = new IDBFactory();
  current = new AsyncLocalStorage<Page>();
  pages: Page[] = [];
  made: Made[] = [];
  told = new Set<number>();
  isHealed = false;
  signedIn: string = LEARNERS[0];
  holder: Page | undefined;
  tokens = 0;
  plan: Scenario;
  scheduler: fc.Scheduler;
  opened = 0;

  constructor(plan: Scenario, scheduler: fc.Scheduler) {
    this.plan = plan;
    this.scheduler = scheduler;
    this.time.install();
    const { setTimeout } = globalThis;
    globalThis.setTimeout = ((call: (...details: unknown[]) => void, milliseconds: number, ...details: unknown[]) =>
      setTimeout(this.bind(call), milliseconds, ...details)) as never;
    let random = 0;
    Math.random = () => (random = (random + 0.381966) % 1);
  }

  /** Bind a function to the page that made it: it ends with it. */
  bind<Args extends unknown[]>(call: (...args: Args) => void): (...args: Args) => void {
    const page = this.current.getStore();
    return (...args) => (page ? this.run(page, () => call(...args)) : call(...args));
  }

  /** Run something in a page, unless it has crashed; in one that is frozen once it goes on. */
  run(page: Page, call: () => void): void {
    if (page.held) page.held.push(call);
    else if (page.isAlive) this.current.run(page, call);
  }

  thaw(page: Page): void {
    const { held = [] } = page;
    page.held = undefined;
    for (const call of held) this.run(page, call);
  }

  next(): Outcome {
    return this.isHealed ? "ok" : (this.plan.outcomes.shift() ?? "ok");
  }

  open(index: number): Page {
    const { learner, how } = this.plan.pages[this.opened++ % this.plan.pages.length]!;
    const page = { isAlive: true, learner: undefined, storage: "works", open: new Set(), late: 0, jump: 0, end: 0 } as unknown as Page;
    this.pages[index] = page;
    const clock = { now: () => this.time.now + EPOCH + page.jump, get anchor() { return page.jump; } };
    page.sender = this.current.run(page, () =>
      createSender({
        endpoint: "https://headway.example",
        course: 1,
        ...this.identify(page, learner, how),
        flushSeconds: 5,
        clock,
        fetch: this.fetch(page),
        indexedDB: this.gate(page, this.factory),
        locks: this.plan.hasLocks ? { request: this.lock(page) } : undefined,
        maxReports: this.plan.maxReports,
        emit: (name, detail) => {
          if (name === "error") for (const report of (detail as { dropped?: Report[] }).dropped ?? []) this.tell(report);
          if (name === "rejected") this.tell((detail as { report: Report }).report);
        },
      }),
    );
    return page;
  }

  tell(report: Report): void {
    for (const serial of serials(report)) this.told.add(serial);
  }

  identify(page: Page, learner: string, how: string) {
    const token = how.startsWith("token") ? makeToken(learner, this.tokens++) : undefined;
    page.learner = token && learner;
    const identity = (page.identity = {});
    const getToken = async () => {
      if (this.next().startsWith("lost")) throw Error("offline");
      const whose = how.includes("whoever") ? this.signedIn : learner;
      if (page.identity === identity) page.learner = whose;
      return makeToken(whose, this.tokens++);
    };
    return { token, user: how.startsWith("user") ? `user ${learner}` : undefined, getToken: how.includes("getToken") ? getToken : undefined };
  }

  fetch(page: Page): typeof globalThis.fetch {
    return ((url: string, init: RequestInit) =>
      new Promise((resolve, reject) => {
        const outcome = this.next();
        const { Authorization } = init.headers as Record<string, string>;
        const text = init.body as string;
        const request: Request = { path: url.split("/").at(-1)!, token: Authorization!.slice(7), body: JSON.parse(text), text, keepalive: false };
        init.signal!.addEventListener("abort", () => reject(init.signal!.reason));
        void this.scheduler.schedule(Promise.resolve(), `${request.path}: ${outcome}`).then(() => {
          const isHandled = outcome === "ok" || outcome.endsWith("after");
          const answer = isHandled ? this.server.answer(request) : undefined;
          if (outcome.startsWith("never")) return;
          this.run(page, () => {
            if (outcome.startsWith("lost")) return reject(new TypeError("Failed to fetch"));
            const status = parseInt(outcome) || answer?.status || 200;
            const headers = new Headers(status === 429 ? { "Retry-After": "7" } : {});
            const json = async () => (outcome === "ok" ? answer!.json() : JSON.parse(status === 200 ? "<html>" : '{"success": false}'));
            resolve({ status, headers, json } as never);
          });
        });
      })) as never;
  }

  lock(page: Page): LockManager["request"] {
    return (async (_name: string, _options: LockOptions, call: (lock: Lock | null) => unknown) => {
      if (this.holder) return await call(null);
      this.holder = page;
      try {
        return await call({} as Lock);
      } finally {
        this.holder = undefined;
      }
    }) as never;
  }

  /** Wrap the database for a page: nothing of it comes back after a crash, and it fails when told. */
  gate<Value extends object>(page: Page, target: Value): Value {
    const wrap = (value: unknown) => (/^FDB/.test((value as object)?.constructor?.name) ? this.gate(page, value as object) : value);
    const isTransaction = target.constructor.name === "FDBTransaction";
    return new Proxy(target, {
      get: (_, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return wrap(value);
        return (...args: unknown[]) => {
          if (!page.isAlive) throw Error("dead");
          if (page.storage === "denied" && name === "open") throw Error("SecurityError");
          if (page.storage === "fails" && name === "transaction") throw Error("InvalidStateError");
          if (page.storage === "hangs" && name === "open") return {};
          if ((page.storage === "hangs" || page.late) && name === "transaction") return HUNG;
          if (page.storage === "aborts" && name === "commit") return (target as unknown as IDBTransaction).abort();
          if (isTransaction && name === "commit") page.open.delete(target as never);
          const result = value.apply(target, args);
          if (name === "transaction" || name === "open") page.open.add(result);
          for (const end of ["complete", "abort", "success", "error"])
            if (page.open.has(result)) result.addEventListener(end, () => page.open.delete(result));
          return wrap(result);
        };
      },
      set: (_, name, value) =>
        Reflect.set(
          target,
          name,
          (...args: unknown[]) => {
            const call = () => this.run(page, () => value(...args));
            const isSlow = page.storage === "slow" && /FDBOpenDBRequest-onsuccess|-oncomplete/.test(`${target.constructor.name}-${String(name)}`);
            if (!isSlow) return call();
            page.late++;
            setTimeout(() => (page.late--, call()), SLOW);
          },
          target,
        ),
    });
  }

  crash(page: Page): void {
    page.isAlive = false;
    if (page.isForgetting) this.made.forEach((_, serial) => this.told.add(serial));
    if (this.holder === page) this.holder = undefined;
    // The browser keeps what a page asked to commit, and nothing else.
    for (const transaction of page.open) if (/^(in)?active$/.test(transaction._state)) transaction.abort();
  }

  add(page: Page, isBeat: boolean): void {
    const serial = this.made.length;
    this.made.push({ learner: page.learner, page, isStored: false });
    const start = Math.max(page.end, this.time.now + EPOCH + page.jump);
    const report: Report = { event_id: `e-${`${serial}`.padStart(3, "0")}`, activity_type: "unit_view", course_id: 1, end: start };
    if (isBeat) Object.assign(report, { start, end: (page.end = start + 10_000), engagement_metrics: { video_segments: [[serial, serial + 1]] } });
    else report.metadata = { serial };
    this.current.run(page, () => page.sender.add(report));
  }

  async act(command: Command): Promise<void> {
    await this.time.settle(0); // a page crashes between tasks
    for (const page of this.pages) if (page?.isDone && page.isAlive) this.crash(page);
    if ("tab" in command) {
      let page = this.pages[command.tab] ?? this.open(command.tab);
      if (!page.isAlive) page = this.open(command.tab);
      const { sender } = page;
      if (command.do !== "crash") this.thaw(page);
      await this.time.settle(0);
      await this.current.run(page, async () => {
        if (command.do === "add") this.add(page, command.isBeat);
        else if (command.do === "flush") void sender.flush();
        else if (command.do === "leave") sender.leave();
        else if (command.do === "crash") this.crash(page);
        // Browsers let a page finish first what it does with its database.
        else if (command.do === "freeze") page.held = page.open.size ? undefined : [];
        else if (command.do === "store") page.storage = command.storage;
        else if (command.do === "set clock") page.jump += 3_600_000;
        else if (command.do === "identify") void sender.identify(this.identify(page, command.learner, command.how));
        else if (command.do === "stop") void sender.stop({ forget: false }).then(() => (page.isDone = true));
        else if (command.do === "forget") {
          page.isForgetting = true;
          void sender.stop({ forget: true }).then(() => (page.isDone = true));
        }
      });
    } else if (command.do === "run") await this.time.settle(command.tasks);
    else if (command.do === "sign in") this.signedIn = command.learner;
    else if (command.do === "pass") await this.time.advance(command.seconds * 1000);
    else if (command.do === "answer" && this.scheduler.count()) await this.scheduler.waitOne();
    if (command.do === "settle" || command.do === "pass") {
      await this.time.settle();
      for (const report of this.records()) for (const serial of serials(report)) this.made[serial]!.isStored = true;
    }
  }

  /** The reports in the database, read beside it. */
  records(): Report[] {
    const stores = (this.factory as any)._databases.get("headway")?.rawObjectStores;
    return stores?.size ? [...stores.get("reports").records.values()].flatMap((record: any) => record.value.map((entry: any) => entry.report)) : [];
  }

  /** Let everything go well from now on, for as long as it takes; then let the last page send what others left. */
  async heal(): Promise<void> {
    this.isHealed = true;
    for (const page of this.pages) if (page) this.thaw(page);
    const rest = async () => {
      for (let round = 0; round < 60; round++) {
        while (this.scheduler.count()) await this.scheduler.waitOne().then(() => this.time.settle());
        await this.time.advance(2_000);
      }
    };
    await rest();
    for (const page of this.pages) if (page?.isAlive) page.storage = "works", this.current.run(page, () => void page.sender.flush());
    await rest();
    for (const page of this.pages) if (page?.isAlive) this.crash(page);
    const last = this.open(0);
    await this.time.settle();
    this.current.run(last, () => void last.sender.flush());
    await rest();
  }

  check(): void {
    const arrived = new Map<number, string[]>();
    for (const [key, event] of this.server.stored) {
      const learner = key.split(" ")[0]!;
      const found = serials(event);
      for (const serial of found) arrived.set(serial, [...(arrived.get(serial) ?? []), learner]);
      if (event.start_time) assert.equal(Date.parse(event.end_time) - Date.parse(event.start_time), found.length * 10_000, "time was lost or made");
    }
    this.made.forEach(({ learner, page, isStored }, serial) => {
      const learners = arrived.get(serial) ?? [];
      assert.ok(learners.length < 2, `${serial} arrived ${learners.length} times`);
      if (learners[0] && learner) assert.equal(learners[0], learner, `${serial} was sent with another learner's token`);
      if (isStored || page.isAlive) assert.ok(learners[0] || this.told.has(serial), `${serial} is lost`);
    });
    assert.equal(this.server.conflicts, 0, "conflicts");
    assert.deepEqual(this.records(), [], "something stays");
  }
}

test("each report arrives exactly once, or is told as dropped", async (context) => {
  const property = fc.asyncProperty(scenario, fc.scheduler(), async (plan, scheduler) => {
    const universe = new Universe(structuredClone(plan), scheduler);
    for (const each of plan.commands) await universe.act(each);
    await universe.heal();
    universe.check();
  });
  let cases = 0;
  try {
    for (const end = Date.now() + SECONDS * 1000; Date.now() < end; cases += CASES_AT_ONCE)
      await fc.assert(property, { numRuns: CASES_AT_ONCE });
    context.diagnostic(`${cases} cases`);
  } finally {
    new Time().restore();
  }
});
