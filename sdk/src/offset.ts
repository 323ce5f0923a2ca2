/** How far the page's clock is from the server's. */

const SLOW_MILLISECONDS = 2000;
const TRIES = 3;

/**
 * Return the milliseconds to add to the page's clock to have the server's.
 *
 * `ask` returns the instant at which the server had the request. It is compared with the instant at which its answer came: the request
 * may have waited for a connection and for the browser's preflight, the answer took one way. So times are early by that way, and never
 * ahead of the server's clock, which would move them. After a slow round trip the server is asked again, three times at
 * most.
 */
export async function learnOffset(ask: () => Promise<number>, now: () => number): Promise<number> {
  for (let tries = 1; ; tries++) {
    const before = now();
    const received = await ask();
    const after = now();
    if (after - before < SLOW_MILLISECONDS || tries === TRIES) return received - after;
  }
}
