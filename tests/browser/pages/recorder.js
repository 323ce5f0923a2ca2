// The page's own record of what a learner does, made without the tracker: what is stored is compared with it.
// Instants are seconds since 1970 by the monotonic clock of the browser, which no test moves.
"use strict";
{
  const { timeOrigin } = performance;
  const read = performance.now.bind(performance);
  const seconds = () => (timeOrigin + read()) / 1000;
  const record = { states: [], uses: [], faults: [] };
  // A tracker cannot see what comes before its script.
  const begin = () => performance.getEntriesByType("resource").find(({ name }) => name.includes("/sdk/headway.js")).responseEnd;
  const media = () => [...document.querySelectorAll("video")];
  const isPlaying = (video) => !video.paused && !video.ended && !video.seeking && video.readyState > 2;

  const note = () => {
    const isAttended = document.visibilityState === "visible" && document.hasFocus() && !document.prerendering;
    record.states.push({ at: seconds(), isAttended, isPlaying: media().some(isPlaying) });
  };
  for (const type of ["focus", "blur", "pageshow", "pagehide"]) addEventListener(type, note);
  for (const type of ["visibilitychange", "freeze", "resume", "prerenderingchange"]) document.addEventListener(type, note);
  // Media events do not bubble.
  for (const type of ["playing", "pause", "ended", "waiting", "seeking", "seeked"]) document.addEventListener(type, note, true);
  for (const type of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart", "scroll"])
    addEventListener(type, () => record.uses.push(seconds()), { capture: true, passive: true });
  document.addEventListener("securitypolicyviolation", (event) => record.faults.push(`${event.violatedDirective} ${event.blockedURI}`));
  addEventListener("error", (event) => record.faults.push(event.message));
  addEventListener("unhandledrejection", (event) => record.faults.push(String(event.reason)));
  note();

  window.readRecord = () => ({
    ...record,
    begin: (timeOrigin + begin()) / 1000,
    now: seconds(),
    played: media().map((video) => Array.from({ length: video.played.length }, (_, i) => [video.played.start(i), video.played.end(i)])),
  });
}
