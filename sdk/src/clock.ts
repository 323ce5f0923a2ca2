/** The clock of a page: the device's time when it was made, and the time that has passed since. */

export interface Clock {
  /** Return the milliseconds since 1970, whole. Setting the device's clock does not change them. */
  now(): number;
  /** What `now` adds to the monotonic time. A new one means that how far the server's clock is away is to be learned anew. */
  anchor: number;
  /** Return whether the device slept, or its clock was set, since the last call. `end` is called before this changes the anchor. */
  check(end: () => void): boolean;
}

/** How far device and monotonic clock may drift apart between two checks, in milliseconds. */
const DRIFT = 1000;

/**
 * Make a clock from the device's and the monotonic time.
 *
 * The monotonic time of most systems stands still while the device sleeps, so the device's time runs ahead of it: the anchor is taken
 * anew. Somebody may also have set the clock forward; nothing tells the two apart. A clock that was set back changes nothing.
 */
export function createClock(wall: () => number, monotonic: () => number): Clock {
  let base = wall() - monotonic();
  const clock = {
    anchor: base,
    now: () => Math.round(clock.anchor + monotonic()),
    check(end: () => void) {
      const drift = wall() - monotonic() - base;
      base += drift;
      if (Math.abs(drift) < DRIFT) return false;
      end();
      if (drift > 0) clock.anchor += drift;
      return true;
    },
  };
  return clock;
}
