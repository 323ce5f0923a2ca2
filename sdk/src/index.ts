/** `@headway/tracker`: report what a learner really did, exactly once. */

import type { Options } from "./options.ts";
import { createSender } from "./sender.ts";
import { createTracker } from "./tracker.ts";
import type { Tracker } from "./tracker.ts";

export type { Credentials, Options } from "./options.ts";
export type { Contribution, Contributor, Host, Refusal, Report } from "./report.ts";
export type { Listeners, LoadVideo, Problem, Progress, Tracker } from "./tracker.ts";
export type { VideoTarget } from "./video.ts";
export type { ActivityType, EngagementMetrics } from "./wire.ts";

/**
 * Begin to track the page. Throw a TypeError that names an option that is wrong.
 *
 * @example
 * const tracker = init({ endpoint: "https://headway.example", getToken, course: 1, unit: 5 });
 */
export function init(options: Options): Tracker {
  return createTracker(options, { window, createSender, loadVideo: () => import("./video.ts") });
}
