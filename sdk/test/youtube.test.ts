import assert from "node:assert/strict";
import { test } from "node:test";

import type { Contribution } from "../src/report.ts";
import { trackVideo } from "../src/video.ts";
import { Engine, FakeFrame, FakeHost, asYouTube, assertSegments, pass } from "./players.ts";

function track(engine = new Engine(), isReady = true) {
  const host = new FakeHost();
  const fake = asYouTube(engine, isReady);
  const end = trackVideo(host, fake.player);
  return { host, engine, end, ...fake, wait: (seconds: number) => pass(seconds * 1000, engine) };
}

/** Track a frame; `say` is what its player posts. */
function trackFrame(src = "https://www.youtube-nocookie.com/embed/x?enablejsapi=1") {
  const host = new FakeHost();
  const frame = new FakeFrame(src);
  const end = trackVideo(host, frame as never);
  return { host, frame, end, say: (info: unknown) => frame.say(JSON.stringify({ event: "infoDelivery", info })) };
}

test("a player is followed through play, seek, speed, stall and pause", async () => {
  const { host, engine, end, wait } = track();
  engine.play();
  await wait(5);
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
  const [[from, to], second] = host.segments(60) as [[number, number], [number, number]];
  assert.ok(from === 0 && to > 4.7 && to <= 5.01);
  assertSegments([second], [[30, 38]]);
});

test("it asks for the position only while it plays", async () => {
  const { engine, player, end, wait } = track();
  let asked = 0;
  const getCurrentTime = player.getCurrentTime;
  player.getCurrentTime = () => (asked++, getCurrentTime());
  await wait(5);
  assert.ok(asked <= 1);
  engine.play();
  await wait(5);
  assert.ok(asked >= 20 && asked < 24);
  engine.pause();
  await wait(0.1);
  asked = 0;
  await wait(5);
  assert.equal(asked, 0);
  engine.play();
  await wait(1);
  end();
  asked = 0;
  await wait(5);
  assert.equal(asked, 0);
});

test("a player is followed from the moment when it is ready", async () => {
  const { host, engine, end, becomeReady, wait } = track(new Engine(), false);
  await wait(1);
  engine.play();
  await wait(1);
  becomeReady();
  await wait(2);
  end();
  const [[, to]] = host.segments(60) as [[number, number]];
  assert.ok(to > 2.9 && to < 3.1);
});

test("a resumed video begins where it was left, without a seek", async () => {
  const { host, engine, end, wait } = track();
  engine.position = 25;
  engine.play();
  await wait(2);
  engine.pause();
  await wait(0.1);
  end();
  assertSegments(host.segments(60), [[25, 27]]);
  assert.deepEqual(host.types, ["video_play", "video_pause"]);
});

test("the end completes it, and another video is another", async () => {
  const { host, engine, end, wait } = track(new Engine(10));
  engine.play();
  await wait(11);
  engine.load(20);
  await wait(1);
  engine.play();
  await wait(3);
  end();
  assert.deepEqual(host.types, ["video_play", "video_complete", "video_play"]);
  assertSegments(host.segments(10), [[0, 10]]);
  assertSegments(host.segments(20), [[0, 3]]);
});

test("a live stream has no share", async () => {
  const { host, engine, player, wait } = track(new Engine(3600));
  const data: { title: string } = Object.assign({ title: "Now" }, { isLive: true });
  player.getVideoData = () => data; // the usual types do not name `isLive`
  engine.play();
  await wait(3);
  assert.deepEqual(host.part!.contribute(), { activity_type: "video_progress" });
});

test("a frame is greeted until it answers, and followed by what it tells", async () => {
  const { host, frame, end, say } = trackFrame();
  await pass(1000);
  assert.deepEqual(new Set(frame.received), new Set(['{"event":"listening"}']));
  say({ playerState: -1, currentTime: 0, duration: 90, muted: true, playbackRate: 1 });
  const greetings = frame.received.length;
  assert.equal(greetings, 3);
  say({ playerState: 1 });
  for (let time = 0.5; time <= 4; time += 0.5) {
    await pass(500);
    say({ currentTime: time });
  }
  assert.equal(host.part!.isPlaying!(), true);
  frame.say(JSON.stringify({ event: "infoDelivery", info: { playerState: 2 } }), {});
  frame.say("no JSON");
  frame.say(null);
  frame.say({ event: "onReady", info: null });
  say({ playerState: 3 });
  assert.equal(host.part!.isPlaying!(), false);
  say({ playerState: 2, currentTime: 4.2 });
  end();
  assert.equal(frame.received.length, greetings);
  assertSegments(host.segments(90), [[0, 4.2]]);
  assert.deepEqual(host.types, ["video_play", "video_pause"]);
  assert.deepEqual(host.told[1]!.metadata, { position: 4.2, rate: 1, muted: true });
});

test("a frame that loads anew is greeted anew, a silent one less and less, and none after the end", async () => {
  const { frame, end, say } = trackFrame();
  await pass(60_000);
  assert.equal(frame.received.length, 8);
  frame.dispatchEvent(new Event("load"));
  await pass(100);
  assert.equal(frame.received.length, 9);
  say({ videoData: { isLive: true } });
  await pass(10_000);
  assert.equal(frame.received.length, 9);
  frame.dispatchEvent(new Event("load"));
  assert.equal(frame.received.length, 10);
  end();
  await pass(10_000);
  assert.equal(frame.received.length, 10);
});

test("a frame taken from the page no longer plays", async () => {
  const { host, say } = trackFrame();
  say({ playerState: 1, duration: 90 });
  await pass(500);
  say({ currentTime: 0.5 });
  assert.equal(host.part!.isPlaying!(), true);
  await pass(2500);
  assert.equal(host.part!.isPlaying!(), false);
});

test("where the page has made an object of the frame, that is asked", async () => {
  const engine = new Engine();
  const { player } = asYouTube(engine);
  Object.assign(window, { YT: { get: (id: string) => (id === "known" ? player : undefined) } });
  const host = new FakeHost();
  const frame = new FakeFrame("https://www.youtube.com/embed/x?enablejsapi=1");
  frame.id = "known";
  const end = trackVideo(host, frame as never);
  engine.play();
  await pass(2000, engine);
  engine.pause();
  await pass(100, engine);
  end();
  assert.deepEqual(frame.received, []);
  assertSegments(host.segments(60), [[0, 2]]);
});

test("at the end no listener stays at the player", () => {
  const { end, countListeners } = track();
  assert.equal(countListeners(), 3);
  end();
  assert.equal(countListeners(), 0);
});

for (const odd of ["x", NaN, null, -5, Infinity, {}, 1e300])
  test(`a frame that tells ${String(odd)} for a number spoils no report`, async () => {
    const { host, frame, end } = trackFrame();
    const say = (info: unknown) => frame.say({ event: "infoDelivery", info });
    say({ duration: 60, currentTime: 1, playerState: 1 });
    await pass(500);
    for (const name of ["currentTime", "duration", "playbackRate", "currentTime"]) {
      say({ [name]: odd });
      await pass(250);
    }
    say({ duration: 60, currentTime: 2, playbackRate: 1 });
    await pass(250);
    say({ currentTime: 2.25, playerState: 2 });
    end();
    // As it is sent.
    const told = JSON.parse(JSON.stringify([...host.beats.filter(Boolean), ...host.told])) as Contribution[];
    const metrics = told.flatMap(({ engagement_metrics }) => engagement_metrics ?? []);
    assert.ok(metrics.length);
    for (const { video_segments, video_duration_seconds } of metrics)
      for (const number of [...video_segments!.flat(), video_duration_seconds])
        assert.ok(typeof number === "number" && number >= 0 && number <= 86_400, `${number}`);
  });
