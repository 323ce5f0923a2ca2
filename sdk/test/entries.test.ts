import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tracker } from "../src/tracker.ts";
import { createElement, createPage } from "./fakes.ts";

/** Make a page that has no network the page of this process. */
function enter({ script, src = "https://headway.example/sdk/headway.js" }: { script?: unknown; src?: string | undefined } = {}) {
  const { window, document, page } = createPage();
  Object.assign(document, { currentScript: src && { src }, querySelector: () => script ?? null });
  Object.assign(window, { indexedDB: undefined });
  Object.assign(globalThis, { window, document, addEventListener() {}, removeEventListener() {} });
  return { window, page };
}

/** Return why a video is not tracked. */
async function failure(tracker: Tracker): Promise<string> {
  const cause = new Promise((resolve) => tracker.on("error", (problem) => resolve(problem.cause)));
  tracker.trackVideo(createElement());
  return String(await cause);
}

test("the package begins a tracker on the page", async () => {
  const { page } = enter();
  const { init } = await import("../src/index.ts");
  const tracker = init({ endpoint: "https://headway.example", token: "t", course: 1 });
  assert.equal(page.timers.size, 1);
  assert.match(await failure(tracker), /trackVideo/); // by the part for videos, which was loaded, and knows no such player
  await tracker.stop({ forget: true });
  assert.throws(() => init({ endpoint: "https://headway.example", token: "t", course: 0 }), /"course"/);
});

test("the script is window.Headway, starts what its tag declares, and does nothing if it is there twice", async () => {
  const { window } = enter({ script: createElement({ dataset: { headwayEndpoint: "/", headwayCourse: "1", headwayToken: "t" } }) });
  await import("../src/global.ts");
  const { Headway } = window;
  assert.ok(Headway?.tracker);
  const again = "../src/global.ts?again";
  await import(again);
  assert.equal(window.Headway, Headway);
  await Headway.tracker.stop({ forget: true });
});

for (const [src, reason] of [["https://headway.example/sdk/headway.js", /https:/], ["", /Invalid URL/]] as const) {
  test(`a script from "${src}" starts nothing where its tag declares nothing, and loads the part for videos from beside itself`, async () => {
    const { window } = enter({ src });
    const again = `../src/global.ts?of=${src}`;
    await import(again);
    assert.equal(window.Headway!.tracker, undefined);
    const tracker = window.Headway!.init({ endpoint: "/", token: "t", course: 1 });
    assert.match(await failure(tracker), reason); // Node loads no module from the network, and says which one
    await tracker.stop({ forget: true });
  });
}
