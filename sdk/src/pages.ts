/** Tracking that a page declares by `data-headway-*` attributes, without code of its own. */

import type { Options } from "./options.ts";
import type { Tracker } from "./tracker.ts";
import type { ActivityType } from "./wire.ts";

/** How often to look at most, in milliseconds. A unit has to be the most visible one twice, so scrolling past does not open it. */
const PAUSE = 500;
const UNIT = "[data-headway-unit]:not(script)";

type Declared = HTMLElement & Partial<HTMLAnchorElement>;

/** Return the options that the attributes of a script declare: `data-headway-idle-seconds="30"` is `idleSeconds: 30`. */
export function readOptions({ dataset }: HTMLElement, request: typeof fetch): Options {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(dataset)) {
    const name = key.charAt(7).toLowerCase() + key.slice(8);
    if (name === "tokenUrl") options.getToken = () => readToken(request, value!);
    else if (key.startsWith("headway")) options[name] = name !== "user" && Number(value) ? Number(value) : value;
  }
  return options as unknown as Options;
}

/** Ask the page's own server for a token. It knows the learner by its cookie. */
async function readToken(request: typeof fetch, url: string): Promise<string> {
  const answer = await request(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return ((await answer.json()) as { token: string }).token;
}

/** Start a tracker where the page's script declares one, and follow what its elements declare, also those that come later. */
export function declare(window: Window & typeof globalThis, init: (options: Options) => Tracker): Tracker | undefined {
  const { document } = window;
  const script = document.querySelector<HTMLElement>("script[data-headway-endpoint]");
  if (!script) return;
  const options = readOptions(script, window.fetch.bind(window));
  const tracker = init(options);
  const { stop } = tracker;
  const end = new AbortController();
  const videos = new WeakSet<Element>();
  let shown: HTMLElement | undefined;
  let unit: string | undefined;
  let next: HTMLElement | undefined;
  let timer: number | undefined;

  /** Return the element that takes most of the viewport; of equals the inner one. */
  function mostVisible(): HTMLElement | undefined {
    let most = 1;
    let found: HTMLElement | undefined;
    for (const element of document.querySelectorAll<HTMLElement>(UNIT)) {
      const { top, bottom, left, right } = element.getBoundingClientRect();
      const height = Math.min(bottom, window.innerHeight) - Math.max(top, 0);
      const width = Math.min(right, window.innerWidth) - Math.max(left, 0);
      if (height > 0 && width > 0 && height * width >= most) {
        most = height * width;
        found = element;
      }
    }
    return found;
  }

  const isThere = () => shown?.isConnected && shown.dataset.headwayUnit === unit;

  function look(): void {
    timer = undefined;
    const best = mostVisible();
    if (isThere() && best !== shown && best !== next) lookSoon();
    else if (best || !isThere()) {
      shown = best;
      unit = best?.dataset.headwayUnit;
      if (best) tracker.setUnit(Number(unit), { element: best });
      else tracker.setUnit(options.unit, options);
    }
    next = best;
    for (const video of document.querySelectorAll("[data-headway-video]")) {
      if (videos.has(video)) continue;
      videos.add(video);
      tracker.trackVideo(video, Number(video.closest<HTMLElement>(UNIT)?.dataset.headwayUnit) || undefined);
    }
  }

  function lookSoon(): void {
    timer ??= window.setTimeout(look, PAUSE);
  }

  function click({ target }: Event): void {
    const element = (target as Element).closest?.<Declared>("[data-headway-track]");
    if (!element) return;
    const { id, href: url, dataset } = element;
    tracker.track(dataset.headwayTrack as ActivityType, { metadata: { ...(id && { id }), ...(url && { url }) } });
  }

  const mutations = new window.MutationObserver(() => (isThere() ? lookSoon() : look()));
  mutations.observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-headway-unit", "data-headway-video"] });
  for (const [name, listener] of Object.entries({ click, scroll: lookSoon, resize: lookSoon })) {
    window.addEventListener(name, listener, { passive: true, capture: true, signal: end.signal });
  }
  look();

  tracker.stop = (how) => {
    end.abort();
    mutations.disconnect();
    window.clearTimeout(timer);
    return stop(how);
  };
  return tracker;
}
