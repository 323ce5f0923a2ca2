/** How much of a unit has been in view: the largest share of its element whose lower end was above the lower end of the viewport. */

import type { Contributor } from "./report.ts";

export interface Scroll extends Contributor {
  /** Begin anew with an element, and measure it when told to. */
  observe(element: Element): void;
  /** Measure with the next frame, at most once in it; where `isFirst`, only if the element was not measured before. */
  measure(isFirst?: boolean): void;
}

/** What may be missing at the end, in pixels: browsers round. */
const TOLERANCE = 1;

/**
 * Make the measure of depth, in whole percents.
 *
 * An observer measures where the browser lays out the page anyway, and cuts what containers, also frames, hide. It tells about a newly
 * observed element once, with the next frame.
 */
export function createScroll(Observer: typeof IntersectionObserver): Scroll {
  let element: Element;
  let depth = 0;
  let told = 0;
  const observer = new Observer((entries) => {
    for (const { target, isIntersecting, intersectionRect, boundingClientRect } of entries) {
      // The box of the root moves with what it scrolls, that of another container does not.
      const isRoot = target === target.ownerDocument.documentElement;
      const inView = isRoot ? target.clientHeight : intersectionRect.bottom - boundingClientRect.top;
      const share = (inView + target.scrollTop + TOLERANCE) / Math.max(target.scrollHeight, boundingClientRect.height);
      if (target === element && isIntersecting) depth = Math.max(depth, Math.floor(Math.min(share, 1) * 100));
    }
  });
  return {
    observe(next) {
      observer.disconnect();
      element = next;
      depth = told = 0;
    },
    measure(isFirst) {
      if (!isFirst) observer.disconnect();
      observer.observe(element);
    },
    contribute: () => (depth > told ? { engagement_metrics: { scroll_depth: (told = depth) } } : undefined),
  };
}
