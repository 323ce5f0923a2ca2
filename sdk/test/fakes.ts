/** A page without a browser: its time stands still until `advance`, and what the learner does is fired by hand. */

import type { Sender, SenderOptions } from "../src/sender.ts";
import type { Report } from "../src/report.ts";

type Timer = { at: number; every: number | undefined; run: () => void };

export class FakeObserver {
  observed = new Set<unknown>();
  tell: (entries: unknown[]) => void;
  constructor(tell: (entries: unknown[]) => void) {
    this.tell = tell;
  }
  observe(target: unknown): void {
    this.observed.add(target);
  }
  disconnect(): void {
    this.observed.clear();
  }
}

export function createPage(search = "") {
  const timers = new Map<number, Timer>();
  const observers: FakeObserver[] = [];
  const mutationObservers: FakeObserver[] = [];
  const start = Date.UTC(2026, 0, 1);
  const requests: { url: string; init: RequestInit | undefined }[] = [];
  let ids = 0;
  const page = {
    monotonic: 1000,
    /** How far the device's clock is away. */
    wrong: 0,
    focused: true,
    timers,
    observers,
    mutationObservers,
    requests,
    answer: (_url: string): unknown => ({}),
    listeners: 0,
    now: () => start + page.monotonic,
    at: (seconds: number) => start + 1000 + seconds * 1000,
    /** Let time pass, and run the timers that are due. */
    async advance(ms: number) {
      for (const until = page.monotonic + ms; ; ) {
        const [id, next] = [...timers].sort((one, other) => one[1].at - other[1].at)[0] ?? [];
        if (!next || next.at > until) {
          page.monotonic = until;
          break;
        }
        page.monotonic = Math.max(page.monotonic, next.at);
        if (next.every) next.at = page.monotonic + next.every;
        else timers.delete(id!);
        next.run();
        await settle();
      }
      await settle();
    },
    /** Let time pass without a timer: a device that sleeps, a frozen tab. */
    jump(ms: number) {
      page.monotonic += ms;
      for (const timer of timers.values()) timer.at = Math.max(timer.at, page.monotonic);
    },
    fire(type: string, target: unknown = window) {
      const event = new Event(type);
      Object.defineProperty(event, "target", { value: target });
      window.dispatchEvent(event);
    },
    hide() {
      document.visibilityState = "hidden";
      page.fire("visibilitychange", document);
    },
    show() {
      document.visibilityState = "visible";
      page.fire("visibilitychange", document);
    },
    blur() {
      page.focused = false;
      page.fire("blur");
    },
    focus() {
      page.focused = true;
      page.fire("focus");
    },
  };
  const documentElement = createElement({ scrollHeight: 2000, clientHeight: 500 });
  const document = {
    visibilityState: "visible",
    prerendering: false,
    documentElement,
    contains: () => true,
    hasFocus: () => page.focused,
    querySelector: (_selector: string): unknown => null,
    querySelectorAll: (_selector: string): unknown[] => [],
  };
  documentElement.ownerDocument = document;
  const events = new EventTarget();
  const later = (run: () => void, ms = 0, isRepeated = false) => {
    timers.set(++ids, { at: page.monotonic + Math.max(ms, 0), every: isRepeated ? ms : undefined, run });
    return ids;
  };
  const window = {
    parent: undefined as unknown,
    document,
    innerWidth: 1000,
    innerHeight: 500,
    location: { href: "https://school.example/course/", search },
    navigator: { locks: "locks" },
    indexedDB: "database",
    performance: { now: () => page.monotonic },
    Date: { now: () => start + page.monotonic + page.wrong },
    setTimeout: later,
    setInterval: (run: () => void, ms: number) => later(run, ms, true),
    clearTimeout: (id: number) => void timers.delete(id),
    clearInterval: (id: number) => void timers.delete(id),
    addEventListener(type: string, listener: EventListener, options: AddEventListenerOptions) {
      page.listeners++;
      options.signal?.addEventListener("abort", () => page.listeners--);
      events.addEventListener(type, listener, options);
    },
    dispatchEvent: (event: Event) => events.dispatchEvent(event),
    async fetch(url: string, init?: RequestInit) {
      requests.push({ url, init });
      const body = page.answer(url);
      if (body instanceof Response) return body;
      return Response.json(body);
    },
    IntersectionObserver: class extends FakeObserver {
      constructor(tell: (entries: unknown[]) => void) {
        super(tell);
        observers.push(this);
      }
    },
    MutationObserver: class extends FakeObserver {
      constructor(tell: (entries: unknown[]) => void) {
        super(tell);
        mutationObservers.push(this);
      }
    },
  };
  window.parent = window;
  return { ...{ page, document, documentElement, events }, window: window as unknown as Window & typeof globalThis };
}

/** Let everything run that waits for nothing but promises. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

export function createElement(fields: Record<string, unknown> = {}): any {
  const element: Record<string, any> = {
    nodeType: 1,
    scrollTop: 0,
    scrollHeight: 0,
    clientHeight: 0,
    dataset: {},
    isConnected: true,
    ownerDocument: {},
    rect: { top: 0, bottom: 0, left: 0, right: 1000 },
    contains: (other: unknown) => other === element,
    closest: (): unknown => null,
    getBoundingClientRect: () => element.rect,
    ...fields,
  };
  return element;
}

/** A sender that keeps what it is given. */
export function createFakeSender() {
  const reports: Report[] = [];
  const calls: unknown[] = [];
  const reads: string[] = [];
  let options: SenderOptions | undefined;
  const sender: Sender = {
    add: (report) => void reports.push(report),
    flush: async () => void calls.push("flush"),
    leave: () => void calls.push("leave"),
    identify: async (who) => void calls.push(["identify", who]),
    read: async (path) => (reads.push(path), fake.answer()),
    stop: async (how) => void calls.push(["stop", how]),
  };
  const fake = {
    reports,
    calls,
    reads,
    answer: (): unknown => ({}),
    get options() {
      return options!;
    },
    isMade: () => options !== undefined,
    createSender(given: SenderOptions) {
      options = given;
      return sender;
    },
  };
  return fake;
}
