// The tracker at work in a unit whose content is on the page.
import { init } from "/sdk/headway.mjs";

const reading = document.getElementById("reading");
const { course, unit, user, beatSeconds, flushSeconds } = reading.dataset;

const warning = document.getElementById("not-recorded");

async function getToken() {
  try {
    const response = await fetch("/app/token", { method: "POST" });
    // Who is signed out is led to the page of signing in, which is no token.
    const { token } = await response.json();
    warning.hidden = true;
    return token;
  } catch (error) {
    warning.hidden = false;
    throw error;
  }
}

const tracker = init({
  endpoint: "/",
  course: Number(course),
  user,
  getToken,
  beatSeconds: Number(beatSeconds),
  flushSeconds: Number(flushSeconds),
});
tracker.setUnit(Number(unit), { element: reading });
for (const video of reading.querySelectorAll("[data-headway-video]")) tracker.trackVideo(video, Number(unit));

// Study time that moves no percent is told to nobody: what is shown beside the text is read again once a report was stored.
new PerformanceObserver((list) => {
  if (list.getEntries().some(({ name }) => name.endsWith("/api/courses/activity/batch"))) document.dispatchEvent(new Event("headway:changed"));
}).observe({ type: "resource" });
