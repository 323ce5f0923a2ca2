/** Players in a frame of another origin. */

import type { Look, Media } from "./player.ts";

/** A player as a media element, as far as it has told of itself. */
export type Mirror = { -readonly [Name in keyof Media]: Media[Name] };

export function mirror(): Mirror {
  return { currentTime: 0, duration: 0, muted: false, paused: true, playbackRate: 1, readyState: 4, seeking: false };
}

/** Another video is loaded. */
export function empty(media: Mirror, look: Look): void {
  media.paused = true;
  media.seeking = false;
  media.currentTime = 0;
  look("emptied");
}

/**
 * Call `take` with each message of a frame, and `greet` now and whenever the frame has loaded: what is sent before it listens is lost.
 */
export function hear(frame: HTMLIFrameElement, take: (message: any) => void, greet: () => void, signal: AbortSignal): void {
  const receive = ({ source, data }: MessageEvent) => {
    if (source !== frame.contentWindow) return;
    try {
      data = typeof data === "string" ? JSON.parse(data) : data;
    } catch {
      return; // not of the player
    }
    take(Object(data));
  };
  window.addEventListener("message", receive, { signal });
  frame.addEventListener("load", greet, { signal });
  greet();
}
