import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { failure, makeToken, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  world.time.restore();
});

const lost = () => Promise.reject(new TypeError("Failed to fetch"));

/** A sender that knows the server's time. */
const open = async () => {
  const sender = world.open();
  sender.add(world.beat());
  await world.finish(sender.flush());
  return sender;
};

test("leave sends what waits in the same task, in a request that outlives the page", async () => {
  const sender = await open();
  sender.add(world.beat());
  sender.leave();
  assert.equal(world.batches.length, 2);
  assert.equal(world.batches[1]!.keepalive, true);
  sender.leave();
  assert.equal(world.batches.length, 2);
  await world.time.advance(10_000);
  assert.equal(world.batches.length, 2);
  assert.equal(world.server.stored.size, 2);
});

test("what leave could not send is sent later if the page lives on", async () => {
  const sender = await open();
  world.reply = () => failure(500);
  sender.add(world.beat());
  sender.leave();
  await world.time.settle();
  world.reply = () => undefined;
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 2);
});

test("the requests of a page that leaves have 64 KiB at most, with what is in flight", async () => {
  const sender = await open();
  const pending: (() => void)[] = [];
  world.reply = (request) => new Promise((resolve) => pending.push(() => resolve(world.server.answer(request))));
  for (let count = 0; count < 10; count++) sender.add(world.beat({ metadata: { text: "x".repeat(10_000) } }));
  await world.time.advance(5_000);
  assert.deepEqual(world.batches.slice(1).map(({ body }) => body.events.length), [4]);
  sender.leave();
  assert.deepEqual(world.batches.slice(1).map(({ body, keepalive }) => [body.events.length, keepalive]), [[4, true], [1, true]]);
  for (const answer of pending) answer();
  world.reply = () => undefined;
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 11);
});

test("a request that is refused is halved until one is taken", async () => {
  const sender = await open();
  world.reply = ({ body }) => (body.events.length > 2 ? lost() : undefined);
  for (let count = 0; count < 9; count++) sender.add(world.beat());
  sender.leave();
  await world.time.settle();
  assert.deepEqual(world.batches.slice(1).map(({ body }) => body.events.length), [9, 4, 2]);
  world.reply = () => undefined;
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 10);
});

test("a page that is left before its first batch sends what it has", async () => {
  const sender = world.open();
  await world.time.advance(100);
  sender.add(world.beat());
  sender.leave();
  await world.time.settle();
  assert.deepEqual(world.batches.map(({ keepalive }) => keepalive), [true]);
  assert.equal(world.server.stored.size, 1);
});

test("a page that leaves before it knows the server's time leaves its reports to the next visit", async () => {
  const sender = world.open();
  sender.add(world.beat());
  sender.leave();
  assert.equal(world.requests.length, 0);
  world.time.restore();
  const next = new World();
  next.indexedDB = world.indexedDB;
  next.open();
  await next.time.advance(10_000);
  assert.equal(next.server.stored.size, 1);
  next.time.restore();
});

test("a page that leaves without a token sends nothing", async () => {
  const sender = world.open({ user: "anna" });
  sender.add(world.beat());
  sender.leave();
  await world.time.settle();
  assert.equal(world.requests.length, 0);
});

test("a page whose token was refused sends nothing as it goes", async () => {
  const tokens = [makeToken("5"), new Promise<string>(() => {})];
  const sender = world.open({ getToken: () => tokens.shift()! });
  await world.time.advance(10);
  world.reply = () => failure(401);
  sender.add(world.beat());
  await world.time.advance(6_000);
  const asked = world.requests.length;
  sender.add(world.beat());
  sender.leave();
  await world.time.settle();
  assert.equal(world.requests.length, asked);
});

test("what was sent as a page left is the same when another page sends it", async () => {
  const sender = await open();
  world.reply = (request) => {
    if (request.path === "batch") world.server.answer(request);
    return request.path === "batch" ? new Promise(() => {}) : undefined;
  };
  sender.add(world.beat());
  sender.leave();
  const other = world.open({ token: makeToken("5") });
  world.skew += 700;
  await world.time.settle();
  world.reply = () => undefined;
  await world.finish(other.flush());
  assert.equal(world.server.stored.size, 2);
  assert.equal(world.server.conflicts, 0);
});

test("what a page saves as it goes does not undo what is stored at the same time", async () => {
  for (let tasks = 0; tasks < 20; tasks++) {
    world.time.restore();
    world = new World();
    const sender = world.open(undefined, { maxReports: 4 });
    const made = Array.from({ length: 6 }, (_, serial) => world.beat({ engagement_metrics: { video_segments: [[serial, serial + 1]] } }));
    delete made[0]!.start; // only beats are joined
    delete made[1]!.start;
    const add = (...serials: number[]) => serials.forEach((serial) => sender.add(made[serial]!));
    add(0, 1, 2);
    await world.time.settle();
    add(3, 4);
    await world.time.settle(tasks);
    sender.leave();
    await world.time.settle(1);
    add(5);
    await world.finish(sender.flush());
    const played = [...world.server.stored.values()].flatMap((event) => event.engagement_metrics.video_segments.map(([from]: number[]) => from));
    assert.deepEqual(played.sort(), [0, 1, 2, 3, 4, 5], `after ${tasks} tasks`);
  }
});

test("what a page saves as it goes does not replace the text that another page made", async () => {
  for (let tasks = 0; tasks < 100; tasks++) {
    const [before, between] = [tasks % 10, Math.floor(tasks / 10)];
    world.time.restore();
    world = new World();
    const { now } = world.clock;
    const other = world.open(undefined, { clock: { now: () => now() + 60_000 } });
    await world.time.advance(10);
    let tellTime = () => {};
    world.reply = (request) => new Promise((resolve) => (tellTime = () => resolve(world.server.answer(request))));
    const sender = world.open();
    await world.time.advance(10);
    world.reply = (request) => {
      world.server.answer(request);
      return lost();
    };
    sender.add(world.beat());
    await world.time.settle();
    void other.flush();
    await world.time.settle(before);
    sender.add(world.beat());
    await world.time.settle(between);
    sender.leave();
    await world.time.settle();
    world.reply = () => undefined;
    tellTime();
    await world.time.advance(10_000);
    assert.equal(world.server.stored.size, 2);
    assert.equal(world.server.conflicts, 0, `after ${before} and ${between} tasks`);
  }
});
