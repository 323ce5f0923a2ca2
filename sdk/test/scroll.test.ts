import assert from "node:assert/strict";
import { test } from "node:test";
import { createScroll } from "../src/scroll.ts";
import { createElement, createPage } from "./fakes.ts";

/** Begin to measure an element. `see` says what the observer would tell of it. */
function makeScroll(element = createElement()) {
  const { window, page } = createPage();
  const scroll = createScroll(window.IntersectionObserver);
  const observer = page.observers[0]!;
  scroll.observe(element as unknown as Element);
  const see = (top: number, bottom: number, height: number, target: unknown = element) =>
    observer.tell([{ target, isIntersecting: bottom > top, boundingClientRect: { top, height }, intersectionRect: { bottom } }]);
  const depth = () => scroll.contribute()?.engagement_metrics?.scroll_depth;
  return { scroll, observer, element, see, depth };
}

test("the depth is the largest share that was above the lower end of the viewport", () => {
  const { see, depth } = makeScroll();
  see(100, 500, 1000);
  assert.equal(depth(), 40);
  see(-500, 500, 1000);
  assert.equal(depth(), 100);
});

test("the depth is told where it has grown only", () => {
  const { see, depth } = makeScroll();
  assert.equal(depth(), undefined);
  see(0, 500, 1000);
  assert.equal(depth(), 50);
  see(200, 500, 1000);
  assert.equal(depth(), undefined);
});

test("an element that grows keeps its depth", () => {
  const { see, depth } = makeScroll();
  see(0, 500, 500);
  assert.equal(depth(), 100);
  see(0, 500, 5000);
  assert.equal(depth(), undefined);
});

test("an element that is out of view, or empty, has no depth", () => {
  const { see, depth } = makeScroll();
  see(600, 500, 1000);
  see(0, 0, 0);
  assert.equal(depth(), undefined);
});

test("a pixel that browsers round away is no depth that is missing", () => {
  const { see, depth } = makeScroll();
  see(-499.6, 500, 1000.4);
  assert.equal(depth(), 100);
});

test("the depth of an element that scrolls itself is that of its content", () => {
  const { see, depth, element } = makeScroll(createElement({ scrollHeight: 2000, scrollTop: 600 }));
  see(0, 400, 400);
  assert.equal(depth(), 50);
  element.scrollTop = 1600;
  see(0, 400, 400);
  assert.equal(depth(), 100);
});

test("the depth of the document counts from its scroll position, however high its root's box is", () => {
  const root = createElement({ scrollHeight: 2000, clientHeight: 500, scrollTop: 500 });
  root.ownerDocument = { documentElement: root };
  const { see, depth } = makeScroll(root);
  see(-500, 0.5, 500);
  assert.equal(depth(), 50);
});

test("another element begins anew", () => {
  const { scroll, see, depth } = makeScroll();
  see(0, 500, 1000);
  const other = createElement();
  scroll.observe(other as unknown as Element);
  assert.equal(depth(), undefined);
  see(0, 500, 500); // of the former element
  assert.equal(depth(), undefined);
  see(0, 500, 2000, other);
  assert.equal(depth(), 25);
});

test("each measure has the observer tell anew, the first one only what was not measured", () => {
  const { scroll, observer, element } = makeScroll();
  const calls: string[] = [];
  observer.disconnect = () => void calls.push("disconnect");
  observer.observe = (target) => void calls.push(target === element ? "observe" : "other");
  scroll.measure(true);
  scroll.measure();
  scroll.observe(element as unknown as Element);
  assert.deepEqual(calls, ["observe", "disconnect", "observe", "disconnect"]);
});
