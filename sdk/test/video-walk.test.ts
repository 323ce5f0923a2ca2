/** Random learners at random players, against what the engine knows it has played. */

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { trackVideo } from "../src/video.ts";
import type { VideoTarget } from "../src/video.ts";
import { Engine, FakeHost, asElement, asVimeo, asYouTube, join, pass } from "./players.ts";

type Piece = [number, number];
type Action = (engine: Engine, host: FakeHost) => unknown;

/** How exactly a face must be followed, in seconds. */
interface Face {
  make: (engine: Engine) => VideoTarget;
  /** What may be missing before a jump, at the single speed. */
  missing: number;
  /** The longest jump forward that may be taken for playing. */
  gap: number;
}

const SPEEDS = [0.5, 1, 1.5, 2];
const FASTEST = 2;
const SHORTEST = 20;
const RUNS = Number(process.env.RUNS ?? 150);
/** What of the start may be missing in the second pass of a loop, which need not begin with the first. */
const HEAD = 0.25;
const ROUNDING = 0.03;

/** Something that the learner, a script, the network or the browser does, and how long nothing else happens after it. */
const step = fc.record({
  action: fc.oneof(
    action("play", (engine) => engine.play()),
    action("play", (engine) => engine.play()),
    action("pause", (engine) => engine.pause()),
    fc.integer({ min: 0, max: 200 }).map((n) => named(`seek to ${n / 10}`, (engine) => engine.seek(n / 10))),
    fc.integer({ min: -30, max: 30 }).map((n) => named(`skip ${n / 10}`, (engine) => engine.seek(engine.position + n / 10))),
    fc.constantFrom(...SPEEDS).map((rate) => named(`rate ${rate}`, (engine) => engine.setRate(rate))),
    action("stall", (engine) => engine.stall()),
    action("resume", (engine) => engine.resume()),
    action("loop", (engine) => (engine.loop = !engine.loop)),
    action("load", (engine) => engine.load(SHORTEST + engine.shelf.size + 1)),
    action("beat", (_, host) => host.beat()),
  ),
  wait: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 1200 })).map((n) => n * 10),
});

function action(name: string, act: Action) {
  return fc.constant(named(name, act));
}

/** Give an action a name, for the report of a failure. */
function named(name: string, act: Action): Action {
  return Object.assign(act.bind(undefined), { [fc.toStringMethod]: () => name });
}

/** Check, while time passes, that the part says truly whether the media play. */
async function watch(ms: number, engine: Engine, host: FakeHost): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    const position = engine.position;
    await pass(Math.min(left, 500), engine);
    stood = engine.position === position && !engine.seeking ? stood + Math.min(left, 500) : 0;
    if (stood > 2500) assert.equal(host.part!.isPlaying!(), false);
  }
}
let stood = 0;

/** Join pieces that are at most so far apart. */
function bridge(pieces: Piece[], gap: number): Piece[] {
  return join(pieces.map(([from, to]): Piece => [from, to + gap])).map(([from, to]): Piece => [from, to - gap]);
}

/** Return pieces without those parts. */
function without(pieces: Piece[], parts: Piece[]): Piece[] {
  return parts.reduce(
    (rest, [a, b]) => rest.flatMap(([from, to]): Piece[] => [[from, Math.min(to, a)], [Math.max(from, b), to]]).filter(([from, to]) => from < to),
    pieces,
  );
}

/** Say whether some pieces lie within others, but for what rounding and the way of an event take. */
function isWithin(inner: Piece[], outer: Piece[]): boolean {
  return inner.every(([from, to]) => to - from < ROUNDING || outer.some(([a, b]) => a < from + ROUNDING && to < b + ROUNDING));
}

/** Assert that no more than what was played is reported, and no less but for so much before each jump. */
function assertPlayed(reported: Piece[], { played, jumps, duration }: Pick<Engine, "played" | "jumps" | "duration">, { gap }: Face, missing: number) {
  const text = `${JSON.stringify(reported)} reported, ${JSON.stringify(played)} played of ${duration} s, jumps ${JSON.stringify(jumps)}`;
  const landings = jumps.flat().map((position): Piece => [position, position]);
  const most = bridge([...played, ...(gap ? landings : [])], gap + ROUNDING);
  assert.ok(isWithin(reported, most.map(([from, to]) => [from, to > duration - 0.5 - ROUNDING ? duration : to])), `more: ${text}`);
  const least = without(played, jumps.flatMap(([from, to]): Piece[] => [[from - missing, from], [to, to === 0 ? HEAD : to]]));
  assert.ok(isWithin(least, reported), `less: ${text}`);
}

async function walk(face: Face, steps: { action: Action; wait: number }[], every: number): Promise<void> {
  const engine = new Engine(SHORTEST);
  engine.every = every;
  const host = new FakeHost();
  const end = trackVideo(host, face.make(engine));
  for (const { action, wait } of steps) {
    action(engine, host);
    stood = 0;
    await watch(wait, engine, host);
  }
  engine.pause();
  await pass(200, engine);
  end();
  assertPlayed(host.segments(engine.duration), engine, face, face.missing * FASTEST);
  for (const [duration, former] of engine.shelf) {
    // What was played since the last `timeupdate` is gone with a source.
    assertPlayed(host.segments(duration), { ...former, duration }, face, (every / 1000 + 0.05) * FASTEST);
  }
}

const FACES: Record<string, Face> = {
  "a media element": { make: asElement, missing: 0.01, gap: 0 },
  "a media element that does not say what it played": { make: (engine) => asElement(engine, false), missing: 0.3, gap: 0 },
  "a player of YouTube": { make: (engine) => asYouTube(engine).player, missing: 0.3, gap: 0.75 },
  "a player of Vimeo": { make: (engine) => asVimeo(engine).player, missing: 0.3, gap: 0.75 },
};

for (const [name, face] of Object.entries(FACES)) {
  test(`what is reported of ${name} is what was played`, async () => {
    const steps = fc.array(step, { maxLength: 25, size: "max" });
    await fc.assert(fc.asyncProperty(steps, (walked) => walk(face, walked, 250)), { numRuns: RUNS });
  });
}

test("a media element in a hidden tab, which tells its position once a minute, is followed as exactly", async () => {
  const steps = fc.array(step, { maxLength: 25, size: "max" });
  await fc.assert(fc.asyncProperty(steps, (walked) => walk(FACES["a media element"]!, walked, 60_000)), { numRuns: RUNS });
});
