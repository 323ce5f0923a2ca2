/** A clock, a tracker and players for tests: one engine that plays, behind the faces that browsers, YouTube and Vimeo give it. */

import assert from "node:assert/strict";
import { mock } from "node:test";

import type { Contribution, Contributor, Host } from "../src/report.ts";
import { trackVideo } from "../src/video.ts";
import type { ActivityType } from "../src/wire.ts";
import type { YouTubePlayer } from "../src/youtube.ts";

type Piece = [number, number];
export type Told = Contribution & { type: ActivityType };

const STEP = 10;
let now = 1000;

mock.method(performance, "now", () => now);
mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
globalThis.window = new EventTarget() as never;

/** Let time pass for players and timers, once promises are kept. */
export async function pass(ms: number, ...players: Engine[]): Promise<void> {
  await new Promise(setImmediate);
  for (let left = ms; left > 0; left -= STEP) {
    now += STEP;
    for (const player of players) player.step(STEP);
    mock.timers.tick(STEP);
  }
}

/** A tracker that only writes down what a part reports. */
export class FakeHost implements Host {
  told: Told[] = [];
  beats: (Contribution | undefined)[] = [];
  part: Contributor | undefined;

  attach(part: Contributor): () => void {
    this.part = part;
    return () => (this.part = undefined);
  }

  beat(): void {
    this.beats.push(this.part?.contribute());
  }

  track(type: ActivityType, fields?: Contribution): void {
    this.told.push({ ...fields, type });
  }

  get types(): string[] {
    return this.told.map(({ type }) => type);
  }

  /** What was reported as played of the video with this duration, sorted and joined. */
  segments(duration: number): Piece[] {
    const metrics = [...this.beats, ...this.told].map((fields) => fields?.engagement_metrics);
    return join(metrics.filter((m) => m?.video_duration_seconds === duration).flatMap((m) => m!.video_segments!));
  }
}

export function join(pieces: Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const [from, to] of [...pieces].sort(([a], [b]) => a - b)) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** Assert that segments are those, within three hundredths of a second. */
export function assertSegments(actual: [number, number][], expected: [number, number][]): void {
  const isNear = (a: number, b: number) => Math.abs(a - b) < 0.03;
  const isSame = actual.length === expected.length && actual.flat().every((value, i) => isNear(value, expected.flat()[i]!));
  assert.ok(isSame, `${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
}

/** What plays: it moves its position with time and knows exactly what it played. */
export class Engine {
  position = 0;
  rate = 1;
  paused = true;
  ended = false;
  stalled = false;
  seeking = false;
  loop = false;
  muted = false;
  /** A source was set, and its data have not come. */
  isEmpty = false;
  /** Milliseconds between two `timeupdate`, and that a seek takes. */
  every = 250;
  seekTakes = 50;
  /** What was played of the present source, and from where to where it jumped; the same of former sources by their duration. */
  played: Piece[] = [];
  jumps: Piece[] = [];
  shelf = new Map<number, { played: Piece[]; jumps: Piece[] }>();
  duration: number;
  listener: (event: string) => void = () => {};
  #queue: string[] = [];
  #sinceUpdate = 0;
  #seekLeft = 0;

  constructor(duration = 60) {
    this.duration = duration;
  }

  get advancing(): boolean {
    return !this.paused && !this.stalled && !this.seeking;
  }

  emit(...events: string[]): void {
    this.#queue.push(...events);
  }

  play(): void {
    if (!this.paused) return;
    if (this.ended) this.seek(0);
    this.paused = this.ended = false;
    this.emit("play");
    this.emit(this.advancing ? "playing" : "waiting");
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.emit("timeupdate", "pause");
  }

  seek(to: number): void {
    const from = this.position;
    this.position = Math.max(0, Math.min(to, this.duration));
    this.jumps.push([from, this.position]);
    this.ended = false;
    this.seeking = true;
    this.#seekLeft = this.seekTakes;
    this.emit("seeking");
  }

  setRate(rate: number): void {
    this.rate = rate;
    this.emit("ratechange");
  }

  stall(): void {
    this.stalled = true;
    if (!this.paused) this.emit("timeupdate", "waiting");
  }

  resume(): void {
    this.stalled = false;
    if (this.advancing) this.emit("playing");
  }

  load(duration: number): void {
    this.shelf.set(this.duration, { played: this.played, jumps: [...this.jumps, [this.position, 0]] });
    this.played = [];
    this.jumps = [];
    this.position = 0;
    this.seeking = this.ended = false;
    this.paused = true;
    this.duration = duration;
    this.isEmpty = true;
    this.#queue = ["emptied", "timeupdate"];
  }

  step(ms: number): void {
    for (const event of this.#queue.splice(0)) this.listener(event);
    this.isEmpty = false;
    if (this.seeking && (this.#seekLeft -= ms) <= 0) {
      this.seeking = false;
      this.emit("timeupdate", "seeked");
      if (this.advancing) this.emit("playing");
    }
    if (!this.advancing) return;
    const from = this.position;
    this.position = Math.min(from + (ms / 1000) * this.rate, this.duration);
    this.played = join([...this.played, [from, this.position]]);
    if ((this.#sinceUpdate += ms) >= this.every) {
      this.#sinceUpdate = 0;
      this.emit("timeupdate");
    }
    if (this.position < this.duration) return;
    if (this.loop) this.seek(0);
    else {
      this.paused = this.ended = true;
      this.emit("timeupdate", "pause", "ended");
    }
  }
}

/** The engine as a `<video>`. */
export function asElement(engine: Engine, hasPlayed = true): HTMLVideoElement {
  const element = Object.defineProperties(new EventTarget(), {
    currentTime: { get: () => engine.position, set: (to: number) => engine.seek(to) },
    duration: { get: () => (engine.isEmpty ? NaN : engine.duration) },
    muted: { get: () => engine.muted },
    paused: { get: () => engine.paused },
    playbackRate: { get: () => engine.rate },
    readyState: { get: () => (engine.stalled ? 2 : 4) },
    seeking: { get: () => engine.seeking },
    played: { get: () => timeRanges(hasPlayed ? engine.played : []) },
  });
  engine.listener = (event) => element.dispatchEvent(new Event(event));
  return element as HTMLVideoElement;
}

/** Track the engine as a `<video>`. */
export function track(engine = new Engine(), hasPlayed = true) {
  const host = new FakeHost();
  const element = asElement(engine, hasPlayed);
  const end = trackVideo(host, element);
  return { host, engine, element, end, wait: (seconds: number) => pass(seconds * 1000, engine) };
}

function timeRanges(pieces: Piece[]): TimeRanges {
  return { length: pieces.length, start: (i) => pieces[i]![0], end: (i) => pieces[i]![1] };
}

/** A frame of another origin: `answer` is called with what the page posts to it, and `say` posts to the page. */
export class FakeFrame extends EventTarget {
  id = "";
  received: unknown[] = [];
  answer: (message: any) => void = () => {};
  readonly src: string;
  readonly contentWindow = {
    postMessage: (message: unknown) => {
      this.received.push(message);
      this.answer(message);
    },
  };

  constructor(src: string) {
    super();
    this.src = src;
  }

  say(data: unknown, source: unknown = this.contentWindow): void {
    window.dispatchEvent(Object.assign(new Event("message"), { data, source }));
  }
}

const STATES: Record<string, number> = { playing: 1, pause: 2, ended: 0, waiting: 3, seeking: 3, emptied: -1 };

/** The state of YouTube's player that follows an event of the engine. */
function stateAfter(event: string, engine: Engine): number | undefined {
  if (event === "pause" && engine.ended) return undefined;
  if (event === "seeked" && engine.paused) return engine.ended ? 0 : 2;
  return STATES[event];
}

/**
 * The engine as a `YT.Player`. As in the original, the position is what the frame told last (every quarter of a second, and with each
 * change), moved on by up to a second while the state is "playing".
 */
export function asYouTube(engine: Engine, isReady = true) {
  const listeners: Record<string, (() => void)[]> = {};
  let state = -1;
  let told = { position: engine.position, at: now };
  const call = (name: string) => listeners[name]?.forEach((listener) => listener());
  engine.listener = (event) => {
    const next = stateAfter(event, engine);
    if (next !== undefined || event === "timeupdate" || event === "ratechange") told = { position: engine.position, at: now };
    if (event === "ratechange") call("onPlaybackRateChange");
    if (next === undefined || next === state) return;
    state = next;
    call("onStateChange");
  };
  const functions = {
    getCurrentTime: () => told.position + (state === 1 ? Math.min(((now - told.at) / 1000) * engine.rate, 1) : 0),
    getDuration: () => engine.duration,
    getPlaybackRate: () => engine.rate,
    getPlayerState: () => state,
    isMuted: () => engine.muted,
  };
  const player = {
    getIframe: () => new FakeFrame("https://www.youtube.com/embed/x"),
    addEventListener: (name: string, listener: () => void) => void (listeners[name] ??= []).push(listener),
    removeEventListener: (name: string, listener: () => void) => void (listeners[name] = listeners[name]!.filter((each) => each !== listener)),
    ...(isReady && functions),
  };
  const becomeReady = () => {
    Object.assign(player, functions);
    call("onReady");
  };
  const countListeners = () => Object.values(listeners).flat().length;
  return { player: player as unknown as YouTubePlayer, becomeReady, countListeners };
}

const VIMEO: Record<string, string> = { waiting: "bufferstart", ratechange: "playbackratechange", emptied: "loaded" };

/** Call `tell` with the events of Vimeo's player. */
export function tellAsVimeo(engine: Engine, tell: (name: string, data: unknown) => void): void {
  engine.listener = (event) => {
    const time = { seconds: engine.position, duration: engine.duration, percent: engine.position / engine.duration };
    const data = event === "ratechange" ? { playbackRate: engine.rate } : event === "emptied" ? { id: 1 } : time;
    tell(VIMEO[event] ?? event, event === "waiting" ? undefined : data);
    if (event === "playing") tell("bufferend", undefined);
  };
}

/** An answer of the frame, which says how it is when the question arrives. */
const later = <T>(answer: () => T): Promise<T> => Promise.resolve().then(answer);

/** The engine as a `Vimeo.Player`. */
export function asVimeo(engine: Engine) {
  const listeners: Record<string, Set<(data?: unknown) => void>> = {};
  tellAsVimeo(engine, (name, data) => listeners[name]?.forEach((listener) => listener(data)));
  const player = {
    on: (name: string, listener: (data?: unknown) => void) => void (listeners[name] ??= new Set()).add(listener),
    off: (name: string, listener: (data?: unknown) => void) => void listeners[name]?.delete(listener),
    getCurrentTime: () => later(() => engine.position),
    getMuted: () => later(() => engine.muted),
    getPaused: () => later(() => engine.paused),
    getPlaybackRate: () => later(() => engine.rate),
  };
  return { player, listeners };
}
