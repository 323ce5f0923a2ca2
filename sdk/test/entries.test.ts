import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement, createPage } from "./fakes.ts";

/** Make a page that has no network the page of this process. */
function enter(script?: unknown) {
  const { window, document, page } = createPage();
  Object.assign(document, { currentScript: { src: "https://headway.example/sdk/headway.js" }, querySelector: () => script ?? null });
  Object.assign(window, { indexedDB: undefined });
  Object.assign(globalThis, { window, document, addEventListener() {}, removeEventListener() {} });
  return { window, page };
}

test("the package begins a tracker on the page", async () => {
  const { page } = enter();
  const { init } = await import("../src/index.ts");
  const tracker = init({ endpoint: "https://headway.example", token: "t", course: 1 });
  assert.equal(page.timers.size, 1);
  await tracker.stop({ forget: true });
  assert.throws(() => init({ endpoint: "https://headway.example", token: "t", course: 0 }), /"course"/);
});

test("the script is window.Headway, starts what its tag declares, and does nothing if it is there twice", async () => {
  const { window } = enter(createElement({ dataset: { headwayEndpoint: "/", headwayCourse: "1", headwayToken: "t" } }));
  await import("../src/global.ts");
  const { Headway } = window;
  assert.ok(Headway?.tracker);
  const again = "../src/global.ts?again";
  await import(again);
  assert.equal(window.Headway, Headway);
  await Headway.tracker.stop({ forget: true });
});

test("the script starts nothing where its tag declares nothing, and loads the part for videos from beside itself", async () => {
  const { window } = enter();
  const again = "../src/global.ts?third";
  await import(again);
  assert.equal(window.Headway!.tracker, undefined);
  const tracker = window.Headway!.init({ endpoint: "/", token: "t", course: 1 });
  const cause = new Promise((resolve) => tracker.on("error", (problem) => resolve(problem.cause)));
  tracker.trackVideo(createElement() as HTMLVideoElement);
  assert.match(String(await cause), /https:/); // Node loads no module from the network, and says which one
  await tracker.stop({ forget: true });
});
