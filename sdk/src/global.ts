/** The script for pages without modules: it is `window.Headway`, and starts by itself where its own tag declares how. */

import type { Options } from "./options.ts";
import { declare } from "./pages.ts";
import { createSender } from "./sender.ts";
import { createTracker } from "./tracker.ts";
import type { LoadVideo, Tracker } from "./tracker.ts";

interface Headway {
  /** Begin to track the page. */
  init(options: Options): Tracker;
  /** The tracker that the script's tag declares. */
  tracker?: Tracker | undefined;
}

declare global {
  interface Window {
    Headway?: Headway;
  }
}

const folder = (document.currentScript as HTMLScriptElement | null)?.src ?? "";

const loadVideo: LoadVideo = async () => import(new URL("headway-video.js", folder).href);
const init = (options: Options): Tracker => createTracker(options, { window, createSender, loadVideo });

window.Headway ??= { init, tracker: declare(window, init) };
