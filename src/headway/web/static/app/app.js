// What all pages do beyond HTML: they tell the time zone, stay up to date, and ask before what cannot be undone.

const YEAR_SECONDS = 31_536_000;
const SHORTEST_PAUSE_MS = 1_000;
const SECONDS_WITHOUT_NEWS = 15;
const LONGEST_RETRY_MS = 30_000;
/** Pixels between a term and its definition, and between the definition and the edge of the window. */
const TOOLTIP_GAP = 6;
const SHORTEST_LOSS_MS = 3_000;

/** Tell the server the time zone of the viewer, for the pages to come. */
function tellTimeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = document.cookie.split("; ").find((each) => each.startsWith("headway-zone="));
  if (!zone || known === `headway-zone=${zone}`) return;
  document.cookie = `headway-zone=${zone}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
}

/** Return an access token for `/ws` and the API, which ends with the session. */
export async function fetchToken() {
  const response = await fetch("/app/token", { method: "POST" });
  if (!response.ok) throw new Error(`No token: ${response.status}`);
  return (await response.json()).token;
}

/**
 * Follow topics of `/ws`, for as long as the page is shown. `onMessage` gets each message, and `{type: "reconnected"}` after a gap.
 * Returns a function that ends it.
 */
export function follow(topics, onMessage) {
  let socket;
  let attempts = 0;
  let hasEnded = false;
  let wasReady = false;
  let loss;

  /** Note whether the page is connected, for its style; a loss that lasts no longer than a new token takes is none. */
  function noteConnection(isOn) {
    clearTimeout(loss);
    const note = () => (document.documentElement.dataset.connection = isOn ? "on" : "off");
    if (isOn) note();
    else loss = setTimeout(note, SHORTEST_LOSS_MS);
  }

  async function connect() {
    if (hasEnded) return;
    let token;
    try {
      token = await fetchToken();
    } catch {
      return retry();
    }
    socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`);
    socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token }));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ready") {
        attempts = 0;
        noteConnection(true);
        for (const topic of topics) socket.send(JSON.stringify({ type: "subscribe", topic }));
        if (wasReady) onMessage({ type: "reconnected" });
        wasReady = true;
      } else {
        onMessage(message);
      }
    };
    socket.onclose = retry;
  }

  function retry() {
    if (hasEnded) return;
    if (attempts === 0) noteConnection(false);
    attempts += 1;
    setTimeout(connect, Math.random() * Math.min(LONGEST_RETRY_MS, 1_000 * 2 ** attempts));
  }

  connect();
  return () => {
    hasEnded = true;
    socket?.close();
  };
}

/** Fetch an element of the page again, and morph it in place; unless the page shows something else meanwhile, such as a filtered list. */
function fetchAgain(id) {
  const shown = location.href;
  const isOutdated = () => location.href !== shown;
  return htmx.ajax("GET", shown, { target: `#${id}`, select: `#${id}`, swap: "outerMorph ignoreTitle:true", isOutdated });
}

/** Leave a page as it is when the response is about what it does not show any more. */
function refuseOutdated(event) {
  if (event.detail.ctx.isOutdated?.()) event.preventDefault();
}

/**
 * Keep the elements with `data-live="<topic> …"` up to date: when one of their topics tells of a change they are fetched again
 * and morphed in place, so that focus, scroll and open details stay. The slower the server, the longer the pause. With
 * `data-live-seconds="10"` they are also fetched as time passes.
 */
function keepLive() {
  const elements = [...document.querySelectorAll("[data-live]")].filter((each) => each.id);
  if (elements.length === 0) return;
  let isWanted = false;
  let isRunning = false;

  async function refresh() {
    isWanted = true;
    if (isRunning || document.hidden) return;
    isRunning = true;
    while (isWanted && !document.hidden) {
      isWanted = false;
      const begin = performance.now();
      try {
        for (const { id } of elements) {
          await fetchAgain(id);
        }
      } catch {
        // The server does not answer: it is asked again when it says something, or as time passes.
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(SHORTEST_PAUSE_MS, 4 * (performance.now() - begin))));
    }
    isRunning = false;
  }

  const topics = [...new Set(elements.flatMap((each) => each.dataset.live.split(" ")))];
  const stop = follow(topics, ({ type }) => {
    if (!["subscribed", "error"].includes(type)) refresh();
  });
  // A script of the page knows of a change that no topic tells, such as study time without progress.
  document.addEventListener("headway:changed", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isWanted) refresh();
  });
  // No topic tells of study time that moves no percent: nothing is stored or sent for each event.
  const seconds = Math.min(...elements.map((each) => Number(each.dataset.liveSeconds) || SECONDS_WITHOUT_NEWS));
  setInterval(refresh, seconds * 1_000);
  window.addEventListener("pagehide", stop, { once: true });
}

/** Show the definition of a number below its term, or above it, within the window: no table or edge cuts it off. */
function placeDefinition({ target }) {
  const term = target instanceof Element ? target.closest(".term") : null;
  const tooltip = term?.querySelector(".tooltip");
  if (!tooltip) return;
  const { left, top, bottom } = term.getBoundingClientRect();
  const { width, height } = tooltip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - TOOLTIP_GAP;
  tooltip.style.left = `${Math.max(TOOLTIP_GAP, Math.min(left, room))}px`;
  tooltip.style.top = `${bottom + TOOLTIP_GAP + height <= window.innerHeight ? bottom + TOOLTIP_GAP : top - TOOLTIP_GAP - height}px`;
}

/**
 * Fetch the elements with `data-refresh-seconds="…"` again and again, and morph them in place, while the page is seen. An element that
 * comes without the attribute is fetched no more.
 */
function keepFresh() {
  for (const { id, dataset } of document.querySelectorAll("[data-refresh-seconds]")) {
    const refresh = async () => {
      const seconds = Number(document.getElementById(id)?.dataset.refreshSeconds);
      if (!seconds) return;
      try {
        if (!document.hidden) {
          await fetchAgain(id);
        }
      } finally {
        setTimeout(refresh, 1_000 * seconds);
      }
    };
    setTimeout(refresh, 1_000 * Number(dataset.refreshSeconds));
  }
}

/** Ask before a form is sent that has `data-confirm="…"`. */
function askBefore(event) {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
}

/** Send a form once, however often its button is pressed. */
function sendOnce(event) {
  if (event.defaultPrevented || event.target.method !== "post" || event.target.hasAttribute("hx-post")) return;
  if (event.target.dataset.isSent) event.preventDefault();
  event.target.dataset.isSent = "true";
  window.addEventListener("pageshow", () => delete event.target.dataset.isSent, { once: true });
}

/** Show the box that selects all checkboxes of a form on the page, which belong to it by its id. */
function selectTogether() {
  for (const bulk of document.querySelectorAll("[data-selects]")) {
    bulk.querySelector("[data-select-all]").hidden = false;
  }
}

/** Select or deselect all. */
function selectAll(event) {
  const bulk = event.target.closest("[data-select-all]")?.closest("[data-selects]");
  if (!bulk) return;
  const boxes = document.querySelectorAll(`input[type="checkbox"][form="${bulk.dataset.selects}"]`);
  for (const box of boxes) box.checked = event.target.checked;
}

/**
 * Fill a field with what stands after `#` in the URL of a link, which no server and no log gets to see, and hide it: the link says
 * what would be typed. It stays to be seen where something is wrong with it.
 */
function takeFragment() {
  for (const part of document.querySelectorAll("[data-from-fragment]")) {
    const input = part.querySelector("input");
    if (location.hash.length > 1) {
      input.value = location.hash.slice(1);
      // Not in the history of a browser that others use too.
      history.replaceState(history.state, "", location.pathname + location.search);
    }
    part.hidden = input.value !== "" && !input.hasAttribute("aria-invalid");
  }
}

/** Show where the viewer is in a navigation that is wider than the window. */
function showPlace() {
  for (const bar of document.querySelectorAll("nav")) {
    const here = bar.querySelector("[aria-current='page']");
    if (here) bar.scrollLeft += Math.max(0, here.getBoundingClientRect().right - bar.getBoundingClientRect().right);
  }
}

tellTimeZone();
takeFragment();
showPlace();
document.addEventListener("pointerover", placeDefinition);
document.addEventListener("focusin", placeDefinition);
document.addEventListener("scroll", () => placeDefinition({ target: document.activeElement }), { capture: true, passive: true });
selectTogether();
document.addEventListener("htmx:before:swap", refuseOutdated);
document.addEventListener("htmx:after:swap", selectTogether);
document.addEventListener("change", selectAll);
document.addEventListener("submit", askBefore);
document.addEventListener("submit", sendOnce);
function keepUpToDate() {
  keepLive();
  keepFresh();
}
if (document.readyState === "complete") keepUpToDate();
else window.addEventListener("load", keepUpToDate, { once: true });
