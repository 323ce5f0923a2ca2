/**
 * A player of Vimeo: an object of `@vimeo/player`, or the frame alone, which is sent the messages that the object would send.
 *
 * https://github.com/vimeo/player.js#events
 */

import { empty, hear, mirror } from "./frame.ts";
import type { Look, Media } from "./player.ts";

/** What is used of a `Vimeo.Player`. */
export interface VimeoPlayer {
  on(name: string, listener: (data?: unknown) => void): void;
  off(name: string, listener: (data?: unknown) => void): void;
  getCurrentTime(): Promise<number>;
  getMuted(): Promise<boolean>;
  getPaused(): Promise<boolean>;
  getPlaybackRate(): Promise<number>;
}

const EVENTS =
  "play playing pause ended timeupdate seeking seeked volumechange playbackratechange bufferstart bufferend loaded".split(" ");
/** What no event says of a player that is already there. */
const QUESTIONS = {
  getCurrentTime: "currentTime",
  getMuted: "muted",
  getPlaybackRate: "playbackRate",
  getPaused: "paused",
} as const;
type Question = keyof typeof QUESTIONS;

export function vimeo(target: VimeoPlayer | HTMLIFrameElement, look: Look, signal: AbortSignal): Media {
  const media = mirror();

  /** Take the data of an event, or the answer to a question. */
  function take(name: string, value: unknown): void {
    const question = QUESTIONS[name as Question];
    if (name === "loaded") empty(media, look);
    const { seconds = media.currentTime } = Object(value) as { seconds?: number };
    if (name === "play" || name === "playing") media.paused = false;
    if (name === "pause" || name === "ended") media.paused = true;
    if (name === "bufferstart") media.readyState = 2;
    if (name === "bufferend" || (name === "timeupdate" && !media.seeking && seconds > media.currentTime)) media.readyState = 4;
    // Data are `{seconds, duration, percent}`, `{playbackRate}` or `{muted, volume}`: but for the first the words of a media element.
    Object.assign(media, { currentTime: seconds }, question ? { [question]: value } : value);
    if (/^seek/.test(name)) {
      media.seeking = true;
      look("");
      media.seeking = name === "seeking";
    }
    look("");
  }

  if ("contentWindow" in target) {
    const ask = (method: string, value?: string) => target.contentWindow?.postMessage({ method, value }, "*");
    const greet = () => {
      for (const name of EVENTS) ask("addEventListener", name);
      for (const name in QUESTIONS) ask(name);
    };
    const hearEvent = ({ event, data, method, value }: { event?: string; data?: unknown; method?: string; value?: unknown }) => {
      if (event === "ready") greet();
      else take(event ?? method!, data ?? value);
    };
    hear(target, hearEvent, greet, signal);
  } else {
    for (const name of EVENTS) {
      const listener = (data?: unknown) => take(name, data);
      target.on(name, listener);
      signal.addEventListener("abort", () => target.off(name, listener));
    }
    for (const name in QUESTIONS) target[name as Question]().then((value) => take(name, value), () => {});
  }
  return media;
}
