import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Sender } from "../src/sender.ts";
import { IDBDatabase as FakeDatabase } from "fake-indexeddb";
import { makeToken, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
const { transaction } = FakeDatabase.prototype;
afterEach(() => {
  FakeDatabase.prototype.transaction = transaction;
  world.time.restore();
});

const lost = () => Promise.reject(new TypeError("Failed to fetch"));
const dropped = () => world.told.error.flatMap((error) => error.dropped?.map(({ event_id }) => event_id) ?? []);
const add = (sender: Sender, count: number, fields = {}) => {
  for (let made = 0; made < count; made++) sender.add(world.beat(fields));
};
const deny = (message: string) => {
  throw Error(message);
};
const stopStorage = () => {
  FakeDatabase.prototype.transaction = () => deny("Connection to Indexed Database server lost");
};
const healStorage = () => {
  FakeDatabase.prototype.transaction = transaction;
};
/** Change each transaction that begins from now on. */
const changeStorage = (change: (begun: IDBTransaction) => void) => {
  FakeDatabase.prototype.transaction = function (...details) {
    const begun = transaction.apply(this, details);
    change(begun as unknown as IDBTransaction);
    return begun;
  };
};
/** A beat that tells which one it is, also when it was joined. */
const played = (serial: number) => world.beat({ engagement_metrics: { video_segments: [[serial, serial + 1]] } });
const serials = () => [...world.server.stored.values()].flatMap((event) => event.engagement_metrics.video_segments.map(([from]: number[]) => from)).sort();

const factories: Record<string, () => unknown> = {
  absent: () => undefined,
  denied: () => ({ open: () => deny("SecurityError") }),
  "refused later": () =>
    ({
      open: () => {
        const request = {} as IDBOpenDBRequest;
        setTimeout(() => request.onerror!(new Event("error")), 1);
        return request;
      },
    }),
  stuck: () => ({ open: () => ({}) }),
};
for (const [name, make] of Object.entries(factories))
  test(`memory does where IndexedDB is ${name}`, async () => {
    world.indexedDB = make() as IDBFactory | undefined;
    const sender = world.open();
    world.reply = ({ path }) => (path === "batch" && world.batches.length === 1 ? lost() : undefined);
    add(sender, 3);
    await world.time.advance(60_000);
    assert.equal(world.server.stored.size, 3);
    assert.equal(world.server.conflicts, 0);
    assert.equal(world.batches.length, 2);
  });

test("a database that fails later does not stop reports, and stores again once it can", async () => {
  const sender = world.open();
  add(sender, 1);
  await world.finish(sender.flush());
  stopStorage();
  add(sender, 1);
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 2);
  healStorage();
  world.reply = () => lost();
  add(sender, 1);
  await world.time.advance(100);

  const next = world.open({ token: makeToken("5") });
  world.reply = () => undefined;
  await world.finish(next.flush());
  assert.equal(world.server.stored.size, 3);
  assert.equal(world.batches.flatMap(({ body }) => body.events).length, 3);
});

test("a report whose text cannot be stored waits where another page may make another text", async () => {
  const sender = world.open();
  add(sender, 1);
  await world.time.settle();
  stopStorage();
  await world.time.advance(10_000);
  sender.leave();
  await world.time.settle();
  assert.equal(world.batches.length, 0);
  healStorage();
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 1);
});

test("what another page may join is not sent as it was before", async () => {
  const first = world.open(undefined, { maxReports: 3 });
  const second = world.open();
  await world.time.advance(10);
  first.add(played(0));
  first.add(played(1));
  await world.time.settle();
  second.add(played(2));
  await world.time.settle();
  stopStorage();
  await world.finish(second.flush());
  assert.deepEqual(world.texts, ["5 e-0002"]);
  healStorage();
  first.add(played(3));
  await world.finish(first.flush());
  assert.equal(world.server.conflicts, 0);
  assert.deepEqual(serials(), [0, 1, 2, 3]);
});

test("what may not be sent does not hold up the rest", async () => {
  world.reply = () => lost();
  const first = world.open();
  add(first, 2, { metadata: { text: "x".repeat(30_000) } });
  await world.time.settle();
  const second = world.open();
  await world.time.advance(10);
  stopStorage();
  add(second, 1);
  world.reply = () => undefined;
  await world.finish(second.flush());
  assert.deepEqual(world.texts, ["5 e-0002"]);
});

test("what is joined in a storage that is slow to tell arrives once", async () => {
  const sender = world.open(undefined, { maxReports: 2 });
  world.reply = ({ path }) => (path === "batch" ? lost() : undefined);
  await world.time.advance(10);
  sender.add(played(0));
  sender.add(played(1));
  await world.time.settle();
  changeStorage((begun) =>
    Object.defineProperty(begun, "oncomplete", { set: (call) => begun.addEventListener("complete", () => setTimeout(call, 3_000)) }),
  );
  sender.add(played(2));
  sender.add(played(3));
  await world.time.advance(2_500);
  world.reply = () => undefined;
  await world.time.advance(60_000);
  assert.equal(world.server.conflicts, 0);
  assert.deepEqual(serials(), [0, 1, 2, 3]);
});

test("what may be stored is not joined in memory", async () => {
  const sender = world.open(undefined, { maxReports: 2 });
  world.reply = () => lost();
  await world.time.advance(10);
  stopStorage();
  sender.add(played(0));
  sender.add(played(1));
  await world.time.settle();
  changeStorage((begun) => Object.defineProperty(begun, "oncomplete", {}));
  sender.leave();
  await world.time.settle();
  FakeDatabase.prototype.transaction = () => ({ objectStore: () => ({ getAll: () => ({}) }) }) as never;
  sender.add(played(2));
  await world.time.advance(3_000);
  healStorage();
  world.reply = () => undefined;
  await world.time.advance(60_000);
  assert.deepEqual(dropped(), ["e-0000"]);
  assert.deepEqual(serials(), [1, 2]);
  assert.equal(world.server.conflicts, 0);
});

test("what another page joined to a report that was dropped, but not yet removed, stays", async () => {
  const first = world.open(undefined, { maxReports: 1, flushSeconds: 1_000 });
  const second = world.open(undefined, { maxReports: 1 });
  await world.time.advance(10);
  first.add(played(0));
  await world.time.settle();
  changeStorage((begun) => (begun.commit = () => begun.abort()));
  const { start, ...click } = played(1);
  second.add(click);
  await world.time.advance(20_000);
  assert.deepEqual(dropped(), ["e-0000"]);
  assert.deepEqual(serials(), [1]);
  healStorage();
  first.add({ ...played(2), start: world.epoch + 10_000 });
  await world.time.settle();
  await world.finish(second.flush());
  assert.equal(world.server.conflicts, 0);
  assert.deepEqual(serials(), [0, 1, 2]);
});

test("another version of the database closes the connection", async () => {
  const sender = world.open();
  add(sender, 1);
  await world.time.settle();
  let isDeleted = false;
  world.indexedDB!.deleteDatabase("headway").onsuccess = () => (isDeleted = true);
  await world.time.settle();
  assert.ok(isDeleted);
  add(sender, 1);
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 1);
});

test("reports are in the database before anything is sent", async () => {
  const sender = world.open();
  add(sender, 2);
  await world.time.settle();
  world.open({ token: makeToken("5") });
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 2);
});

test("reports of nobody known are kept in memory alone until the token says whose they are", async () => {
  let give = (_token: string) => {};
  const sender = world.open({ getToken: () => new Promise((resolve) => (give = resolve)) });
  add(sender, 1);
  await world.time.advance(6_000);
  world.open({ token: makeToken("6") });
  await world.time.advance(6_000);
  give(makeToken("5"));
  await world.time.advance(6_000);
  assert.deepEqual(world.texts, ["5 e-0000"]);
  assert.deepEqual(world.told.error, []);
});

test("opaque tokens need the option user to keep reports", async () => {
  const first = world.open({ token: "opaque", user: "anna" });
  world.reply = () => lost();
  add(first, 1);
  await world.time.advance(5_000);
  const second = world.open({ token: makeToken("5"), user: "anna" });
  world.reply = () => undefined;
  await world.finish(second.flush());
  assert.deepEqual(world.texts, ["5 e-0000"]);
});

test("reports for another server stay", async () => {
  const first = world.open({ token: makeToken("5") }, { endpoint: "https://other.example" });
  world.reply = () => lost();
  add(first, 1);
  await world.time.advance(5_000);
  world.reply = () => undefined;
  await world.finish(first.stop({ forget: false }));
  world.server.stored.clear();
  world.reply = () => lost();
  const second = world.open({ token: makeToken("5") }, { endpoint: "https://other.example" });
  add(second, 1);
  await world.finish(second.stop({ forget: false }));
  world.reply = () => undefined;
  await world.finish(world.open({ token: makeToken("6") }).flush());
  assert.deepEqual(world.told.error, []);
  assert.equal(world.server.stored.size, 0);
});

test("several tabs share the work", async () => {
  const tabs = Array.from({ length: 8 }, () => world.open());
  for (const tab of tabs) add(tab, 3);
  await world.time.advance(60_000);
  assert.equal(world.server.stored.size, 24);
  assert.equal(world.server.conflicts, 0);
  assert.equal(world.batches.flatMap(({ body }) => body.events).length, 24);
});

for (const locks of [undefined, { request: () => Promise.reject(Error("SecurityError")) }])
  test(`without locks (${locks ? "refused" : "absent"}) tabs send the same texts`, async () => {
    const tabs = Array.from({ length: 8 }, () => world.open(undefined, { locks }));
    for (const tab of tabs) add(tab, 3);
    await world.time.advance(60_000);
    assert.equal(world.server.stored.size, 24);
    assert.equal(world.server.conflicts, 0);
  });

test("a lock that is never given back delays reports, and stops none", async () => {
  world.locks.isStuck = true;
  const sender = world.open();
  add(sender, 1);
  await world.time.advance(60_000);
  assert.equal(world.batches.length, 0);
  Math.random = () => 0.05;
  await world.time.advance(10_000);
  assert.equal(world.server.stored.size, 1);
});

test("a queue that is full joins beats before it drops any", async () => {
  const sender = world.open(undefined, { maxReports: 10 });
  world.reply = () => lost();
  sender.add({ ...world.beat(), activity_type: "link_click" });
  add(sender, 30, { engagement_metrics: { scroll_depth: 40, video_segments: [[0, 9]] } });
  sender.add(world.beat({ engagement_metrics: { scroll_depth: 60 } }));
  sender.add(world.beat({ unit_id: 3 }));
  await world.time.advance(300_000);
  world.reply = () => undefined;
  await world.finish(sender.flush());
  const events = [...world.server.stored.values()];
  const seconds = events.map((event) => (Date.parse(event.end_time) - Date.parse(event.start_time)) / 1000);
  assert.ok(events.length <= 10);
  assert.equal(seconds.reduce((sum, each) => sum + each, 0), 330);
  assert.equal(Math.max(...events.map((event) => event.engagement_metrics?.scroll_depth ?? 0)), 60);
  assert.equal(events.flatMap((event) => event.engagement_metrics?.video_segments ?? []).length, 30);
  assert.deepEqual(dropped(), []);
});

test("what cannot be joined is dropped, the oldest beats first, and told", async () => {
  const sender = world.open(undefined, { maxReports: 3 });
  world.reply = () => lost();
  const { start, ...click } = world.beat();
  sender.add(click);
  add(sender, 1, { unit_id: 3 });
  add(sender, 1, { unit_id: 4 });
  add(sender, 1, { unit_id: 5 });
  await world.time.settle();
  assert.deepEqual(dropped(), ["e-0001"]);
  for (let count = 0; count < 4; count++) sender.add({ ...click, event_id: `c-${count}` });
  await world.time.settle();
  assert.deepEqual(dropped(), ["e-0001", "e-0002", "e-0003", "e-0000", "c-0"]);
  world.reply = () => undefined;
  await world.finish(sender.flush());
  assert.equal(world.server.stored.size, 3);
});

test("joined beats last an hour at most, and have 200 segments at most", async () => {
  const sender = world.open(undefined, { maxReports: 5 });
  world.reply = () => lost();
  add(sender, 720);
  await world.time.settle();
  world.reply = () => undefined;
  await world.finish(sender.flush());
  const seconds = [...world.server.stored.values()].map((event) => (Date.parse(event.end_time) - Date.parse(event.start_time)) / 1000);
  assert.equal(Math.max(...seconds), 3600);
  assert.equal(seconds.reduce((sum, each) => sum + each, 0), 7200);

  world.reply = () => lost();
  add(sender, 12, { engagement_metrics: { video_segments: Array.from({ length: 90 }, (_, at) => [at, at + 0.5]) } });
  await world.time.settle();
  world.reply = () => undefined;
  await world.finish(sender.flush());
  assert.ok([...world.server.stored.values()].every((event) => (event.engagement_metrics?.video_segments ?? []).length <= 200));
});

test("beats that were sent once are never joined", async () => {
  const sender = world.open(undefined, { maxReports: 4 });
  world.reply = (request) => {
    world.server.answer(request);
    return request.path === "batch" ? lost() : undefined;
  };
  add(sender, 3);
  await world.time.advance(5_000);
  add(sender, 5);
  await world.time.advance(100);
  world.reply = () => undefined;
  await world.finish(sender.flush());
  assert.equal(world.server.conflicts, 0);
});

test("the queue has 1 MB at most", async () => {
  const sender = world.open(undefined, { maxReports: 10 });
  world.reply = () => lost();
  add(sender, 8, { unit_id: 3, metadata: { text: "x".repeat(2_000) }, engagement_metrics: { scroll_depth: 1 } });
  for (let unit_id = 0; unit_id < 6; unit_id++) add(sender, 1, { unit_id, metadata: { text: "y".repeat(2_000) } });
  await world.time.settle();
  world.reply = () => undefined;
  await world.finish(sender.flush());
  const bytes = [...world.server.stored.values()].reduce((sum, event) => sum + JSON.stringify(event).length, 0);
  assert.ok(bytes <= 10_000, `${bytes}`);
  assert.ok(dropped().length > 0);
});
