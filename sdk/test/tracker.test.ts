import assert from "node:assert/strict";
import { test } from "node:test";
import type { Options } from "../src/options.ts";
import type { Contribution, Contributor, Host, Report } from "../src/report.ts";
import { createTracker } from "../src/tracker.ts";
import type { LoadVideo } from "../src/tracker.ts";
import { createElement, createFakeSender, createPage, settle } from "./fakes.ts";

type Page = ReturnType<typeof createPage>;

/** Start a tracker on a visible and focused page. Times in what it says are seconds since then. */
function start(options: { [Name in keyof Options]?: unknown } = {}, made: Page = createPage(), loadVideo: LoadVideo = async () => ({ trackVideo: () => () => {} })) {
  const { window, page, document } = made;
  const sender = createFakeSender();
  const tracker = createTracker(
    { endpoint: "https://headway.example/", token: "t", course: 1, unit: 5, beatSeconds: 15, idleSeconds: 60, ...options } as Options,
    { window, createSender: sender.createSender, loadVideo },
  );
  const seconds = (instant: number | undefined) => (instant === undefined ? undefined : (instant - page.at(0)) / 1000);
  const beats = () =>
    sender.reports.filter((each) => each.start !== undefined).map((each) => [each.unit_id, seconds(each.start), seconds(each.end)]);
  return { tracker, sender, page, document, window, beats, seconds, made };
}

/** Return what is the same in each report apart from its id and times. */
function bare({ event_id, session_id, start, end, ...rest }: Report) {
  return JSON.parse(JSON.stringify(rest));
}

test("a page that is read sends beats with ids and exact times", async () => {
  const { page, sender, beats } = start();
  await page.advance(32_000);
  page.hide();
  assert.deepEqual(beats(), [[5, 0, 15], [5, 15, 30], [5, 30, 32]]);
  assert.deepEqual(bare(sender.reports[0]!), { activity_type: "unit_view", course_id: 1, unit_id: 5 });
  assert.equal(new Set(sender.reports.map((each) => each.event_id)).size, 3);
  assert.equal(new Set(sender.reports.map((each) => each.session_id)).size, 1);
  assert.deepEqual(sender.calls, ["leave"]);
});

test("what is viewed without a unit is the module, or the course", async () => {
  for (const [options, type] of [[{ unit: undefined, module: 3 }, "module_view"], [{ unit: undefined }, "course_view"]] as const) {
    const { page, sender } = start(options);
    await page.advance(3000);
    page.hide();
    assert.equal(sender.reports[0]!.activity_type, type);
    assert.equal(sender.reports[0]!.module_id, "module" in options ? options.module : undefined);
  }
});

test("only use keeps a page active", async () => {
  const { page, beats } = start({ beatSeconds: 1000, idleSeconds: 10 });
  await page.advance(5_000);
  page.fire("pointermove");
  await page.advance(300_000);
  page.fire("keydown");
  await page.advance(2000);
  page.hide();
  assert.deepEqual(beats(), [[5, 0, 15], [5, 305, 307]]);
});

test("a scroll is a use where it moves the unit, and measures its depth", async () => {
  const element = createElement();
  const { page, beats, sender } = start({ beatSeconds: 1000, idleSeconds: 10, element: element as unknown as Element });
  await page.advance(5_000);
  page.fire("scroll", createElement({ contains: (other: unknown) => other === element }));
  page.observers[0]!.tell([{ target: element, isIntersecting: true, boundingClientRect: { top: 0, height: 1000 }, intersectionRect: { bottom: 500 } }]);
  await page.advance(5_000);
  page.fire("scroll", createElement()); // a carousel
  page.fire("scroll"); // made by a script
  await page.advance(60_000);
  assert.deepEqual(beats(), [[5, 0, 15]]);
  assert.deepEqual(sender.reports[0]!.engagement_metrics, { scroll_depth: 50 });
});

test("a page that is blurred, hidden or idle has no timer", async () => {
  const { page } = start({ idleSeconds: 10 });
  assert.equal(page.timers.size, 1);
  await page.advance(12_000);
  assert.equal(page.timers.size, 0);
  page.fire("pointerdown");
  assert.equal(page.timers.size, 1);
  page.hide();
  assert.equal(page.timers.size, 0);
  page.show();
  page.blur();
  await page.advance(12_000);
  assert.equal(page.timers.size, 0);
});

test("the time without the focus does not count", async () => {
  const { page, beats } = start();
  await page.advance(3000);
  page.blur();
  await page.advance(30_000);
  page.focus();
  await page.advance(2000);
  page.hide();
  assert.deepEqual(beats(), [[5, 0, 3], [5, 33, 35]]);
});

test("within a frame of another page, which may have the focus, only use tells", async () => {
  const made = createPage();
  Object.assign(made.window, { parent: {} });
  made.page.focused = false;
  const { page, beats } = start({ beatSeconds: 1000, idleSeconds: 10 }, made);
  await page.advance(30_000);
  assert.deepEqual(beats(), [[5, 0, 10]]);
});

test("a device that sleeps, and a tab that is frozen without a word, lose the gap", async () => {
  const { page, beats } = start({ beatSeconds: 1000 });
  await page.advance(5000);
  page.jump(3_600_000); // the monotonic time went on
  await page.advance(1000);
  page.fire("keydown");
  await page.advance(2000);
  page.wrong += 7_200_000; // it stood still
  await page.advance(2000);
  page.fire("keydown");
  await page.advance(1000);
  page.hide();
  assert.deepEqual(beats(), [[5, 0, 5], [5, 3606, 3608], [5, 10810, 10811]]);
});

test("the beat that a leap of the clock ends is added while the clock has its former anchor", async () => {
  const { page, sender } = start({ beatSeconds: 1000 });
  const { clock } = sender.options;
  const anchors: (number | undefined)[] = [];
  const push = sender.reports.push.bind(sender.reports);
  sender.reports.push = (report) => (anchors.push(clock.anchor), push(report));
  const { anchor } = clock;
  await page.advance(5000);
  page.wrong += 3_600_000;
  page.fire("keydown");
  await page.advance(3000);
  page.fire("keydown");
  await page.advance(1000);
  page.hide();
  assert.deepEqual(anchors, [anchor, anchor! + 3_600_000]);
});

test("a page in the back/forward cache does not count and goes on after it, a frozen one likewise", async () => {
  for (const [gone, back] of [["pagehide", "pageshow"], ["freeze", "resume"]] as const) {
    const { page, beats, sender } = start();
    await page.advance(4000);
    page.fire(gone);
    assert.deepEqual(sender.calls, ["leave"]);
    assert.equal(page.timers.size, 0);
    page.jump(100_000);
    page.fire(back);
    await page.advance(3000);
    page.hide();
    assert.deepEqual(beats(), [[5, 0, 4], [5, 104, 107]]);
  }
});

test("a prerendered page counts from its activation", async () => {
  const made = createPage();
  made.document.prerendering = true;
  const { page, beats } = start({}, made);
  await page.advance(20_000);
  assert.deepEqual(beats(), []);
  made.document.prerendering = false;
  page.fire("prerenderingchange");
  await page.advance(3000);
  page.hide();
  assert.deepEqual(beats(), [[5, 20, 23]]);
});

test("another unit, or element, begins where the former one ends, and the same one goes on", async () => {
  const { tracker, page, beats, sender } = start();
  await page.advance(3250);
  tracker.setUnit(6, { module: 2 });
  tracker.setUnit(6, { module: 2 });
  await page.advance(2000);
  tracker.setUnit(6, { module: 2, element: createElement() as unknown as Element });
  await page.advance(2000);
  tracker.setUnit(undefined);
  await page.advance(1000);
  page.hide();
  assert.deepEqual(beats(), [[5, 0, 3.25], [6, 3.25, 5.25], [6, 5.25, 7.25], [undefined, 7.25, 8.25]]);
  assert.equal(sender.reports[1]!.module_id, 2);
  assert.throws(() => tracker.setUnit("6" as unknown as number), /"unit"/);
});

test("what is tracked takes no time and carries what the page says", async () => {
  const { tracker, page, sender, seconds } = start();
  await page.advance(2500);
  tracker.track("quiz_submit", { metadata: { score: 7, max_score: 10 } });
  tracker.track("note_create");
  const [quiz, note] = sender.reports;
  assert.deepEqual(bare(quiz!), { activity_type: "quiz_submit", course_id: 1, unit_id: 5, metadata: { score: 7, max_score: 10 } });
  assert.equal(quiz!.start, undefined);
  assert.equal(seconds(quiz!.end), 2.5);
  assert.equal(note!.activity_type, "note_create");
});

const VIDEO = createElement() as HTMLVideoElement;

/** A video that plays when the test says so. */
function makeVideo() {
  const news: Contribution[] = [];
  const video = { host: undefined as Host | undefined, target: undefined as unknown, isPlaying: false, ends: 0, news };
  const part: Contributor = { isPlaying: () => video.isPlaying, contribute: () => news.shift() };
  const module = {
    trackVideo(host: Host, target: unknown) {
      Object.assign(video, { host, target });
      const detach = host.attach(part);
      return () => (video.ends++, detach());
    },
  };
  return { video, load: async () => module };
}

const segment = (from: number, to: number): Contribution => ({
  activity_type: "video_progress",
  engagement_metrics: { video_segments: [[from, to]], video_duration_seconds: 60 },
});

test("a video that plays counts in a hidden page, and its beat carries what was played", async () => {
  const { video, load } = makeVideo();
  const { tracker, page, sender, beats } = start({}, createPage(), load);
  const target = createElement();
  tracker.trackVideo(target as HTMLVideoElement);
  await settle();
  assert.equal(video.target, target);
  await page.advance(2000);
  video.isPlaying = true;
  video.host!.beat();
  video.host!.track("video_play", { metadata: { position: 0 } });
  page.hide();
  await page.advance(10_000);
  video.isPlaying = false;
  video.news.push(segment(0, 10));
  video.host!.beat();
  await page.advance(5000);
  assert.deepEqual(beats(), [[5, 0, 2], [5, 2, 12]]);
  assert.deepEqual(sender.reports.map((each) => each.activity_type), ["unit_view", "video_play", "video_progress"]);
  assert.deepEqual(sender.reports[2]!.engagement_metrics, { video_segments: [[0, 10]], video_duration_seconds: 60 });
});

test("what was played without a beat is a report without a start", async () => {
  const { video, load } = makeVideo();
  const { tracker, page, sender } = start({ beatSeconds: 1000 }, createPage(), load);
  tracker.trackVideo(VIDEO);
  await settle();
  page.hide();
  video.news.push(segment(0, 3));
  await tracker.flush();
  const played = sender.reports.at(-1)!;
  assert.deepEqual(bare(played), { ...segment(0, 3), course_id: 1, unit_id: 5 });
  assert.equal(played.start, undefined);
});

test("a unit in which a video starts by itself is viewed, once by each learner", async () => {
  const { video, load } = makeVideo();
  const { tracker, page, sender } = start({ beatSeconds: 1000 }, createPage(), load);
  tracker.trackVideo(VIDEO);
  await settle();
  const play = async () => {
    video.news.push(segment(0, 3));
    await page.advance(3000);
    await tracker.flush();
    return sender.reports.splice(0).map((each) => [each.activity_type, each.start !== undefined]);
  };
  assert.deepEqual(await play(), [["unit_view", false], ["video_progress", true]]);
  assert.deepEqual(await play(), [["video_progress", true]]);
  await tracker.identify({ token: "another" });
  assert.deepEqual(await play(), [["unit_view", false], ["video_progress", true]]);
});

test("a video belongs to its unit, whatever unit the page shows", async () => {
  const { video, load } = makeVideo();
  const { tracker, page, sender, beats } = start({ beatSeconds: 1000 }, createPage(), load);
  tracker.trackVideo(VIDEO);
  await settle();
  tracker.setUnit(6);
  video.news.push(segment(0, 3));
  await page.advance(3000);
  await tracker.flush();
  assert.deepEqual(beats(), [[6, 0, 3]]);
  assert.deepEqual(sender.reports.map((each) => [each.activity_type, each.unit_id]), [["video_progress", 5], ["unit_view", 6]]);
});

test("of two videos that play, each one's segments have their own report", async () => {
  const one = makeVideo();
  const two = makeVideo();
  let loads = 0;
  const { tracker, page, sender } = start({}, createPage(), () => (loads++ ? two : one).load());
  tracker.trackVideo(VIDEO);
  tracker.trackVideo(VIDEO, 5);
  await settle();
  one.video.news.push(segment(0, 3));
  two.video.news.push(segment(7, 9));
  await page.advance(3000);
  await tracker.flush();
  const played = sender.reports.filter((each) => each.engagement_metrics);
  const segments = played.map((each) => [each.start !== undefined, each.engagement_metrics!.video_segments]);
  assert.deepEqual(segments.sort(), [[false, [[7, 9]]], [true, [[0, 3]]]]);
});

test("a video ends with its function, or with the tracker, and leaves what it knows", async () => {
  const { video, load } = makeVideo();
  const { tracker, sender } = start({ video: load });
  const finish = tracker.trackVideo(VIDEO);
  await settle();
  video.news.push(segment(0, 3));
  finish();
  await settle();
  await tracker.stop();
  assert.equal(video.ends, 1);
  assert.deepEqual(sender.reports.map((each) => each.activity_type), ["unit_view", "video_progress"]);
});

test("a video that ends before its part is loaded ends once it is", async () => {
  const { video, load } = makeVideo();
  const { tracker } = start({}, createPage(), load);
  tracker.trackVideo(VIDEO)();
  await settle();
  assert.equal(video.ends, 1);
});

test("a part for videos that cannot be loaded is told", async () => {
  const { tracker } = start({}, createPage(), () => Promise.reject(new Error("offline")));
  const errors: string[] = [];
  tracker.on("error", ({ message }) => errors.push(message));
  tracker.trackVideo(VIDEO)();
  await tracker.stop();
  await settle(); // nothing is rejected unheard
  assert.deepEqual(errors, ["video"]);
});

test("the sender gets what it needs, with the endpoint as an address without a slash", () => {
  const { sender, window } = start({ endpoint: "/headway/", flushSeconds: 2, user: "u" });
  const { endpoint, token, user, flushSeconds, indexedDB, locks, clock } = sender.options;
  assert.deepEqual({ endpoint, token, user, flushSeconds }, { endpoint: "https://school.example/headway", token: "t", user: "u", flushSeconds: 2 });
  assert.deepEqual([indexedDB, locks], [window.indexedDB, window.navigator.locks]);
  assert.equal(clock.now(), window.Date.now());
});

test("until the learner agrees nothing is stored or sent, and nothing counts", async () => {
  let agrees = false;
  const { tracker, page, sender, beats } = start({ consent: () => agrees });
  await page.advance(5000);
  tracker.track("note_create");
  await tracker.flush();
  await tracker.identify({ token: "t2" });
  page.hide();
  page.show();
  assert.equal(sender.isMade(), false);
  agrees = true;
  await page.advance(1000);
  await page.advance(4000);
  page.hide();
  assert.deepEqual(beats(), [[5, 6, 10]]);
  assert.equal(sender.options.token, "t2");
  assert.equal(sender.reports.length, 1);
});

test("consent may be a promise, is asked one at a time, and may fail", async () => {
  let asked = 0;
  const answers: ((answer: Promise<boolean>) => void)[] = [];
  const { tracker, page, sender } = start({ consent: () => (asked++, new Promise<boolean>((resolve) => answers.push(resolve))) });
  const errors: unknown[] = [];
  tracker.on("error", ({ cause }) => errors.push(cause));
  await page.advance(5000);
  assert.equal(asked, 1);
  const failure = new Error("no dialog");
  answers[0]!(Promise.reject(failure));
  await settle();
  await page.advance(1000);
  assert.deepEqual(errors, [failure]);
  assert.equal(asked, 2);
  await tracker.stop();
  answers[1]!(Promise.resolve(true));
  await settle();
  assert.equal(sender.isMade(), false);
});

test("somebody else gets a session of their own, and the beat of the former one ends", async () => {
  const { tracker, page, sender, beats } = start();
  await page.advance(3000);
  await tracker.identify({ token: "t2", user: "other" });
  assert.deepEqual(beats(), [[5, 0, 3]]);
  assert.deepEqual(sender.calls, [["identify", { token: "t2", user: "other" }]]);
  await page.advance(2000);
  page.hide();
  assert.deepEqual(beats()[1], [5, 3, 5]);
  assert.notEqual(sender.reports[0]!.session_id, sender.reports[1]!.session_id);
  await assert.rejects(tracker.identify({ token: "" }), /wrong option "token"/);
});

test("somebody else has a scroll depth of their own", async () => {
  const { tracker, page, document, sender } = start();
  const see = () =>
    page.observers[0]!.tell([{ target: document.documentElement, isIntersecting: true, boundingClientRect: { height: 2000 }, intersectionRect: {} }]);
  see();
  await tracker.identify({ token: "t2" });
  await tracker.flush();
  await page.advance(1000);
  assert.equal(page.observers[0]!.observed.size, 1); // measured anew
  see();
  await tracker.flush();
  assert.deepEqual(sender.reports.map((each) => each.engagement_metrics?.scroll_depth), [25, 25]);
});

test("a stop ends the beat, sends it, and leaves no timer, listener or observer", async () => {
  const { tracker, page, sender, beats } = start();
  tracker.on("progress", () => {});
  sender.options.emit("sent", []);
  await page.advance(4000);
  sender.options.emit("sent", []);
  page.fire("scroll", { contains: () => true });
  await tracker.stop();
  await tracker.stop();
  assert.deepEqual(beats(), [[5, 0, 4]]);
  assert.deepEqual(sender.calls, [["stop", undefined]]);
  assert.deepEqual([page.timers.size, page.listeners, page.observers[0]!.observed.size], [0, 0, 0]);
  tracker.track("note_create");
  page.fire("keydown");
  await tracker.flush();
  tracker.trackVideo(VIDEO);
  tracker.setUnit(7);
  await page.advance(60_000);
  sender.options.emit("sent", []);
  assert.equal(sender.reports.length, 1);
  assert.equal(page.timers.size, 0);
});

test("a stop can forget", async () => {
  const { tracker, sender } = start();
  await tracker.stop({ forget: true });
  assert.deepEqual(sender.calls, [["stop", { forget: true }]]);
});

test("errors and refusals are told to whoever listens, and to the console otherwise", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const { tracker, sender } = start();
  const told: unknown[] = [];
  const remove = tracker.on("error", (detail) => told.push(detail));
  sender.options.emit("error", { message: "lost" });
  sender.options.emit("rejected", { report: {} as Report, status: "conflict", errors: [] });
  sender.options.emit("debug", "nothing");
  await settle();
  remove();
  sender.options.emit("error", { message: "lost again" });
  await settle();
  assert.deepEqual(told, [{ message: "lost" }]);
  assert.deepEqual(warn.mock.calls.map(({ arguments: [, what] }) => what), ["rejected", "error"]);
});

const course = (version: number, courseId = "1") => ({ courseId, version, completionPercentage: version });

test("progress is read after what was accepted, and told when it has changed", async () => {
  let version = 1;
  const { tracker, page, sender } = start();
  sender.answer = () => ({ data: [course(9, "2"), course(version)] });
  sender.options.emit("sent", []);
  await page.advance(10_000);
  assert.equal(sender.reads.length, 0); // nobody listens
  const told: number[] = [];
  tracker.on("progress", (progress) => told.push(progress.version));
  for (const _ of [1, 2, 3]) sender.options.emit("sent", []);
  await page.advance(2500);
  assert.equal(sender.reads.length, 1);
  for (const next of [1, 2]) {
    version = next;
    sender.options.emit("sent", []);
    await page.advance(2500);
  }
  assert.equal(sender.reads.length, 3);
  assert.deepEqual(told, [1, 2]);
  assert.equal(sender.reads[0], "/api/v1/learner/me/progress");
});

test("progress that cannot be read, or of somebody who is gone, is not told", async () => {
  const { tracker, page, sender } = start();
  const told: unknown[] = [];
  tracker.on("progress", (progress) => told.push(progress));
  sender.answer = () => undefined; // HTML
  sender.options.emit("sent", []);
  await page.advance(4000);
  sender.answer = () => ({ data: [] });
  sender.options.emit("sent", []);
  await page.advance(4000);
  sender.answer = () => (void tracker.identify({ token: "t2" }), { data: [course(1)] });
  sender.options.emit("sent", []);
  await page.advance(4000);
  assert.equal(sender.reads.length, 3);
  assert.deepEqual(told, []);
});

test("`?headway_debug` writes states and reports to the console", async (t) => {
  const written = t.mock.method(console, "log", () => {});
  const { page } = start({}, createPage("?page=2&headway_debug"));
  await page.advance(2000);
  page.hide();
  const lines = written.mock.calls.map(({ arguments: [, what] }) => what);
  for (const what of ["active", "hidden", "unit_view"]) assert.ok(lines.includes(what), what);
  written.mock.resetCalls();
  start();
  assert.equal(written.mock.callCount(), 0);
});

test("a wrong option throws before anything begins", () => {
  const made = createPage();
  assert.throws(() => start({ course: 0 }, made), /"course"/);
  assert.deepEqual([made.page.listeners, made.page.timers.size], [0, 0]);
});
