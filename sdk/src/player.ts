/**
 * What is played of a video, whatever plays it: an adapter shows its player as a media element.
 *
 * A piece counts where the position goes on from one look to the next, and no further than the clock and the speed allow. What lies
 * between two looks at a jump does not count, but for what a media element itself says it has played.
 */

import type { Contribution, Host } from "./report.ts";
import { unite } from "./segments.ts";
import type { Segment } from "./segments.ts";
import type { ActivityType, EngagementMetrics } from "./wire.ts";

/** What is asked of a player, in the words of `HTMLMediaElement`. */
export type Media = Pick<HTMLMediaElement, "currentTime" | "duration" | "muted" | "paused" | "playbackRate" | "readyState" | "seeking"> & {
  played?: TimeRanges;
};

/** Take in what has changed: to be called after each event of a media element. */
export type Look = (event: string) => void;

/** Return a player as a media element, and call `look` of later events until the signal is aborted. */
export type Open = (look: Look, signal: AbortSignal) => Media;

/** Hundredths of a second. So near its end a video counts as played to the end: players stop a hair before it. */
const END = 50;
/** Hundredths of a second by which a position may be ahead of the clock: messages of a frame can be late, and then come at once. */
const LEAD = 50;
/** Milliseconds after which a position that stands still does not play, whatever the player says. */
const STANDSTILL = 2000;
/** Milliseconds within which jumps are one: the learner drags. */
const DRAG = 500;
/** Hundredths of a second. Shorter jumps are the player's own, and a loop jumps from so near its end to so near its start. */
const NEAR = 100;
/** Longer media, and live streams, have no share; the server takes no positions beyond. Seconds. */
const LONGEST = 86_400;
/** The server takes so many segments of one event. */
const MOST_SEGMENTS = 200;

interface Jump {
  from: number;
  to: number | undefined; // while it lasts
  /** What was played before. */
  run: Segment;
  isInPlay: boolean;
}

/** Return seconds as hundredths, 0 for what is no position, whatever a frame says. */
const hundredths = (seconds: number): number => (seconds > 0 && seconds < 1e9 ? Math.round(seconds * 100) : 0);

/** Report what is played by a player until the returned function is called. `isNew`: what it played before is the learner's, too. */
export function follow(host: Host, open: Open, isNew?: boolean): () => void {
  const end = new AbortController();
  const media = open(look, end.signal);
  let fresh: Segment[] = []; // played since the last contribution
  let length = 0; // of the video, 0 while it is not known or has none
  let last = hundredths(media.currentTime);
  let run: Segment = [last, last]; // what is played without a jump
  let rate = media.playbackRate;
  let seenAt = performance.now();
  let movedAt = 0; // or 0 before anything is played
  let hasMoved = false; // since the last contribution
  let wasPaused = true; // at the last look
  let wasAdvancing = false;
  let isReported = false; // that it plays
  let isOn = false; // what the beats were last told
  let isAgain = false; // it is played once more, by itself
  let jump: Jump | undefined; // not yet reported
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isPlaying = () =>
    !media.paused && !isAgain && (media.seeking || media.readyState > 2) && performance.now() - movedAt < STANDSTILL;

  /** What the media element says it has played. */
  function history(): Segment[] {
    const { played } = media;
    return Array.from({ length: played?.length ?? 0 }, (_, i) => [hundredths(played!.start(i)), hundredths(played!.end(i))]);
  }

  function add(from: number, to: number): void {
    const isEnd = length && to >= length - END;
    if (from >= to || (isEnd && from >= length)) return;
    run[1] = to = isEnd ? length : to;
    if (!isAgain) fresh = unite(fresh, from, to);
  }

  /** Take in what was played since the last call. Nothing is reported. */
  function sample(hasJumped?: boolean): void {
    const now = performance.now();
    const position = hundredths(media.currentTime);
    const ahead = position - last;
    const most = wasAdvancing ? Math.round(((now - seenAt) / 10) * Math.max(rate, media.playbackRate)) || 0 : 0;
    if (media.duration > 0) length = media.duration <= LONGEST ? hundredths(media.duration) : 0;
    if (hasJumped || media.seeking || ahead > most + LEAD || ahead < -NEAR) {
      const end = history().find(([from, to]) => from <= last && last < to)?.[1] ?? last;
      add(last, (last = Math.min(end, last + most)));
      clearTimeout(timer);
      if (movedAt) jump = { from: last, run, isInPlay: isReported, ...jump, to: undefined };
      run = [position, position];
    } else if (!wasPaused) {
      add(last, position);
      if (ahead) {
        movedAt = now;
        hasMoved ||= !isAgain;
      }
    }
    const isAdvancing = !media.paused && !media.seeking && media.readyState > 2;
    if (isAdvancing && !wasAdvancing) movedAt = now;
    last = position;
    seenAt = now;
    rate = media.playbackRate;
    wasPaused = media.paused;
    wasAdvancing = isAdvancing;
  }

  const metrics = (segments: Segment[]): { engagement_metrics: EngagementMetrics } => ({
    engagement_metrics: {
      video_segments: segments.map(([from, to]) => [from / 100, to / 100]),
      video_duration_seconds: length / 100,
    },
  });

  function contribute(): Contribution | undefined {
    sample();
    const segments = length ? fresh.splice(0, MOST_SEGMENTS) : [];
    if (!hasMoved && !segments.length) return;
    hasMoved = false;
    return { activity_type: "video_progress", ...(segments.length && metrics(segments)) };
  }

  /** Report what does not wait for a beat. */
  function drain(): void {
    host.beat();
    for (let news; (news = contribute())?.engagement_metrics; ) host.track("video_progress", news);
  }

  function tell(type: ActivityType, position: number, more?: object, fields?: Contribution): void {
    host.track(type, { metadata: { position: position / 100, rate, muted: media.muted, ...more }, ...fields });
  }

  function tellJump(): void {
    clearTimeout(timer);
    if (jump?.to === undefined) return;
    const { from, to } = jump;
    jump = undefined;
    if (Math.abs(to - from) >= NEAR) tell("video_seek", to, { from: from / 100, to: to / 100 });
  }

  /** Report that the video was played to its end, with what was played up to it: alone the event would mean all. */
  function tellEnd([from, to]: Segment): boolean {
    const isEnd = from < to && to === length;
    if (isEnd) tell("video_complete", to, {}, metrics([[from, to]]));
    return isEnd;
  }

  /** A jump is over. A loop jumps from the end to the start in play: a pass that began at the start has shown all. */
  function land({ from, run, isInPlay }: Jump): void {
    if (length && from >= length - NEAR && last < NEAR) {
      jump = undefined;
      if (isInPlay && !isAgain) isAgain = tellEnd(run) && run[0] < LEAD / 2;
    } else {
      jump!.to = last;
      isAgain = false;
      timer = setTimeout(tellJump, DRAG);
    }
  }

  function look(event: string): void {
    if (event === "emptied") return reset();
    sample(event === "seeking");
    if (jump && jump.to === undefined && !media.seeking) land(jump);
    const plays = !media.paused;
    if (plays && !isReported) isAgain = false;
    const wasOn = isOn;
    isOn = isPlaying();
    if (isOn !== wasOn) host.beat();
    if (plays === isReported) return;
    isReported = plays;
    tellJump();
    if (plays) tell("video_play", last);
    else if (!tellEnd(run)) tell("video_pause", last);
  }

  /** Another video is loaded: what was played belongs to the former one. */
  function reset(): void {
    tellJump();
    last = hundredths(media.currentTime);
    run = [last, last];
    wasPaused = true;
    isOn = isReported = isAgain = wasAdvancing = false;
    drain();
    fresh = [];
    length = movedAt = 0;
    jump = undefined;
  }

  sample();
  if (isNew) {
    for (const [from, to] of history()) {
      add(from, to);
      if (from <= last && last <= to) run[0] = from;
    }
  }
  const detach = host.attach({ isPlaying: () => (sample(), (isOn = isPlaying())), contribute });
  look("");
  return () => {
    if (end.signal.aborted) return;
    end.abort();
    tellJump();
    drain();
    detach();
  };
}
