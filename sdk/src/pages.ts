/** Tracking that a page declares by `data-headway-*` attributes, without code of its own. */

import type { Options } from "./options.ts";
import type { Tracker } from "./tracker.ts";
import type { ActivityType } from "./wire.ts";

/** How long nothing has to move before the page is looked at: scrolling past a unit does not open it. Milliseconds. */
const PAUSE = 500;
const UNIT = "[data-headway-unit]:not(script)";

type Declared = HTMLElement & Partial<HTMLAnchorElement>;

/** Return the options that the attributes of a script declare: `data-headway-idle-seconds="30"` is `idleSeconds: 30`. */
export function readOptions({ dataset }: HTMLElement, request: typeof fetch): Options {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(dataset)) {
    const name = key.replace(/^headway./, (start) => start[7]!.toLowerCase());
    if (name === "tokenUrl")
      // The page's own server, which knows the learner by a cookie.
      options.getToken = async () => {
        const answer = await request(value!);
        if (!answer.ok) throw Error(`${value}: ${answer.status}`);
        return (await answer.json()).token;
      };
    else if (name !== key) options[name] = (name !== "user" && +value!) || value;
  }
  return options as unknown as Options;
}

/** Start a tracker where the page's script declares one, and follow what its elements declare, also those that come later. */
export function declare(window: Window & typeof globalThis, init: (options: Options) => Tracker): Tracker | undefined {
  const { document } = window;
  const script = document.querySelector<HTMLElement>("script[data-headway-endpoint]");
  if (!script) return;
  const options = readOptions(script, window.fetch.bind(window));
  let tracker!: Tracker;
  let videos = new Map<Element, [unit: string | undefined, end: () => void]>();
  let shown: HTMLElement | undefined;
  let timer: number | undefined;

  /** Show the unit that takes most of the viewport's height, of equals the inner one. Where none is visible the last one stays. */
  function look(): void {
    let most = 1;
    let best: HTMLElement | undefined;
    for (const element of document.querySelectorAll<HTMLElement>(UNIT)) {
      const { top, bottom, left, right } = element.getBoundingClientRect();
      const height = Math.min(bottom, window.innerHeight) - Math.max(top, 0);
      if (height >= most && right > 0 && left < window.innerWidth) {
        most = height;
        best = element;
      }
    }
    if (best || !shown?.isConnected) show(best);
  }

  function show(element: HTMLElement | undefined): void {
    shown = element;
    const place = element ? { unit: +element.dataset.headwayUnit!, module: undefined, element } : options;
    // What is there from the start gets the first moment, too.
    if (tracker) tracker.setUnit(place.unit, place);
    else tracker = init({ ...options, ...place } as Options);
  }

  /** See to what an app has changed. */
  function follow(): void {
    shown = shown?.dataset.headwayUnit ? shown : undefined;
    if (shown?.isConnected) show(shown);
    else look();
    const former = videos;
    videos = new Map();
    for (const video of document.querySelectorAll<HTMLMediaElement>("[data-headway-video]")) {
      const unit = video.closest<HTMLElement>(UNIT)?.dataset.headwayUnit;
      let known = former.get(video);
      if (known && known[0] === unit) former.delete(video);
      else known = [unit, tracker.trackVideo(video, +unit!)];
      videos.set(video, known);
    }
    former.forEach(([, end]) => end());
  }

  function react({ type, target }: Event): void {
    window.clearTimeout(timer);
    timer = window.setTimeout(look, PAUSE);
    const element = type === "click" && (target as Element).closest?.<Declared>("[data-headway-track]");
    if (!element) return;
    const { id, href: url, dataset } = element;
    tracker.track(dataset.headwayTrack as ActivityType, { metadata: { id, url } });
  }

  follow();
  const { signal } = tracker;
  const changes = new window.MutationObserver(follow);
  changes.observe(document, { childList: true, subtree: true, attributeFilter: ["data-headway-unit", "data-headway-video"] });
  signal.addEventListener("abort", () => changes.disconnect());
  for (const type of "click keyup scroll resize popstate".split(" ")) {
    window.addEventListener(type, react, { passive: true, capture: true, signal });
  }
  return tracker;
}
