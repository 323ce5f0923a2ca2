import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { learnOffset } from "../src/offset.ts";
import { failure, html, json, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  world.time.restore();
});

const trips = (...milliseconds: [there: number, back: number][]) => {
  let now = 0;
  let count = 0;
  const ask = async () => {
    const [there, back] = milliseconds[count++]!;
    now += there + back;
    return now - back + 1_000_000;
  };
  return { ask, now: () => now, count: () => count };
};

test("a request that waits before it is sent changes nothing, and no time is ahead of the server's", async () => {
  for (const there of [0, 50, 1_900]) {
    const { ask, now } = trips([there, 20]);
    assert.equal(await learnOffset(ask, now), 999_980);
  }
});

test("after a slow round trip the server is asked again, three times at most", async () => {
  const quick = trips([9_000, 0], [100, 100], [0, 0]);
  assert.equal(await learnOffset(quick.ask, quick.now), 999_900);
  assert.equal(quick.count(), 2);
  const slow = trips([9_000, 0], [0, 5_000], [2_000, 1_000]);
  assert.equal(await learnOffset(slow.ask, slow.now), 999_000);
  assert.equal(slow.count(), 3);
});

for (const [name, skew] of [["years behind", 1e11], ["years ahead", -1e11], ["right", 0]] as const)
  test(`a clock that is ${name} is corrected`, async () => {
    world.skew = skew;
    const sender = world.open();
    const report = world.beat();
    sender.add(report);
    await world.time.advance(5_000);
    const [event] = world.server.stored.values();
    assert.equal(Date.parse(event.start_time), report.start! + skew);
  });

test("nothing is sent until the server's time is known", async () => {
  const sender = world.open();
  world.reply = () => (world.time.now < 300_000 ? html(404) : undefined);
  sender.add(world.beat());
  await world.time.advance(300_000);
  assert.equal(world.batches.length, 0);
  await world.time.advance(60_000);
  assert.equal(world.server.stored.size, 1);
});

test("a course that refuses the learner still tells the server's time", async () => {
  const sender = world.open();
  const Date = new globalThis.Date(world.epoch + world.skew).toUTCString();
  world.reply = ({ path }) => (path === "heartbeat" ? failure(403, { Date }) : undefined);
  const report = world.beat();
  sender.add(report);
  await world.time.advance(5_000);
  const [event] = world.server.stored.values();
  assert.equal(globalThis.Date.parse(event.start_time), report.start! + world.skew);
});

test("the server is asked for its time as the page opens, and again while it does not tell", async () => {
  world.reply = (_request, index) => (index < 2 ? Promise.reject(new TypeError("Failed to fetch")) : undefined);
  world.open();
  await world.time.advance(120_000);
  assert.deepEqual(world.requests.map(({ path }) => path), ["heartbeat", "heartbeat", "heartbeat"]);
  assert.equal(world.time.timers, 0);
});

test("the offset is learned once for a page", async () => {
  const sender = world.open();
  for (let count = 0; count < 3; count++) {
    sender.add(world.beat());
    await world.time.advance(10_000);
  }
  assert.equal(world.requests.length, 4);
});

test("a clock that was set is compared again; what was made before keeps its offset", async () => {
  let anchor = 0;
  let jump = 0;
  const { time, epoch } = world;
  const clock = {
    now: () => time.now + epoch + jump,
    get anchor() {
      return anchor;
    },
  };
  const sender = world.open(undefined, { clock });
  sender.add(world.beat());
  await world.time.advance(6_000);
  sender.add(world.beat());
  anchor++;
  jump = 86_400_000;
  const { start, end, ...rest } = world.beat();
  sender.add({ ...rest, start: start! + jump, end: end! + jump });
  await world.time.advance(6_000);
  const starts = [...world.server.stored.values()].map((event) => Date.parse(event.start_time) - epoch - world.skew);
  assert.deepEqual(starts, [0, 10_000, 20_000]);
});

test("a clock that is set while the server is asked is compared again", async () => {
  const clock = { now: () => world.time.now + world.epoch, anchor: 0 };
  const sender = world.open(undefined, { clock });
  world.reply = (_, index) => {
    if (index === 0) clock.anchor++;
    return undefined;
  };
  sender.add(world.beat());
  await world.time.advance(12_000);
  assert.deepEqual(world.requests.map(({ path }) => path), ["heartbeat", "heartbeat", "batch"]);
});

test("an answer without a time is none", async () => {
  const sender = world.open();
  world.reply = ({ path }) => (path === "heartbeat" && world.requests.length < 3 ? json(200, { data: {} }) : undefined);
  sender.add(world.beat());
  await world.time.advance(20_000);
  assert.equal(world.server.stored.size, 1);
});
