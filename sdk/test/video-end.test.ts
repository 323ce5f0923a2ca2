import assert from "node:assert/strict";
import { test } from "node:test";

import { Engine, assertSegments, track } from "./players.ts";

test("the end is reported with what was played up to it", async () => {
  const { host, engine, element, wait } = track(new Engine(10));
  engine.play();
  await wait(2);
  element.currentTime = 7;
  await wait(4);
  assert.deepEqual(host.types, ["video_play", "video_seek", "video_complete"]);
  assert.deepEqual(host.told[2]!.engagement_metrics, { video_segments: [[7, 10]], video_duration_seconds: 10 });
  assertSegments(host.segments(10), [[0, 2], [7, 10]]);
});

test("stopping a hair before the end is the end", async () => {
  const { host, engine, wait } = track(new Engine(10));
  engine.play();
  await wait(9.6);
  engine.pause();
  await wait(1);
  assert.deepEqual(host.types, ["video_play", "video_complete"]);
  assertSegments(host.segments(10), [[0, 10]]);
});

test("jumping to the end does not complete a video", async () => {
  const { host, engine, element, wait } = track(new Engine(10));
  engine.play();
  await wait(2);
  element.currentTime = 10;
  await wait(1);
  assert.deepEqual(host.types, ["video_play", "video_seek", "video_pause"]);
  assertSegments(host.segments(10), [[0, 2]]);
});

test("playing it again after the end is no seek", async () => {
  const { host, engine, wait } = track(new Engine(5));
  engine.play();
  await wait(6);
  engine.play();
  await wait(3);
  assert.deepEqual(host.types, ["video_play", "video_complete", "video_play"]);
  assert.equal(host.part!.isPlaying!(), true);
});

test("a loop completes once, and its second pass is no use of the page", async () => {
  const { host, engine, element, end, wait } = track(new Engine(5));
  engine.loop = true;
  engine.play();
  await wait(4);
  assert.equal(host.part!.isPlaying!(), true);
  await wait(12);
  assert.deepEqual(host.types, ["video_play", "video_complete"]);
  assert.equal(host.part!.isPlaying!(), false);
  host.beat();
  host.beats = [];
  await wait(10);
  host.beat();
  assert.deepEqual(host.beats, [undefined]);

  element.currentTime = 2.5;
  await wait(1);
  assert.equal(host.part!.isPlaying!(), true);
  end();
  assertSegments(host.segments(5), [[0, 5]]);
});

test("a loop that began in the middle counts up to a whole pass", async () => {
  const engine = new Engine(10);
  engine.position = 6;
  const { host, end, wait } = track(engine);
  engine.loop = true;
  engine.play();
  await wait(7);
  assert.equal(host.part!.isPlaying!(), true);
  end();
  assertSegments(host.segments(10), [[0, 2.95], [6, 10]]);
});

test("pausing and playing a loop is use again", async () => {
  const { host, engine, wait } = track(new Engine(5));
  engine.loop = true;
  engine.play();
  await wait(7);
  engine.pause();
  await wait(1);
  engine.play();
  await wait(1);
  assert.equal(host.part!.isPlaying!(), true);
});
