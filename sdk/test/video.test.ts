import assert from "node:assert/strict";
import { test } from "node:test";

import { trackVideo } from "../src/video.ts";
import { Engine, FakeHost, asElement, assertSegments, pass, track } from "./players.ts";

test("what is played goes into the beats, each piece once", async () => {
  const { host, engine, wait } = track();
  engine.play();
  await wait(5);
  host.beat();
  await wait(5);
  host.beat();

  const news = host.beats.flatMap((beat) => beat?.engagement_metrics?.video_segments ?? []);
  assert.equal(news.length, 2);
  assert.equal(news[0]![1], news[1]![0]);
  assertSegments(host.segments(60), [[0, 10]]);
  assert.equal(host.beats.at(-1)!.activity_type, "video_progress");
});

test("positions have two decimals", async () => {
  const { host, engine, wait } = track(new Engine(59.9876));
  engine.setRate(1.237);
  engine.play();
  await wait(3.33);
  host.beat();
  const { video_segments, video_duration_seconds } = host.beats.at(-1)!.engagement_metrics!;
  assert.equal(video_duration_seconds, 59.99);
  for (const position of video_segments!.flat()) assert.match(`${position}`, /^\d+(\.\d\d?)?$/);
});

test("a seek leaves a gap, to the instant", async () => {
  const { host, engine, element, end, wait } = track();
  engine.play();
  await wait(3.12);
  element.currentTime = 40;
  await wait(2.05);
  element.currentTime = 20;
  await wait(1.05);
  end();
  assertSegments(host.segments(60), [[0, 3.12], [20, 21], [40, 42]]);
  assert.deepEqual(host.types, ["video_play", "video_seek", "video_seek"]);
  const { from, to, position } = host.told[1]!.metadata as Record<string, number>;
  assertSegments([[from!, to!]], [[3.12, 40]]);
  assert.equal(position, to);
});

test("a seek that a script makes between two events counts from where it was", async () => {
  const { host, engine, element, end, wait } = track();
  engine.play();
  await wait(2.1);
  element.currentTime = 30;
  host.beat();
  await wait(1.05);
  end();
  assertSegments(host.segments(60), [[0, 2.1], [30, 31]]);
});

test("a part that is played again ends at a seek where the clock says", async () => {
  const { host, engine, element, wait } = track();
  engine.play();
  await wait(10);
  element.currentTime = 2;
  await wait(1.05);
  host.beat();
  host.beats = [];
  await wait(1.13);
  element.currentTime = 50;
  await wait(0.1);
  host.beat();
  assertSegments(host.segments(60), [[3, 4.13], [50, 50.05]]);
});

test("where a browser does not say what it played, what lies before a seek is left out", async () => {
  const { host, engine, element, end, wait } = track(new Engine(), false);
  engine.play();
  await wait(3.2);
  element.currentTime = 40;
  await wait(1.05);
  end();
  assertSegments(host.segments(60), [[0, 3.01], [40, 41]]);
});

test("while the learner drags, one seek is reported, from where it began", async () => {
  const { host, engine, element, wait } = track();
  engine.play();
  await wait(5);
  for (const to of [20, 30, 45]) {
    element.currentTime = to;
    await wait(0.2);
  }
  await wait(1);
  assert.deepEqual(host.types, ["video_play", "video_seek"]);
  const { from, to } = host.told[1]!.metadata as { from: number; to: number };
  assertSegments([[from, to]], [[5, 45]]);
});

test("jumps of less than a second are not reported, nor where the video first starts", async () => {
  const { host, engine, element, wait } = track();
  element.currentTime = 10;
  await wait(1);
  engine.play();
  await wait(2);
  element.currentTime = 12.5;
  await wait(2);
  assert.deepEqual(host.types, ["video_play"]);
  assert.equal((host.told[0]!.metadata as { position: number }).position, 10);
});

test("at double speed twice as much is played", async () => {
  const { host, engine, end, wait } = track();
  engine.play();
  await wait(4);
  engine.setRate(2);
  await wait(4);
  engine.setRate(0.5);
  await wait(4);
  end();
  assertSegments(host.segments(60), [[0, 14]]);
});

test("a stall plays nothing, and beats end where it begins and ends", async () => {
  const { host, engine, wait } = track();
  engine.play();
  await wait(2);
  const before = host.beats.length;
  engine.stall();
  await wait(1);
  assert.equal(host.beats.length, before + 1);
  assert.equal(host.part!.isPlaying!(), false);
  engine.resume();
  await wait(1);
  assert.equal(host.beats.length, before + 2);
  assert.equal(host.part!.isPlaying!(), true);
  host.beat();
  assertSegments(host.segments(60), [[0, 3]]);
  assert.deepEqual(host.types, ["video_play"]);
});

test("media that stand still without a word do not play", async () => {
  const { host, engine, wait } = track();
  engine.play();
  await wait(2);
  engine.rate = 0;
  await wait(3);
  assert.equal(host.part!.isPlaying!(), false);
  const before = host.beats.length;
  engine.rate = 1;
  await wait(0.5);
  assert.equal(host.beats.length, before + 1);
  assert.equal(host.part!.isPlaying!(), true);
});

test("play and pause are reported with position, speed and mute, after a beat", async () => {
  const { host, engine, wait } = track();
  engine.muted = true;
  engine.play();
  await wait(0.02);
  assert.equal(host.beats.length, 1);
  assert.equal(host.part!.isPlaying!(), true);
  await wait(2);
  engine.pause();
  await wait(0.02);
  assert.equal(host.beats.length, 2);
  assert.equal(host.part!.isPlaying!(), false);
  assert.deepEqual(host.types, ["video_play", "video_pause"]);
  const { position, ...rest } = host.told[1]!.metadata as Record<string, unknown>;
  assert.ok(Math.abs((position as number) - 2) < 0.03);
  assert.deepEqual(rest, { rate: 1, muted: true });
});

test("a live stream has no share, only time", async () => {
  const { host, engine, end, wait } = track(new Engine(Infinity));
  engine.position = 90_000;
  engine.play();
  await wait(5);
  assert.equal(host.part!.isPlaying!(), true);
  host.beat();
  assert.deepEqual(host.beats.at(-1), { activity_type: "video_progress" });
  engine.pause();
  await wait(1);
  end();
  assert.deepEqual(host.types, ["video_play", "video_pause"]);
  assert.ok(host.beats.every((beat) => !beat?.engagement_metrics));
});

test("another source is another video", async () => {
  const { host, engine, end, wait } = track(new Engine(60));
  engine.play();
  await wait(3);
  engine.load(30);
  await wait(1);
  engine.play();
  await wait(2);
  end();
  assertSegments(host.segments(60), [[0, 2.75]]); // known by the last `timeupdate`
  assertSegments(host.segments(30), [[0, 2]]);
  assert.deepEqual(host.types, ["video_play", "video_play"]);
});

test("an event takes 200 segments, and the rest goes with the next", async () => {
  const engine = new Engine(1000);
  engine.seekTakes = 10;
  const { host, element, end, wait } = track(engine);
  engine.play();
  for (let i = 0; i < 250; i++) {
    await wait(0.1);
    element.currentTime = i * 4;
  }
  await wait(0.1);
  host.beat();
  assert.equal(host.beats.at(-1)!.engagement_metrics!.video_segments!.length, 200);
  end();
  assert.ok(host.segments(1000).length >= 249);
  assert.ok(host.beats.at(-1)!.engagement_metrics!.video_segments!.length > 40);
});

test("what does not fit into the last beat is reported without one", async () => {
  const engine = new Engine(2000);
  engine.seekTakes = 10;
  const { host, element, end, wait } = track(engine);
  engine.play();
  for (let i = 0; i < 450; i++) {
    await wait(0.1);
    element.currentTime = i * 4;
  }
  await wait(0.1);
  end();
  assert.deepEqual(host.types.slice(-2), ["video_progress", "video_progress"]);
  assert.ok(host.segments(2000).length >= 449);
});

test("what plays when it is first tracked was played, and what another tracker reported was not", async () => {
  const engine = new Engine(60);
  const element = asElement(engine);
  engine.play();
  await pass(2000, engine);
  const first = new FakeHost();
  const end = trackVideo(first, element);
  assert.deepEqual(first.types, ["video_play"]);
  await pass(2000, engine);
  end();
  assertSegments(first.segments(60), [[0, 4]]);
  assert.equal(first.part, undefined);

  const second = new FakeHost();
  const endAgain = trackVideo(second, element);
  await pass(2000, engine);
  endAgain();
  assertSegments(second.segments(60), [[4, 6]]);
});

test("a short video that was already playing is completed with all of it", async () => {
  const engine = new Engine(5);
  const element = asElement(engine);
  engine.play();
  await pass(1000, engine);
  const host = new FakeHost();
  trackVideo(host, element);
  await pass(5000, engine);
  assert.deepEqual(host.told.at(-1)!.engagement_metrics, { video_segments: [[0, 5]], video_duration_seconds: 5 });
});

test("nothing is heard after the end", async () => {
  const { host, engine, element, end, wait } = track();
  engine.play();
  await wait(1);
  element.currentTime = 30;
  await wait(0.2);
  end();
  const told = host.told.length;
  assert.equal(host.types.at(-1), "video_seek");
  engine.pause();
  await wait(2);
  assert.equal(host.told.length, told);
});

test("ending it twice reports nothing of what was played between", async () => {
  const { host, engine, end, wait } = track();
  engine.play();
  await wait(2);
  end();
  await wait(5);
  end();
  assertSegments(host.segments(60), [[0, 2]]);
});

test("a video that is tracked anew is no longer tracked as before", async () => {
  const { host, engine, element, wait } = track();
  engine.play();
  await wait(2);
  const second = new FakeHost();
  trackVideo(second, element);
  await wait(2);
  engine.pause();
  await wait(1);
  assertSegments(host.segments(60), [[0, 2]]);
  second.beat();
  assertSegments(second.segments(60), [[2, 4]]);
  assert.deepEqual(host.types, ["video_play"]);
});

test("timeupdate once a minute, as in a hidden tab, loses nothing", async () => {
  const { host, engine, end, wait } = track(new Engine(600));
  engine.every = 60_000;
  engine.play();
  await wait(150);
  host.beat();
  assertSegments(host.segments(600), [[0, 150]]);
  end();
});

test("two videos of a unit report by themselves", async () => {
  const host = new FakeHost();
  const engines = [new Engine(60), new Engine(90)];
  const parts = engines.map((engine) => {
    trackVideo(host, asElement(engine));
    return host.part!;
  });
  engines.forEach((engine) => engine.play());
  await pass(2000, ...engines);
  const [a, b] = parts.map((part) => part.contribute()!.engagement_metrics!);
  assert.deepEqual([a!.video_duration_seconds, b!.video_duration_seconds], [60, 90]);
  assertSegments([...a!.video_segments!, ...b!.video_segments!], [[0, 2], [0, 2]]);
});

test("what is no player is refused", () => {
  const host = new FakeHost();
  assert.throws(() => trackVideo(host, {} as never), /trackVideo takes/);
  const videoJs = { currentTime: () => 0, played: () => {}, src: () => "" };
  assert.throws(() => trackVideo(host, videoJs as never), TypeError);
  assert.throws(() => trackVideo(host, { src: "https://example.org/embed" } as never), TypeError);
  assert.equal(host.part, undefined);
});
