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
  [{ course: 0 }, /"course" must be a right number, not "0"$/],
  [{ course: undefined }, /"course" must be/],
  [{ course: "5" }, /"course" must be/],
  [{ course: 1.5 }, /"course" must be/],
  [{ unit: -1 }, /"unit" must be/],
  [{ module: null }, /"module" must be/],
  [{ endpoint: "" }, /"endpoint" must be a right string/],
  [{ endpoint: undefined }, /"endpoint" must be/],
  [{ user: 5 }, /"user" must be a right string, not "5"/],
  [{ token: "" }, /"token" must be/],
  [{ getToken: "t" }, /"getToken" must be a right function/],
  [{ consent: true }, /"consent" must be a right function/],
  [{ element: "#unit" }, /"element" must be a right object/],
  [{ beatSeconds: 0 }, /"beatSeconds" must be a right number/],
  [{ idleSeconds: NaN }, /"idleSeconds" must be/],
  [{ flushSeconds: "5" }, /"flushSeconds" must be/],
  [{ video: 1 }, /"video" must be/],
  [{ idleSecond: 5 }, /there is no option "idleSecond"/],
  [{ token: undefined }, /"token" or "getToken" is missing/],
];

for (const [options, message] of WRONG) {
  test(`a wrong option is named: ${Object.entries(options).join()}`, () => {
    assert.throws(() => checkOptions({ ...RIGHT, ...options } as unknown as Options), { name: "TypeError", message });
  });
}
