// Counts what scripts that come later have the browser run: timers, frames, listeners, observers and requests.
"use strict";
{
  window.runs = {};
  const count = (name) => (runs[name] = (runs[name] ?? 0) + 1);
  const countCalls = (owner, name, position) => {
    const real = owner[name];
    owner[name] = function (...given) {
      const called = given[position];
      if (typeof called === "function") {
        given[position] = function (...details) {
          count(name);
          return called.apply(this, details);
        };
      }
      return real.apply(this, given);
    };
  };
  for (const name of ["setTimeout", "setInterval", "requestAnimationFrame", "requestIdleCallback", "queueMicrotask"]) countCalls(window, name, 0);
  countCalls(EventTarget.prototype, "addEventListener", 1);
  for (const name of ["IntersectionObserver", "MutationObserver", "ResizeObserver", "PerformanceObserver"]) {
    const Real = window[name];
    window[name] = class extends Real {
      constructor(tell, ...rest) {
        super((...details) => {
          count(name);
          tell(...details);
        }, ...rest);
      }
    };
  }
  const request = window.fetch;
  window.fetch = (...given) => {
    count("fetch");
    return request(...given);
  };
}
