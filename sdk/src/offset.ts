/** How far the page's clock is from the server's. */

const SLOW_MILLISECONDS = 2000;
const TRIES = 3;

/**
 * Return the milliseconds to add to the page's clock to have the server's.
 *
 * `ask` returns the instant at which the server answered. It lies somewhere within the round trip, so a slow one says little: after
 * one the server is asked again, three times at most.
 */
export async function learnOffset(ask: () => Promise<number>, now: () => number): Promise<number> {
  for (let tries = 1; ; tries++) {
    const before = now();
    const received = await ask();
    const trip = now() - before;
    if (trip < SLOW_MILLISECONDS || tries === TRIES) return Math.round(received - before - trip / 2);
  }
}
