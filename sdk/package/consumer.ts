/** What a page that uses the package may write, and what is an error. `check.mjs` compiles it. */

import { init } from "@headway/tracker";
import type { Options, Refusal, Report, Tracker } from "@headway/tracker";
import { trackVideo } from "@headway/tracker/video";

const options: Options = { endpoint: "https://headway.example", getToken: async () => "a token", course: 1, unit: 5 };
export const tracker: Tracker = init({ ...options, video: () => import("@headway/tracker/video") });

tracker.setUnit(6, { element: document.body });
tracker.track("link_click", { metadata: { href: "https://example.org" } });
tracker.track("video_progress", { engagement_metrics: { scroll_depth: 50, video_segments: [[0, 12.5]] } });

const end: () => void = tracker.trackVideo(document.createElement("video"));
end();
export const load: (...options: never) => () => void = trackVideo;

const kinds: Refusal["status"][] = [];
export const ids: Report["event_id"][] = [];
const silence: () => void = tracker.on("rejected", ({ report, status, errors }) => {
  kinds.push(status);
  ids.push(report.event_id, errors[0]?.field ?? "");
});
silence();
tracker.on("error", ({ message, dropped = [] }) => console.log(message.length, dropped.length));
tracker.on("progress", ({ completionPercentage }) => console.log(completionPercentage.toFixed(2)));

await tracker.flush();
await tracker.identify({ token: "another token" });
await tracker.stop({ forget: true });

// @ts-expect-error: a course is required
init({ endpoint: "https://headway.example" });
// @ts-expect-error: there is no such option
init({ ...options, beatSecond: 15 });
// @ts-expect-error: there is no such activity
tracker.track("clicked");
// @ts-expect-error: a segment has a beginning and an end
tracker.track("video_progress", { engagement_metrics: { video_segments: [[1]] } });
// @ts-expect-error: there is no such event
tracker.on("progresses", () => {});
