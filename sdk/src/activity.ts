/**
 * When a learner is active, and the beats that say so.
 *
 * A second counts while the page is visible and focused and was used within the idle time, or while media play. Reading takes no
 * input, so the time counts until `idle` after the last use, and not a moment longer. Playing media count as use, and so does coming
 * back to the page. What nobody watched is dropped: after a gap the time counts up to the last tick before it.
 */

/** Why a learner cannot use the page. */
export type Away = "hidden" | "blurred" | undefined;

/** What the learner does. The first two count. */
export type State = "active" | "playing" | "idle" | NonNullable<Away>;

/** A longer time between two ticks is a gap: the device slept, or the tab was frozen. Milliseconds. */
const GAP = 10_000;
/** The same where media play in a hidden tab: browsers run its timers once a minute. */
const HIDDEN_GAP = 65_000;

export interface Activity {
  /** Note that the page was used. Return whether that is news: whether `step` is to be called. */
  use(now: number): boolean;
  /**
   * Count the time since the last call, of which `isGap` says that nobody watched, and look at what is now: whether the learner is away,
   * and whether media play, wherever the page is. `isCut` ends the open beat. Return whether to call again within a second.
   */
  step(now: number, away: Away, isPlaying: boolean, isGap?: boolean, isCut?: boolean): boolean;
}

/**
 * Make the state machine. All times are milliseconds of one clock. `onBeat` is called where a beat ends, with an end that is not after
 * the start where the time before did not count; `onState` after each change.
 */
export function createActivity(
  beat: number,
  idle: number,
  onBeat: (start: number, end: number) => void,
  onState: (state: State) => void,
): Activity {
  let state: State = "hidden";
  let wasHidden = true;
  let start = 0; // of the open beat
  let seen = 0; // the last step
  let used = 0;

  return {
    use(now) {
      used = now;
      return state !== "active" && state !== "playing";
    },
    step(now, away, isPlaying, isGap, isCut) {
      let end = now;
      if (isGap || now - seen > (wasHidden ? HIDDEN_GAP : GAP)) end = seen;
      else if (state === "playing") used = now;
      if (state === "active") end = Math.min(end, used + idle);
      else if (state !== "playing") end = start = now;

      if (!away && (state === "hidden" || state === "blurred")) used = now;
      const isUsed = now < used + idle;
      const next = isPlaying ? "playing" : (away ?? (isUsed ? "active" : "idle"));
      if (isCut || next !== state || end < now || now - start >= beat) {
        onBeat(start, end);
        start = now;
      }
      seen = now;
      wasHidden = away === "hidden";
      if (next !== state) onState((state = next));
      return isPlaying || (!wasHidden && isUsed);
    },
  };
}
