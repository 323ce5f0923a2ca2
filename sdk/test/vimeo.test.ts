import assert from "node:assert/strict";
import { test } from "node:test";

import { trackVideo } from "../src/video.ts";
import { Engine, FakeFrame, FakeHost, asVimeo, assertSegments, pass, tellAsVimeo } from "./players.ts";

function track(engine = new Engine()) {
  const host = new FakeHost();
  const fake = asVimeo(engine);
  const end = trackVideo(host, fake.player);
  return { host, engine, end, ...fake, wait: (seconds: number) => pass(seconds * 1000, engine) };
}

test("a player is followed through play, seek, speed, stall and pause", async () => {
  const { host, engine, end, wait } = track();
  engine.play();
  await wait(5.01);
  engine.seek(30);
  await wait(2.05);
  engine.setRate(2);
  await wait(2);
  engine.stall();
  await wait(3);
  assert.equal(host.part!.isPlaying!(), false);
  engine.resume();
  await wait(1);
  assert.equal(host.part!.isPlaying!(), true);
  engine.pause();
  await wait(1);
  end();
  assert.deepEqual(host.types, ["video_play", "video_seek", "video_pause"]);
  assertSegments(host.segments(60), [[0, 5], [30, 38]]);
});

test("a player that already plays, fast and muted, is asked how", async () => {
  const engine = new Engine();
  engine.play();
  engine.setRate(2);
  engine.muted = true;
  await pass(4000, engine);
  const { host, end, wait } = track(engine);
  await wait(2);
  end();
  const [[from, to]] = host.segments(60) as [[number, number]];
  assert.ok(from > 7.9 && from < 8.6 && to > 11.4 && to <= 12.01);
  assert.deepEqual(host.types, ["video_play"]);
  assert.equal((host.told[0]!.metadata as { muted: boolean }).muted, true);
});

test("what a player does not answer is taken as usual", async () => {
  const engine = new Engine();
  const { player } = asVimeo(engine);
  player.getPlaybackRate = () => Promise.reject(new Error("not supported"));
  const host = new FakeHost();
  const end = trackVideo(host, player);
  engine.play();
  await pass(2010, engine);
  end();
  assertSegments(host.segments(60), [[0, 2]]);
});

test("the end completes it, and another video is another", async () => {
  const { host, engine, end, wait } = track(new Engine(10));
  engine.play();
  await wait(11);
  engine.load(20);
  await wait(1);
  engine.play();
  await wait(3.02);
  end();
  assert.deepEqual(host.types, ["video_play", "video_complete", "video_play"]);
  assertSegments(host.segments(10), [[0, 10]]);
  assertSegments(host.segments(20), [[0, 3]]);
});

test("a position beyond the duration is the end", async () => {
  const { host, engine, listeners, end, wait } = track(new Engine(10));
  engine.play();
  await wait(9.9);
  for (const seconds of [10.02, 10.05]) {
    listeners.timeupdate!.forEach((listener) => listener({ seconds, duration: 10, percent: 1 }));
    host.beat();
  }
  end();
  assert.equal(host.beats.flatMap((beat) => beat?.engagement_metrics?.video_segments ?? []).length, 1);
  assertSegments(host.segments(10), [[0, 10]]);
});

test("a loop, of which no event tells, completes once", async () => {
  const { host, engine, wait } = track(new Engine(5));
  engine.loop = true;
  engine.play();
  await wait(12);
  assert.deepEqual(host.types, ["video_play", "video_complete"]);
  assert.equal(host.part!.isPlaying!(), false);
});

test("mute is known from the change of volume", async () => {
  const { host, engine, listeners, wait } = track();
  await wait(1);
  listeners.volumechange!.forEach((listener) => listener({ volume: 0, muted: true }));
  engine.play();
  await wait(1);
  assert.equal((host.told[0]!.metadata as { muted: boolean }).muted, true);
});

test("listeners are taken off at the end", async () => {
  const { listeners, end } = track();
  assert.ok(listeners.timeupdate!.size);
  end();
  assert.ok(Object.values(listeners).every((set) => set.size === 0));
});

test("a frame is sent what the object would send, again when it is ready, and followed by its messages", async () => {
  const engine = new Engine();
  const host = new FakeHost();
  const frame = new FakeFrame("https://player.vimeo.com/video/1");
  const heard = new Set<string>();
  let isReady = false;
  frame.answer = ({ method, value }: { method: string; value?: string }) => {
    if (!isReady) return;
    if (method === "addEventListener") heard.add(value!);
    if (method === "getCurrentTime") frame.say({ method, value: engine.position });
    if (method === "getPaused") frame.say({ method, value: engine.paused });
  };
  tellAsVimeo(engine, (event, data) => heard.has(event) && frame.say(JSON.stringify({ event, data })));
  engine.play();
  await pass(1000, engine);

  const end = trackVideo(host, frame as never);
  isReady = true;
  frame.say({ event: "ready" });
  assert.ok(heard.has("timeupdate"));
  await pass(2000, engine);
  engine.seek(40);
  await pass(1060, engine);
  end();
  const [first, second] = host.segments(60) as [[number, number], [number, number]];
  assert.ok(first[0] > 0.9 && first[0] < 1.3 && first[1] > 2.7 && first[1] <= 3.01);
  assertSegments([second], [[40, 41]]);
  assert.deepEqual(host.types, ["video_play", "video_seek"]);
});
