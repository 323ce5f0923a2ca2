import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createActivity } from "../src/activity.ts";
import type { Away } from "../src/activity.ts";

type Signals = [away: Away, isPlaying: boolean];

const AWAY: Signals = ["hidden", false];
const HERE: Signals = [undefined, false];
const BEHIND: Signals = ["blurred", false];
const playing = ([away]: Signals): Signals => [away, true];

/** Times are seconds here. */
function makeActivity(beat = 15, idle = 60) {
  const beats: [number, number][] = [];
  const states: string[] = [];
  const machine = createActivity(
    beat * 1000,
    idle * 1000,
    (start, end) => end > start && beats.push([start / 1000, end / 1000]),
    (state) => states.push(state),
  );
  const step = (second: number, signals: Signals, isGap = false, isCut = false) => machine.step(second * 1000, ...signals, isGap, isCut);
  const run = (from: number, to: number, signals: Signals) => {
    for (let second = from; second <= to; second++) step(second, signals);
  };
  return { beats, states, step, run, use: (second: number) => machine.use(second * 1000) };
}

const sum = (beats: [number, number][]) => beats.reduce((total, [start, end]) => total + end - start, 0);

test("an activity ends a beat after every beat time, and the next begins there", () => {
  const { beats, step, run } = makeActivity();
  run(0, 40, HERE);
  step(40.5, AWAY);
  assert.deepEqual(beats, [[0, 15], [15, 30], [30, 40.5]]);
});

test("a page that is not used counts until the idle time after the last use", () => {
  const { beats, states, run, use } = makeActivity(1000);
  run(0, 10, HERE);
  assert.equal(use(10.5), false);
  run(11, 100, HERE);
  assert.deepEqual(beats, [[0, 70.5]]);
  assert.deepEqual(states, ["active", "idle"]);
});

test("a use ends idleness at once", () => {
  const { beats, step, run, use } = makeActivity(1000);
  run(0, 100, HERE);
  assert.equal(use(100.4), true);
  step(100.4, HERE);
  step(103, AWAY);
  assert.deepEqual(beats, [[0, 60], [100.4, 103]]);
});

test("a hidden page and one without the focus do not count, and coming back is a use", () => {
  const { beats, states, run, step } = makeActivity(1000);
  run(0, 10, HERE);
  run(10, 30, AWAY);
  run(30, 40, HERE);
  step(40, BEHIND);
  run(200, 205, HERE);
  step(205, AWAY);
  assert.deepEqual(beats, [[0, 10], [30, 40], [200, 205]]);
  assert.deepEqual(states, ["active", "hidden", "active", "blurred", "active", "hidden"]);
});

test("media that play count wherever the page is, and are a use", () => {
  const { beats, run, step } = makeActivity(1000);
  run(0, 10, HERE);
  step(10, playing(HERE));
  step(10, playing(AWAY));
  for (const second of [70, 130, 190]) step(second, playing(AWAY));
  run(190, 260, HERE);
  assert.deepEqual(beats, [[0, 10], [10, 190], [190, 250]]);
});

test("a start or a stop of media ends the beat", () => {
  const { beats, run, step } = makeActivity(1000);
  run(0, 5, HERE);
  run(5, 9, playing(HERE));
  step(9, HERE);
  step(11, AWAY);
  assert.deepEqual(beats, [[0, 5], [5, 9], [9, 11]]);
});

test("a gap that nobody watched is dropped", () => {
  const { beats, run, step } = makeActivity(1000);
  run(0, 10, HERE);
  step(3610, HERE);
  run(3611, 3700, HERE);
  assert.deepEqual(beats, [[0, 10]]);
});

test("a gap that the clock saw is dropped, however short, and the page goes on", () => {
  const { beats, run, step } = makeActivity(1000);
  run(0, 10, HERE);
  step(15, HERE, true);
  step(18, AWAY);
  assert.deepEqual(beats, [[0, 10], [15, 18]]);
});

test("media in a hidden page may be silent for a minute, in a visible one not", () => {
  for (const [signals, expected] of [[playing(AWAY), [[0, 61]]], [playing(HERE), []]] as const) {
    const { beats, step } = makeActivity(1000);
    step(0, signals);
    step(61, signals);
    step(61, AWAY);
    assert.deepEqual(beats, expected);
  }
});

test("a cut ends the open beat and loses nothing", () => {
  const { beats, run, step } = makeActivity(1000);
  run(0, 3, HERE);
  step(3.25, HERE, false, true);
  step(4, AWAY);
  assert.deepEqual(beats, [[0, 3.25], [3.25, 4]]);
});

test("ticks are wanted while something may count only", () => {
  const { step, use } = makeActivity(15, 60);
  assert.equal(step(0, HERE), true);
  assert.equal(step(1, BEHIND), true); // the focus may return to a frame, of which nothing tells
  assert.equal(step(2, AWAY), false);
  assert.equal(step(3, playing(AWAY)), true);
  assert.equal(step(4, BEHIND), true);
  assert.equal(step(200, BEHIND), false);
  use(201);
  assert.equal(step(201, BEHIND), true);
});

test("whatever happens, what counts is what the definition says", () => {
  const away = fc.constantFrom<Away>(undefined, undefined, "hidden", "blurred");
  const signals = fc.tuple(away, fc.integer({ max: 3 }).map((n) => n === 0));
  const moment = fc.record({ signals: fc.option(signals, { nil: undefined }), isUse: fc.boolean(), pause: fc.integer({ min: 1, max: 90 }) });
  const property = fc.property(fc.array(moment, { maxLength: 60 }), fc.integer({ min: 2, max: 20 }), (moments, idle) => {
    const { beats, step, use } = makeActivity(5, idle);
    let now = 0;
    let used = -Infinity;
    let known: Signals = AWAY;
    let expected = 0;
    for (const { signals, isUse, pause } of moments) {
      const [wasAway] = known;
      known = signals ?? known;
      const [away, isPlaying] = known;
      if (wasAway && !away) used = now;
      if (isUse) {
        used = now;
        use(now);
      }
      step(now, known);
      for (const until = now + pause; now < until; ) {
        const counts = isPlaying || (!away && now < used + idle);
        if (isPlaying) used = now + 1;
        if (counts) expected += 1;
        now += 1;
        step(now, known);
      }
    }
    step(now, AWAY);
    assert.equal(sum(beats), expected);
    beats.forEach(([start, end], index) => {
      assert.ok(start < end && end - start <= 6);
      if (index) assert.ok(beats[index - 1]![1] <= start);
    });
  });
  fc.assert(property, { numRuns: 1000 });
});
