/**
 * A player of YouTube: an object of its IFrame API, or the frame alone, which must be embedded with `enablejsapi=1`.
 *
 * https://developers.google.com/youtube/iframe_api_reference. The API tells changes of the state; the position is asked for while it
 * plays. A frame without an object is spoken to as that API itself does.
 */

import { empty, hear, mirror } from "./frame.ts";
import type { Look, Media } from "./player.ts";

/** What is used of a `YT.Player`. Before it is ready it has only the first three. */
export interface YouTubePlayer {
  getIframe(): HTMLIFrameElement;
  addEventListener(name: string, listener: () => void): void;
  removeEventListener(name: string, listener: () => void): void;
  getCurrentTime(): number;
  getDuration(): number;
  getPlaybackRate(): number;
  getPlayerState(): number;
  /** The API's types do not name its `isLive`. */
  getVideoData?(): object;
  isMuted(): boolean;
}

/** What a player says of itself, in words that are those of a media element; a message holds what has changed. */
interface State {
  currentTime?: number;
  duration?: number;
  muted?: boolean;
  playbackRate?: number;
  playerState?: number;
  videoData?: { isLive?: boolean } | undefined;
}

const UNSTARTED = -1;
const ENDED = 0;
const PLAYING = 1;
const PAUSED = 2;
const BUFFERING = 3;
const CUED = 5;

/** Milliseconds. */
const POLL = 250;

export function youtube(target: YouTubePlayer | HTMLIFrameElement, look: Look, signal: AbortSignal): Media {
  const media = mirror();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function take(state: State): void {
    const { playerState, videoData } = state;
    if (playerState === UNSTARTED || playerState === CUED) empty(media, look);
    if (playerState === PLAYING) media.paused = false;
    if (playerState === PAUSED || playerState === ENDED) media.paused = true;
    if (playerState !== undefined) media.readyState = playerState === BUFFERING ? 2 : 4;
    Object.assign(media, state);
    if (videoData?.isLive) media.duration = Infinity;
    look("");
  }

  /** Ask the object how it is, and again while it plays. */
  function ask(player: YouTubePlayer): void {
    clearTimeout(timer);
    if (signal.aborted || !player.getPlayerState) return;
    const playerState = player.getPlayerState();
    if (playerState === PLAYING || playerState === BUFFERING) timer = setTimeout(ask, POLL, player);
    take({
      playerState,
      currentTime: player.getCurrentTime(),
      duration: player.getDuration(),
      muted: player.isMuted(),
      playbackRate: player.getPlaybackRate(),
      videoData: player.getVideoData?.(),
    });
  }

  /** Ask the frame to tell of itself, less and less often until it does: it does not say when it begins to listen. */
  function greet(frame: HTMLIFrameElement, pause = POLL): void {
    clearTimeout(timer);
    if (signal.aborted) return;
    frame.contentWindow?.postMessage('{"event":"listening"}', "*");
    timer = setTimeout(greet, pause, frame, pause * 2);
  }

  if ("contentWindow" in target) {
    const hearInfo = ({ info }: { info?: State }) => {
      clearTimeout(timer);
      take(Object(info));
    };
    hear(target, hearInfo, () => greet(target), signal);
  } else {
    const listener = () => ask(target);
    for (const name of ["onReady", "onStateChange", "onPlaybackRateChange"]) {
      target.addEventListener(name, listener);
      signal.addEventListener("abort", () => target.removeEventListener(name, listener));
    }
    queueMicrotask(listener);
  }
  return media;
}
