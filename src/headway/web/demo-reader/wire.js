/**
 * The requests of this page, as they go over the wire: it shows the reports that are sent and the verdicts that come back, and can cut
 * the page off as a lost network does. The tracker knows nothing of it.
 */

const BATCH = "/api/courses/activity/batch";

/** Watch all requests that are made from now on. `onVerdicts` gets the reports of each batch that was answered. */
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
    last = request;
    onVerdicts(events.map((event, index) => ({ event, ...data.results[index] })));
  }

  globalThis.fetch = watched;
  return {
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

/** Return how many reports wait in the tracker's database, or undefined where the browser has none. */
export async function countWaiting() {
  // Opening a database would create it.
  if (!(await indexedDB.databases?.())?.some(({ name }) => name === "headway")) return undefined;
  const database = await done(indexedDB.open("headway"));
  try {
    const [store] = database.objectStoreNames;
    return (await done(database.transaction(store).objectStore(store).getAll())).flat().length;
  } finally {
    database.close();
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
