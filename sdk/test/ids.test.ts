import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../src/ids.ts";

test("an id is a UUIDv7 of its instant, and no other has it", () => {
  const now = Date.UTC(2026, 0, 1);
  const ids = Array.from({ length: 1000 }, () => newId(now));
  assert.equal(new Set(ids).size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(ids[0]!.replace("-", "").slice(0, 12), 16), now);
  assert.match(newId(0), /^00000000-0000-7/);
});
