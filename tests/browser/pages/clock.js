// Lets a test set the clock of the device, which is what the page's scripts read from then on. A sleep looks the same on most systems:
// the monotonic clock stands still. It comes after the recorder, which goes on with the real one.
"use strict";
{
  const Real = Date;
  let ahead = 0;
  window.setClock = (milliseconds) => (ahead = milliseconds);
  window.Date = class extends Real {
    constructor(...given) {
      super(...(given.length ? given : [Real.now() + ahead]));
    }
    static now() {
      return Real.now() + ahead;
    }
  };
  setClock(JSON.parse(new URLSearchParams(location.search).get("o")).clockAhead ?? 0);
}
