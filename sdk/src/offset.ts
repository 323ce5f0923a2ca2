/** How far the page's clock is from the server's. */

const SLOW_MILLISECONDS = 2000;
const TRIES = 3;

/**
 * Return the milliseconds to add to the page's clock to have the server's, or undefined if no answer told.
 *
 * `ask` returns the instant at which the server answered, or NaN. It lies somewhere within the round trip, so a slow one says
 * little: after one the server is asked again, and the quickest of three counts.
 */
export async function learnOffset(ask: () => Promise<number>, now: () => number): Promise<number | undefined> {
  let quickest = Infinity;
  let offset: number | undefined;
  for (let tries = 0; tries < TRIES && quickest > SLOW_MILLISECONDS; tries++) {
    const before = now();
    const received = await ask();
    const trip = now() - before;
    // The clock was set while the answer was under way if it went back.
    if (received && trip >= 0 && trip < quickest) {
      quickest = trip;
      offset = Math.round(received - before - trip / 2);
    }
  }
  return offset;
}
