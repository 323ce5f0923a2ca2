import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../src/clock.ts";

const nothing = () => {};

function makeClock() {
  const device = { wall: 1_000_000, monotonic: 500.4 };
  const clock = createClock(() => device.wall, () => device.monotonic);
  const pass = (ms: number) => ((device.wall += ms), (device.monotonic += ms));
  return { device, clock, pass };
}

test("a clock goes on with the monotonic time, in whole milliseconds", () => {
  const { clock, pass } = makeClock();
  assert.equal(clock.now(), 1_000_000);
  pass(1500.4);
  assert.equal(clock.now(), 1_001_500);
  assert.equal(clock.check(nothing), false);
});

test("a sleep in which the monotonic time stood still is noticed, and the clock is right after it", () => {
  const { clock, device, pass } = makeClock();
  const { anchor } = clock;
  device.wall += 3_600_000;
  pass(1000);
  assert.equal(clock.check(nothing), true);
  assert.equal(clock.now(), 4_601_000);
  assert.notEqual(clock.anchor, anchor);
  assert.equal(clock.check(nothing), false);
});

test("what is open ends by the former anchor", () => {
  const { clock, device, pass } = makeClock();
  const told: number[] = [];
  device.wall += 3_600_000;
  pass(1000);
  clock.check(() => told.push(clock.now()));
  assert.deepEqual(told, [1_001_000]);
});

test("a clock that is set back is noticed and changes nothing", () => {
  const { clock, device, pass } = makeClock();
  const { anchor } = clock;
  device.wall -= 86_400_000;
  pass(1000);
  assert.equal(clock.check(nothing), true);
  assert.equal(clock.now(), 1_001_000);
  assert.equal(clock.anchor, anchor);
});

test("a device whose clock is steered slowly keeps its anchor", () => {
  const { clock, device, pass } = makeClock();
  for (let second = 0; second < 100; second++) {
    device.wall += 200;
    pass(1000);
    assert.equal(clock.check(nothing), false);
  }
  assert.equal(clock.now(), 1_100_000);
});
