import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOptions } from "../src/options.ts";
import type { Options } from "../src/options.ts";

const RIGHT: Options = { endpoint: "https://headway.example", token: "t", course: 1 };

test("right options pass, also those that are left undefined", () => {
  checkOptions(RIGHT);
  checkOptions({ ...RIGHT, unit: undefined, getToken: () => "t", beatSeconds: 0.5, element: { nodeType: 1 } as Element } as unknown as Options);
});

const WRONG: [Record<string, unknown>, RegExp][] = [
  [{ course: 0 }, /^headway: wrong option "course": 0$/],
  [{ course: undefined }, /wrong option "course"/],
  [{ course: "5" }, /wrong option "course"/],
  [{ course: 1.5 }, /wrong option "course"/],
  [{ unit: -1 }, /wrong option "unit"/],
  [{ module: null }, /wrong option "module"/],
  [{ endpoint: "" }, /wrong option "endpoint"/],
  [{ endpoint: undefined }, /wrong option "endpoint"/],
  [{ user: 5 }, /wrong option "user"/],
  [{ token: "" }, /wrong option "token"/],
  [{ getToken: "t" }, /wrong option "getToken"/],
  [{ consent: true }, /wrong option "consent"/],
  [{ element: "#unit" }, /wrong option "element"/],
  [{ beatSeconds: 0 }, /wrong option "beatSeconds"/],
  [{ idleSeconds: NaN }, /wrong option "idleSeconds"/],
  [{ flushSeconds: "5" }, /wrong option "flushSeconds"/],
  [{ video: 1 }, /wrong option "video"/],
  [{ idleSecond: 5 }, /wrong option "idleSecond": 5/],
  [{ token: undefined }, /wrong option "token": undefined/],
];

for (const [options, message] of WRONG) {
  test(`a wrong option is named: ${Object.entries(options).join()}`, () => {
    assert.throws(() => checkOptions({ ...RIGHT, ...options } as unknown as Options), { name: "TypeError", message });
  });
}
