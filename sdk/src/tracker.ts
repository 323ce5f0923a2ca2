/** A tracker: joins active time, scroll depth and what a page reports, and hands all of it to the sender. */

import { createActivity } from "./activity.ts";
import { createClock } from "./clock.ts";
import { newId } from "./ids.ts";
import { checkOptions } from "./options.ts";
import type { Credentials, Options } from "./options.ts";
import type { Contribution, Contributor, Host, Refusal, Report } from "./report.ts";
import { createScroll } from "./scroll.ts";
import type { Sender, SenderOptions, Told } from "./sender.ts";
import type { VideoTarget } from "./video.ts";
import type { ActivityType, CourseProgress } from "./wire.ts";

export type LoadVideo = () => Promise<{ trackVideo(host: Host, target: VideoTarget): () => void }>;

/** Something went wrong that the page may want to know; `dropped` are the reports that are lost because of it. */
export interface Problem {
  message: string;
  dropped?: Report[];
  cause?: unknown;
}

/** How far the learner is in the course. */
export interface Progress extends CourseProgress {
  status: "active" | "completed" | "dropped";
}

export interface Listeners {
  /** Something failed, or reports were dropped. Without a listener it is written to the console. */
  error: Problem;
  /** The server refused a report. Without a listener it is written to the console. */
  rejected: Refusal;
  /** The learner's progress in the course has changed. It is read only while somebody listens. */
  progress: Progress;
}

export interface Tracker {
  /** Aborted once the tracker has stopped. */
  readonly signal: AbortSignal;
  /**
   * Say that the page now shows another unit, or none. What was done until now belongs to the former one; the scroll depth begins anew.
   * Without `element` its depth is that of the document. Call it once the unit's content is there.
   */
  setUnit(unit?: number, more?: { module?: number | undefined; element?: Element | undefined }): void;
  /** Report something that the learner did, in the present unit. It takes no time: beats do. */
  track(type: ActivityType, fields?: Omit<Contribution, "activity_type">): void;
  /**
   * Report what is played of a `<video>`, `<audio>`, or a player of YouTube or Vimeo, for the present or another unit, until the returned
   * function is called.
   */
  trackVideo(target: VideoTarget, unit?: number): () => void;
  /** Report what is still open and send everything. The promise is fulfilled once the attempt is over, whatever it gave. */
  flush(): Promise<void>;
  /** Go on as somebody else. What the former user did is sent with the former token, if it can be, and then forgotten. */
  identify(who: Credentials): Promise<void>;
  /** Call a function on each event of a kind, until the returned function is called. */
  on<Name extends keyof Listeners>(name: Name, listener: (detail: Listeners[Name]) => void): () => void;
  /** End for good: send what is left, and remove every listener and timer. `forget` drops what has not been sent. */
  stop(how?: { forget?: boolean }): Promise<void>;
}

/** What a tracker needs of its surroundings. */
export interface Environment {
  window: Window & typeof globalThis;
  createSender(options: SenderOptions): Sender;
  loadVideo: LoadVideo;
}

/** Where something was done. */
type Place = Pick<Report, "course_id"> & Partial<Pick<Report, "module_id" | "unit_id">>;

const TICK = 1000;
/** Progress is read so long after something was accepted, with all that is accepted meanwhile. Milliseconds. */
const PROGRESS_PAUSE = 2000;

/** Begin to track. Throw a TypeError for a wrong option. */
export function createTracker(options: Options, { window, createSender, loadVideo }: Environment): Tracker {
  checkOptions(options);
  const { document } = window;
  const endpoint = new URL(options.endpoint, window.location.href).href.replace(/\/$/, "");
  const clock = createClock(window.Date.now, () => window.performance.now());
  const scroll = createScroll(window.IntersectionObserver);
  const isDebugged = /[?&]headway_debug\b/.test(window.location.search);
  const end = new AbortController();
  const { signal } = end;
  const listeners: { [name: string]: Set<(detail: never) => void> } = {};
  const parts = new Map<Contributor, Place | undefined>().set(scroll, undefined);

  let place: Place | undefined;
  let element: Element;
  let viewed: Place | undefined; // the last place of a beat
  let session = newId(clock.now());
  let who: Credentials = options;
  let sender: Sender | undefined; // once the learner agrees
  let isAsking = false;
  let isGone = false; // in the back/forward cache, or frozen
  let timer: number | undefined;
  let progressTimer: number | undefined;
  let version: number | undefined;

  const log = (what: string, ...details: unknown[]) => isDebugged && console.log("headway", what, ...details);

  function emit<Name extends keyof (Listeners & Told)>(name: Name, detail: (Listeners & Told)[Name]): void {
    const called = listeners[name];
    log(name, detail);
    if (name === "sent") readProgressSoon();
    if (called?.size) called.forEach((listener) => queueMicrotask(() => listener(detail as never)));
    else if (/error|rejected/.test(name)) console.warn("headway", name, detail);
  }

  function add(type?: ActivityType, fields?: Partial<Report>, where = place!): void {
    if (!sender) return;
    const activity_type = type ?? (where.unit_id ? "unit_view" : where.module_id ? "module_view" : "course_view");
    const now = clock.now();
    const report = { event_id: newId(now), session_id: session, ...where, end: now, ...fields, activity_type };
    log(activity_type, report);
    sender.add(report);
  }

  /** Report the time of a beat, if it has any, together with what is new. */
  function close(start: number, end: number): void {
    if (!sender) return;
    let beat: Partial<Report> | undefined = start < end ? { start, end } : undefined;
    for (const [part, where = place!] of parts) {
      const news = part.contribute();
      if (!news) continue;
      if (where.unit_id !== place!.unit_id || (beat?.activity_type && news.activity_type)) add(news.activity_type, news, where);
      else beat = { ...beat, ...news, engagement_metrics: { ...beat?.engagement_metrics, ...news.engagement_metrics } };
    }
    if (!beat) return;
    // A unit whose video starts by itself is viewed, too.
    if (beat.activity_type && viewed !== place) add();
    viewed = place;
    add(beat.activity_type, beat);
  }

  const activity = createActivity(
    (options.beatSeconds ?? 15) * 1000,
    (options.idleSeconds ?? 60) * 1000,
    close,
    log,
  );

  /** Count the time until now, and see what goes on in the page. Return whether to look again within a second. */
  function look(isGap: boolean, isCut?: boolean): boolean {
    const isOff = isGone || signal.aborted;
    const isHidden = isOff || document.visibilityState === "hidden" || (document as { prerendering?: boolean }).prerendering;
    // A frame in the page has its focus, too. Within a frame of another page nothing tells whether that page has it.
    const away = isHidden ? "hidden" : document.hasFocus() || window.parent !== window ? undefined : "blurred";
    const isPlaying = !isOff && [...parts.keys()].some((part) => part.isPlaying?.());
    return activity.step(clock.now(), away, isPlaying, isGap, isCut);
  }

  function step(isCut?: boolean): void {
    if (look(clock.check(() => look(true)), isCut)) timer ??= window.setInterval(tick, TICK);
    else timer = window.clearInterval(timer) as undefined;
  }

  function tick(): void {
    step();
    ask();
    scroll.measure(true);
  }

  /** Ask whether the learner agrees, and begin once they do. */
  async function ask(): Promise<void> {
    if (sender || isAsking || signal.aborted) return;
    isAsking = true;
    try {
      if (!options.consent || (await options.consent()) === true) begin();
    } catch (cause) {
      emit("error", { message: "consent", cause });
    }
    isAsking = false;
  }

  function begin(): void {
    if (signal.aborted) return;
    step(true); // time until now does not count
    sender = createSender({
      course: options.course,
      flushSeconds: options.flushSeconds ?? 5,
      clock,
      fetch: window.fetch.bind(window),
      indexedDB: window.indexedDB,
      locks: window.navigator.locks,
      emit,
      ...who,
      endpoint,
    });
  }

  function readProgressSoon(): void {
    if (!listeners.progress?.size || signal.aborted) return;
    progressTimer ??= window.setTimeout(readProgress, PROGRESS_PAUSE);
  }

  async function readProgress(): Promise<void> {
    progressTimer = undefined;
    const asked = session;
    try {
      const { data } = (await sender!.read("/api/v1/learner/me/progress")) as { data: Progress[] };
      const progress = data.find(({ courseId }) => +courseId === options.course);
      if (progress && progress.version !== version && asked === session) {
        version = progress.version;
        emit("progress", progress);
      }
    } catch (cause) {
      log("progress", cause);
    }
  }

  function listen(names: string, listener: (event: Event) => void): void {
    for (const name of names.split(" ")) window.addEventListener(name, listener, { passive: true, capture: true, signal });
  }

  function use(): void {
    if (activity.use(clock.now())) step();
  }

  const tracker: Tracker = {
    signal,
    setUnit(unit, { module, element: next = document.documentElement } = {}) {
      if (place?.unit_id === unit && place?.module_id === module && next === element) return;
      checkOptions({ ...options, unit, module, element: next });
      if (place) step(true);
      place = { course_id: options.course, module_id: module, unit_id: unit } as Place;
      element = next;
      scroll.observe(next);
    },
    track(type, fields) {
      add(type, fields);
    },
    trackVideo(target, unit) {
      const where = unit ? { course_id: options.course, unit_id: unit } : place!;
      const host: Host = {
        attach(part) {
          parts.set(part, where);
          return () => {
            step(true);
            parts.delete(part);
          };
        },
        beat: () => step(true),
        track: (type, fields) => add(type, fields, where),
      };
      const loaded = (options.video ?? loadVideo)()
        .then((video) => video.trackVideo(host, target))
        .catch((cause: unknown) => emit("error", { message: "video", cause }));
      const finish = () => {
        signal.removeEventListener("abort", finish);
        void loaded.then((end) => end?.());
      };
      signal.addEventListener("abort", finish);
      return finish;
    },
    async flush() {
      step(true);
      await sender?.flush();
    },
    async identify(next) {
      checkOptions({ ...options, ...next });
      step(true);
      who = next;
      session = newId(clock.now());
      viewed = undefined;
      scroll.observe(element);
      await sender?.identify(next);
    },
    on(name, listener) {
      const called = (listeners[name] ??= new Set());
      called.add(listener);
      return () => called.delete(listener);
    },
    async stop(how) {
      if (signal.aborted) return;
      step(true);
      end.abort();
      step();
      scroll.observe(element);
      window.clearTimeout(progressTimer);
      const last = sender;
      sender = undefined;
      await last?.stop(how);
    },
  };

  /** See what the browser does with the page: hide, blur, freeze, keep for the back button, and the reverse. */
  function observe({ type }: Event): void {
    isGone = /hide|freeze/.test(type) || (isGone && !/show|resume/.test(type));
    const isHidden = isGone || document.visibilityState === "hidden";
    step(isHidden);
    if (isHidden) sender?.leave();
  }

  tracker.setUnit(options.unit, options);
  listen("pointerdown pointermove keydown wheel", use);
  listen("scroll", ({ target }) => {
    if (!(target as Node).contains?.(element)) return; // a carousel
    use();
    scroll.measure();
  });
  listen("focus blur visibilitychange prerenderingchange pagehide pageshow freeze resume", observe);
  step();
  ask();
  return tracker;
}
