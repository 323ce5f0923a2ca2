/**
 * The requests of this page, as they go over the wire: it shows the reports that are sent and the verdicts that come back, and can cut
 * the page off as a lost network does. The tracker knows nothing of it.
 */

const BATCH = "/api/courses/activity/batch";

/** Watch all requests that are made from now on. `onVerdicts(events, results)` is called with each batch that was answered. */
export function watchRequests({ onVerdicts }) {
  const send = globalThis.fetch;
  let last; // the arguments of the last batch that was answered
  let isCut = false;

  async function watched(...request) {
    if (isCut) throw new TypeError("Failed to fetch: the network of this page is cut");
    const answer = await send(...request);
    const [input, options] = request;
    if (new URL(input, location.href).pathname === BATCH && typeof options?.body === "string") {
      readVerdicts(request, answer.clone()).catch(() => {}); // an answer of somebody else, such as a proxy
    }
    return answer;
  }

  async function readVerdicts(request, answer) {
    const { events } = JSON.parse(request[1].body);
    const { data } = await answer.json();
    if (!data?.results) return;
    // What vouches for no time is how the tracker asks for the server's time.
    const stored = events.map((event, index) => ({ event, ...data.results[index] })).filter(({ event }) => event.activity_type !== "heartbeat");
    if (stored.length) last = request;
    onVerdicts(stored);
  }

  globalThis.fetch = watched;
  return {
    get isCut() {
      return isCut;
    },
    get hasBatch() {
      return last !== undefined;
    },
    /** Fail every request from now on, or no longer. Then the page is told, as by a browser whose network is back. */
    cut(value) {
      isCut = value;
      window.dispatchEvent(new Event(isCut ? "offline" : "online"));
    },
    /** Send the last batch again as it was, with a token that is valid now. */
    async repeat(token) {
      const [input, options] = last;
      await globalThis.fetch(input, { method: "POST", body: options.body, headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` } });
    },
  };
}

/** Return how many reports wait in this browser, or undefined where it keeps none. */
export async function countWaiting() {
  if (!(await indexedDB.databases?.())?.some(({ name }) => name === "headway")) return undefined;
  const database = await new Promise((resolve, reject) => {
    const opening = indexedDB.open("headway");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  try {
    const [store] = database.objectStoreNames;
    if (!store) return undefined;
    return await new Promise((resolve, reject) => {
      const counting = database.transaction(store).objectStore(store).count();
      counting.onsuccess = () => resolve(counting.result);
      counting.onerror = () => reject(counting.error);
    });
  } finally {
    database.close();
  }
}
