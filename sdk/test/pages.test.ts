import assert from "node:assert/strict";
import { test } from "node:test";
import type { Options } from "../src/options.ts";
import { declare, readOptions } from "../src/pages.ts";
import type { Tracker } from "../src/tracker.ts";
import { createElement, createPage } from "./fakes.ts";

type Element = ReturnType<typeof createElement>;

/** A page with a script that declares a tracker, and elements that a test may change. */
function start(dataset: Record<string, string> = {}, units: Element[] = []) {
  const { window, page, document } = createPage();
  const elements = { units, videos: [] as Element[] };
  const script = createElement({ dataset: { headwayEndpoint: "/", headwayCourse: "1", headwayToken: "t", ...dataset } });
  document.querySelector = (selector) => (selector === "script[data-headway-endpoint]" ? script : null);
  document.querySelectorAll = (selector) => (selector.includes("video") ? elements.videos : elements.units);
  const calls: unknown[][] = [];
  const end = new AbortController();
  const tracker = {
    signal: end.signal,
    setUnit: (unit: number, { element }: { element?: unknown } = {}) => calls.push(["setUnit", unit, element]),
    track: (...given: unknown[]) => calls.push(["track", ...given]),
    trackVideo(...given: unknown[]) {
      calls.push(["trackVideo", ...given]);
      return () => calls.push(["end", ...given]);
    },
  } as unknown as Tracker;
  let options: Options | undefined;
  const declared = declare(window, (given) => {
    options = given;
    if (given.element) calls.push(["init", given.unit, given.element]);
    return tracker;
  });
  const mutate = () => page.mutationObservers[0]!.tell([]);
  const shown = () => calls.filter(([name]) => name === "init" || name === "setUnit").at(-1)?.[1];
  return { page, calls, elements, mutate, shown, declared, options: () => options!, end };
}

/** An element of a unit that takes the page from `top` to `bottom`; the viewport is 500 high. */
const unit = (id: string, top: number, bottom: number) =>
  createElement({ dataset: { headwayUnit: id }, rect: { top, bottom, left: 0, right: 1000 } });

test("a script's attributes are its options", async () => {
  const { options } = start({ headwayUnit: "5", headwayIdleSeconds: "30", headwayUser: "17", other: "x" });
  assert.deepEqual(options(), { endpoint: "/", course: 1, token: "t", unit: 5, idleSeconds: 30, user: "17" });
});

test("a page without such a script is left alone", () => {
  const { window } = createPage();
  assert.equal(declare(window, () => assert.fail()), undefined);
});

test("a token is asked of the page's own server, with its cookie", async () => {
  const { window, page } = createPage();
  const script = createElement({ dataset: { headwayTokenUrl: "/token" } });
  const { getToken } = readOptions(script as unknown as HTMLElement, window.fetch);
  page.answer = () => ({ token: "fresh" });
  assert.equal(await getToken!(), "fresh");
  // By default a request has the cookies of the page's own origin, and no others.
  assert.deepEqual(page.requests, [{ url: "/token", init: undefined }]);
  page.answer = () => new Response("", { status: 403 });
  await assert.rejects(async () => getToken!(), /\/token: 403/);
});

test("the tracker begins with the most visible element's unit", () => {
  const units = [unit("5", -400, 100), unit("6", 100, 900), unit("7", 900, 1500)];
  const { calls } = start({}, units);
  assert.deepEqual(calls, [["init", 6, units[1]]]);
});

test("of units that are equally visible the inner one is shown, and one beside the page never", () => {
  const beside = createElement({ dataset: { headwayUnit: "8" }, rect: { top: 0, bottom: 500, left: 1000, right: 2000 } });
  const { shown } = start({}, [unit("5", 0, 500), unit("6", 0, 500), beside]);
  assert.equal(shown(), 6);
});

test("another unit is shown once the page rests", async () => {
  const [one, two] = [unit("5", 0, 500), unit("6", 500, 1000)];
  const { page, shown } = start({}, [one, two]);
  [one.rect.top, one.rect.bottom, two.rect.top, two.rect.bottom] = [-400, 100, 100, 600];
  for (const type of ["scroll", "keyup", "resize", "popstate", "click"]) {
    page.fire(type);
    await page.advance(400);
    assert.equal(shown(), 5);
    assert.equal(page.timers.size, 1);
  }
  await page.advance(100);
  assert.equal(shown(), 6);
  assert.equal(page.timers.size, 0);
});

test("a unit stays where none is visible", async () => {
  const one = unit("5", 0, 500);
  const { page, calls } = start({ headwayUnit: "9" }, [one]);
  one.rect.top = one.rect.bottom = -100;
  page.fire("scroll");
  await page.advance(2000);
  assert.deepEqual(calls.map(([, id]) => id), [5]);
});

test("an app that replaces the unit's element, or its attribute, shows the other unit at once", () => {
  const one = unit("5", 0, 500);
  const { elements, mutate, shown } = start({}, [one]);
  one.isConnected = false;
  elements.units = [unit("6", 0, 500)];
  mutate();
  assert.equal(shown(), 6);
  elements.units[0]!.dataset.headwayUnit = "7";
  mutate();
  assert.equal(shown(), 7);
});

test("an element that an app makes one of no unit is no longer shown", () => {
  const one = unit("5", 0, 500);
  const { elements, mutate, shown } = start({ headwayUnit: "9" }, [one]);
  delete one.dataset.headwayUnit;
  elements.units = [];
  mutate();
  assert.equal(shown(), 9);
});

test("a page from which the units are gone shows the script's unit", () => {
  const one = unit("5", 0, 500);
  const { elements, mutate, shown } = start({ headwayUnit: "9" }, [one]);
  one.isConnected = false;
  elements.units = [];
  mutate();
  assert.equal(shown(), 9);
});

test("an app that changes something else moves nothing", async () => {
  const { mutate, page, calls } = start({}, [unit("5", 0, 500)]);
  for (let times = 0; times < 100; times++) mutate();
  assert.equal(page.timers.size, 0);
  assert.deepEqual(new Set(calls.map(([, id]) => id)), new Set([5])); // which the tracker shows already
});

test("a click on what is declared is tracked, with its address", () => {
  const { page, calls } = start();
  const link = { id: "", href: "https://school.example/a.pdf", dataset: { headwayTrack: "resource_download" } };
  page.fire("click", createElement({ closest: (selector: string) => (selector === "[data-headway-track]" ? link : null) }));
  page.fire("click", createElement());
  page.fire("click", {}); // a text node, or the document
  const metadata = { id: "", url: "https://school.example/a.pdf" };
  assert.deepEqual(calls, [["track", "resource_download", { metadata }]]);
  const button = { id: "ask", dataset: { headwayTrack: "discussion_post" } };
  page.fire("click", createElement({ closest: () => button }));
  assert.deepEqual(calls.at(-1), ["track", "discussion_post", { metadata: { id: "ask", url: undefined } }]);
});

test("each declared video is tracked once, for its own unit", () => {
  const inUnit = createElement({ closest: () => unit("6", 0, 0) });
  const { calls, elements, mutate } = start();
  elements.videos = [inUnit, createElement()];
  mutate();
  mutate();
  const videos = calls.filter(([name]) => name === "trackVideo");
  assert.deepEqual(videos.map(([, video, id]) => [elements.videos.indexOf(video as Element), id]), [[0, 6], [1, NaN]]);
});

test("a declared video is tracked anew once the element around it is another unit", () => {
  const around = unit("5", 0, 500);
  const video = createElement({ closest: () => around });
  const { calls, elements, mutate } = start({}, [around]);
  elements.videos = [video];
  mutate();
  around.dataset.headwayUnit = "6";
  mutate();
  mutate();
  const told = calls.filter(([name]) => name === "trackVideo" || name === "end").map(([name, , id]) => [name, id]);
  assert.deepEqual(told, [["trackVideo", 5], ["trackVideo", 6], ["end", 5]]);
});

test("a declared video that leaves the page is no longer tracked, until it comes back", () => {
  const video = createElement();
  const { calls, elements, mutate } = start();
  elements.videos = [video];
  mutate();
  mutate();
  video.isConnected = false;
  elements.videos = [];
  mutate();
  mutate();
  video.isConnected = true;
  elements.videos = [video];
  mutate();
  assert.deepEqual(calls.map(([name]) => name).filter((name) => name !== "setUnit"), ["trackVideo", "end", "trackVideo"]);
});

test("a tracker that has stopped leaves nothing behind", () => {
  const { end, page } = start({}, [unit("5", 0, 500)]);
  assert.ok(page.listeners > 0);
  end.abort();
  assert.deepEqual([page.listeners, page.mutationObservers[0]!.observed.size], [0, 0]);
});
