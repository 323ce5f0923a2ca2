import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

/** Coverage knows only what was loaded: a module without a test would not lower it. */
test("every module can be loaded where there is no page, and its coverage is measured", async () => {
  const modules = readdirSync(`${import.meta.dirname}/../src`).filter((name) => name !== "global.ts");

  for (const name of modules) {
    assert.ok(await import(`../src/${name}`), name);
  }
});
