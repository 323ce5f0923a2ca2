import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { failure, html, json, makeToken, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  world.time.restore();
});

const lost = () => Promise.reject(new TypeError("Failed to fetch"));

test("a report is sent after flushSeconds, in the server's time", async () => {
  const sender = world.open();
  await world.time.advance(10);
  sender.add(world.beat());
  await world.time.advance(4_900);
  assert.equal(world.batches.length, 0);
  await world.time.advance(200);
  assert.deepEqual(world.requests.map(({ path }) => path), ["heartbeat", "batch"]);
  const [event] = world.server.stored.values();
  assert.equal(event.start_time, "2026-01-01T01:00:00.000Z");
  assert.equal(event.end_time, "2026-01-01T01:00:10.000Z");
  assert.equal(event.start, undefined);
  assert.deepEqual(world.told.sent.flat().map(({ event_id }) => event_id), ["e-0000"]);
});

test("twenty reports are sent at once, in one batch", async () => {
  const sender = world.open();
  for (let count = 0; count < 20; count++) sender.add(world.beat());
  await world.time.advance(10);
  assert.equal(world.batches.length, 1);
  assert.equal(world.server.stored.size, 20);
});

test("a batch has at most 48 kB", async () => {
  const sender = world.open();
  for (let count = 0; count < 4; count++) sender.add(world.beat({ metadata: { text: "é".repeat(9_000) } }));
  await world.time.advance(5_000);
  assert.deepEqual(world.batches.map(({ body }) => body.events.length), [2, 2]);
});

test("a report that is too large is dropped and told", async () => {
  const sender = world.open();
  const report = world.beat({ metadata: { text: "x".repeat(50_000) } });
  sender.add(report);
  await world.time.advance(10_000);
  assert.deepEqual(world.told.error, [{ message: "too large", dropped: [report] }]);
  assert.equal(world.batches.length, 0);
});

test("what is rejected is told, and its neighbours stay", async () => {
  const sender = world.open();
  const bad = world.beat({ metadata: { bad: true } });
  sender.add(bad);
  sender.add(world.beat());
  await world.finish(sender.flush());
  assert.deepEqual(world.told.rejected, [{ report: bad, status: "rejected", errors: [{ field: "metadata", message: "bad" }] }]);
  assert.equal(world.server.stored.size, 1);
  await world.time.advance(600_000);
  assert.equal(world.batches.length, 1);
});

test("a lost answer is asked for again with the same text, and stored once", async () => {
  const sender = world.open();
  world.reply = (request, index) => {
    if (index !== 1) return undefined;
    world.server.answer(request);
    return lost();
  };
  sender.add(world.beat());
  await world.time.advance(20_000);
  assert.equal(world.batches.length, 2);
  assert.equal(world.batches[0]!.text, world.batches[1]!.text);
  assert.equal(world.server.stored.size, 1);
  assert.equal(world.server.conflicts, 0);
});

for (const [name, answer] of Object.entries({
  "a network error": lost,
  "status 408": () => failure(408),
  "status 429": () => failure(429),
  "status 500": () => failure(500),
  "status 404": () => failure(404),
  "a page of a captive portal": () => html(200),
  "a 400 that is not Headway's": () => html(400),
  "a 403 that is not Headway's": () => html(403),
  "JSON that is not Headway's": () => json(200, {}),
  "verdicts for other reports": () => json(200, { data: { results: [] } }),
  "verdicts that are null": () => json(200, { data: { results: [null] } }),
  "no answer within 30 s": () => new Promise<Response>(() => {}),
}))
  test(`${name} is tried again, and loses nothing`, async () => {
    const sender = world.open();
    world.reply = ({ path }) => (path === "batch" && world.batches.length < 4 ? answer() : undefined);
    sender.add(world.beat());
    await world.time.advance(150_000);
    assert.equal(world.batches.length, 4);
    assert.equal(world.server.stored.size, 1);
    assert.deepEqual(world.told.error, []);
    assert.deepEqual(world.told.rejected, []);
  });

test("attempts back off to a minute, and none is left when all is sent", async () => {
  const sender = world.open();
  const times: number[] = [];
  world.reply = ({ path }) => {
    if (path !== "batch" || world.time.now > 3_600_000) return undefined;
    times.push(world.time.now);
    return failure(503);
  };
  sender.add(world.beat());
  await world.time.advance(3_600_000);
  const waits = times.slice(1).map((time, index) => Math.round((time - times[index]!) / 100) / 10);
  assert.deepEqual(waits.slice(0, 8), [0.5, 1, 2, 4, 8, 16, 30, 30]);
  await world.time.advance(100_000);
  assert.equal(world.server.stored.size, 1);
  assert.equal(world.time.timers, 0);
});

for (const [name, headers, seconds] of [
  ["seconds", { "Retry-After": "120" }, 120],
  ["a date of the server's clock", { "Retry-After": "Thu, 01 Jan 2026 01:02:05 GMT" }, 120],
  ["a day", { "Retry-After": "86400" }, 86_400],
  ["a date that is past", { "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT" }, 0],
  ["nonsense", { "Retry-After": "soon" }, 0],
] as const)
  test(`Retry-After with ${name} is obeyed`, async () => {
    const sender = world.open();
    await world.time.advance(10);
    world.reply = ({ path }) => (path === "batch" && world.batches.length < 2 ? failure(429, headers) : undefined);
    sender.add(world.beat());
    await world.time.advance(5_000);
    assert.equal(world.batches.length, 1);
    if (seconds) {
      sender.add(world.beat());
      await world.time.advance(seconds * 1000 - 1);
      assert.equal(world.batches.length, 1);
    }
    await world.time.advance(1_100);
    assert.equal(world.batches.length, 2);
  });

test("a time that is longer than timers can wait is never over by itself", async () => {
  const sender = world.open();
  world.reply = ({ path }) => (path === "batch" && world.batches.length < 2 ? failure(429, { "Retry-After": "1e9" }) : undefined);
  sender.add(world.beat());
  await world.time.advance(3_600_000);
  assert.equal(world.batches.length, 1);
  await world.finish(sender.flush());
  assert.equal(world.server.stored.size, 1);
});

test("the event online ends a back-off", async () => {
  const sender = world.open();
  world.reply = () => lost();
  sender.add(world.beat());
  await world.time.advance(200_000);
  world.reply = () => undefined;
  world.listeners.get("online")!();
  await world.time.settle();
  assert.equal(world.server.stored.size, 1);
});

test("413 halves the batch, and drops only what is too large by itself", async () => {
  const sender = world.open();
  const isLarge = (text: string) => text.includes("large");
  world.reply = ({ text }) => (isLarge(text) ? html(413) : undefined);
  for (let count = 0; count < 7; count++) sender.add(world.beat(count === 4 ? { metadata: { large: true } } : {}));
  await world.time.advance(5_000);
  assert.equal(world.server.stored.size, 6);
  assert.deepEqual(world.told.rejected.map(({ report }) => report.event_id), ["e-0004"]);
});

test("a 400 without verdicts is halved as well", async () => {
  const sender = world.open();
  world.reply = ({ text }) => (text.includes("poison") ? failure(400) : undefined);
  for (let count = 0; count < 3; count++) sender.add(world.beat(count === 1 ? { metadata: { poison: true } } : {}));
  await world.time.advance(5_000);
  assert.equal(world.server.stored.size, 2);
  assert.deepEqual(world.told.rejected[0]!.errors, [{ field: "body", message: "no" }]);
});

test("a caller that is refused is told, keeps its reports, and asks no more by itself", async () => {
  const sender = world.open();
  world.reply = ({ path }) => (path === "batch" ? failure(403) : undefined);
  sender.add(world.beat());
  await world.time.advance(3_600_000);
  assert.equal(world.batches.length, 1);
  assert.deepEqual(world.told.error, [{ message: "HTTP 403" }]);
  world.reply = () => undefined;
  await world.finish(sender.flush());
  assert.equal(world.server.stored.size, 1);
});

test("401 asks for one token for all that waits", async () => {
  let serial = 0;
  const sender = world.open({ token: makeToken("5"), getToken: async () => makeToken("5", ++serial) });
  world.reply = ({ token }) => (token === makeToken("5") ? failure(401) : undefined);
  for (let count = 0; count < 3; count++) sender.add(world.beat());
  await world.time.advance(5_000);
  assert.equal(serial, 1);
  assert.equal(world.server.stored.size, 3);
});

test("tokens that are refused again and again are asked for with back-off", async () => {
  let serial = 0;
  const sender = world.open({ getToken: () => makeToken("5", ++serial) });
  world.reply = () => failure(401);
  sender.add(world.beat());
  await world.time.advance(600_000);
  assert.ok(serial > 10 && serial < 30, `${serial}`);
  assert.match(world.told.debug[0]!, /^HTTP 401: again/);
  world.reply = () => undefined;
  await world.time.advance(60_000);
  assert.equal(world.server.stored.size, 1);
});

test("a getToken that fails or hangs is asked again", async () => {
  const tries = [() => Promise.reject(Error("offline")), () => Promise.reject(), () => "", () => new Promise<string>(() => {}), () => makeToken("5")];
  const sender = world.open({ user: "anna", getToken: () => tries.shift()!() });
  sender.add(world.beat());
  await world.time.advance(60_000);
  assert.deepEqual(world.told.error.map(({ message }) => message), ["Error: offline", "undefined", "no token", "timeout"]);
  assert.equal(world.server.stored.size, 1);
});

test("a token that is refused waits for the next one", async () => {
  const sender = world.open();
  world.reply = ({ token }) => (token === makeToken("5") ? failure(401) : undefined);
  sender.add(world.beat());
  await world.time.advance(3_600_000);
  assert.equal(world.requests.length, 1);
  assert.deepEqual(world.told.error, [{ message: "HTTP 401" }]);
  await world.finish(sender.identify({ token: makeToken("5", 1) }));
  assert.equal(world.server.stored.size, 1);
});

test("without any token nothing is sent until there is one", async () => {
  const sender = world.open({ user: "anna" });
  sender.add(world.beat());
  await world.time.advance(60_000);
  assert.equal(world.requests.length, 0);
  await world.finish(sender.identify({ token: makeToken("5"), user: "anna" }));
  assert.equal(world.server.stored.size, 1);
});

test("what a closed page left is sent by the next visit, as it was sent first", async () => {
  const sender = world.open();
  sender.add(world.beat());
  world.reply = ({ path }) => (path === "batch" ? lost() : undefined);
  await world.time.advance(5_000);
  world.time.restore();
  const text = world.batches[0]!.text;

  const next = new World();
  Object.assign(next, { indexedDB: world.indexedDB, skew: 5_000 });
  next.open();
  await next.time.advance(10_000);
  assert.equal(next.batches[0]!.text, text);
  next.time.restore();
});

test("two learners on one computer: nobody's reports go with another's token", async () => {
  const first = world.open({ token: makeToken("5") });
  world.reply = () => lost();
  first.add(world.beat());
  await world.time.advance(5_000);
  await world.finish(first.stop({ forget: false }));

  world.reply = () => undefined;
  const second = world.open({ token: makeToken("6") });
  second.add(world.beat());
  await world.time.advance(20_000);
  assert.deepEqual(world.texts, ["6 e-0001"]);
  assert.deepEqual(world.told.error.map(({ message, dropped }) => [message, dropped?.map(({ event_id }) => event_id)]), [
    ["another learner", ["e-0000"]],
  ]);
});

test("a getToken that returns another learner's token sends nothing of the first", async () => {
  let token = makeToken("5");
  const sender = world.open({ token, getToken: () => token });
  world.reply = (request) => (request.token === makeToken("5") ? failure(401) : undefined);
  sender.add(world.beat());
  token = makeToken("6");
  await world.time.advance(20_000);
  assert.equal(world.server.stored.size, 0);
  assert.equal(world.told.error[0]!.message, "another learner");
  sender.add(world.beat());
  await world.time.advance(20_000);
  assert.deepEqual(world.texts, ["6 e-0001"]);
});

test("identify sends what the former learner did with the former's token, and drops what cannot be sent", async () => {
  const sender = world.open();
  sender.add(world.beat());
  await world.finish(sender.identify({ token: makeToken("6") }));
  assert.deepEqual(world.texts, ["5 e-0000"]);

  world.reply = () => lost();
  sender.add(world.beat());
  const identified = sender.identify({ getToken: () => makeToken("7") });
  sender.add(world.beat());
  await world.finish(identified);
  world.reply = () => undefined;
  await world.time.advance(5_000);
  assert.deepEqual(world.texts, ["5 e-0000", "7 e-0002"]);
  assert.deepEqual(world.told.error.flatMap(({ dropped }) => dropped?.map(({ event_id }) => event_id)), ["e-0001"]);
});

test("stop sends what waits; forget deletes it", async () => {
  const sender = world.open();
  sender.add(world.beat());
  await world.finish(sender.stop({ forget: false }));
  assert.equal(world.server.stored.size, 1);
  await world.time.advance(60_000);
  assert.equal(world.time.timers, 0);
  assert.equal(world.listeners.size, 0);

  world.reply = () => lost();
  const other = world.open();
  other.add(world.beat());
  await world.time.advance(5_000);
  await world.finish(other.stop({ forget: true }));
  world.reply = () => undefined;
  world.open();
  await world.time.advance(60_000);
  assert.equal(world.server.stored.size, 1);
});

test("a token that changes while a batch is made does not take the former learner's reports along", async () => {
  for (let tasks = 0; tasks < 30; tasks++) {
    world.time.restore();
    world = new World();
    const sender = world.open({ token: makeToken("5"), getToken: () => makeToken("6") });
    sender.add(world.beat());
    await world.finish(sender.flush());
    let refuse = () => {};
    world.reply = ({ token }, index) =>
      index === 2 ? new Promise((resolve) => (refuse = () => resolve(failure(401)))) : token === makeToken("5") ? failure(401) : undefined;
    sender.add(world.beat());
    sender.leave();
    sender.add(world.beat());
    void sender.flush();
    await world.time.settle(tasks);
    refuse();
    await world.time.advance(60_000);
    assert.deepEqual(world.texts, ["5 e-0000"], `after ${tasks} tasks`);
  }
});
