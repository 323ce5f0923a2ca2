/** The part for videos: reports what is played of them, and what the learner does with the player. */

import { follow } from "./player.ts";
import type { Look, Media } from "./player.ts";
import type { Host } from "./report.ts";
import { vimeo } from "./vimeo.ts";
import type { VimeoPlayer } from "./vimeo.ts";
import { youtube } from "./youtube.ts";
import type { YouTubePlayer } from "./youtube.ts";

/** A `<video>` or `<audio>`, or a player of YouTube or Vimeo: its object or its frame. */
export type VideoTarget = HTMLMediaElement | HTMLIFrameElement | YouTubePlayer | VimeoPlayer;

const EVENTS = "play playing pause waiting seeking seeked timeupdate ratechange ended emptied".split(" ");

/** How to end what was tracked. */
const tracked = new WeakMap<object, () => void>();

/**
 * Report what is played of a video until the returned function is called, or the same video is tracked anew. What a media element has
 * played before it is tracked for the first time is reported, too; later that belongs to whom it was reported for.
 *
 * Throw a TypeError if the target is no player that is known.
 */
export function trackVideo(host: Host, target: VideoTarget): () => void {
  const endFormer = tracked.get(target);
  endFormer?.();
  const end = follow(host, (look, signal) => open(target, look, signal), !endFormer);
  tracked.set(target, end);
  return end;
}

function open(target: VideoTarget, look: Look, signal: AbortSignal): Media {
  if (isMedia(target)) {
    for (const name of EVENTS) target.addEventListener(name, () => look(name), { signal });
    return target;
  }
  if ("getIframe" in target) return youtube(target, look, signal);
  if ("getPaused" in target) return vimeo(target, look, signal);
  const { src, id } = target;
  if (/^https:\/\/www\.youtube(-nocookie)?\.com\//.test(src)) return youtube(playerOf(id) ?? target, look, signal);
  if (/^https:\/\/player\.vimeo\.com\//.test(src)) return vimeo(target, look, signal);
  throw new TypeError("trackVideo takes a media element, or a player of YouTube or Vimeo");
}

/** Say whether a target is a media element, or a custom element that acts as one. In other players positions are functions. */
function isMedia(target: VideoTarget): target is HTMLMediaElement {
  return typeof (target as HTMLMediaElement).currentTime === "number";
}

/** Return the player that the page has made of a frame of YouTube, which answers to one at a time. */
function playerOf(id: string): YouTubePlayer | undefined {
  return (window as { YT?: { get?(id: string): YouTubePlayer | undefined } }).YT?.get?.(id);
}
