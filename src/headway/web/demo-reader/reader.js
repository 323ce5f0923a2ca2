/** The demo's reader: joins the session, the requests, what the server knows, and the panel. The tracker stands in the page itself. */

import { followProgress } from "./live.js";
import { makePanel } from "./panel.js";
import { openSession } from "./session.js";
import { countWaiting, watchRequests } from "./wire.js";

const find = (id) => document.getElementById(id);
const course = Number(document.body.dataset.course);

const panel = makePanel();
let live;

// Before the tracker: it uses the `fetch` that it finds.
const wire = watchRequests({
  onVerdicts(reports) {
    panel.showReports(reports);
    find("again").disabled = !wire.hasBatch;
    live?.read();
  },
});
const session = openSession({
  onEnd: () => end("Your session has ended. Sign in to go on."),
  onOther: () => location.reload(),
});

/** Start the tracker, or go on with it after somebody signed in again. */
async function track() {
  const getToken = () => session.trackerToken();
  const own = { token: await getToken(), getToken };
  if (globalThis.Headway) return void Headway.tracker.identify(own);
  const tag = find("tracker").content.firstElementChild.cloneNode();
  tag.dataset.headwayToken = own.token;
  tag.addEventListener("load", () => Headway.tracker.identify(own)); // the same learner, with tokens for longer than an hour
  document.head.append(tag);
}

function begin() {
  const { user } = session;
  find("sign-in").hidden = true;
  find("panel").hidden = find("account").hidden = false;
  find("name").textContent = user.name;
  live = followProgress({
    course,
    user: user.id,
    token: () => session.token(),
    onKnown: panel.showProgress,
    onState: (isLive) => panel.showState(isLive ? "live" : "lost", isLive ? "Live" : "Connecting"),
  });
  track().catch(() => panel.tell("The tracker could not start."));
}

function end(words) {
  live?.stop();
  find("panel").hidden = find("account").hidden = true;
  find("sign-in").hidden = false;
  showError(words);
}

function showError(words) {
  find("sign-in-error").hidden = !words;
  find("sign-in-error").textContent = words;
}

find("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = find("sign-in").querySelector("button");
  button.disabled = true;
  showError("");
  try {
    await session.signIn(find("email").value, find("password").value);
    begin();
  } catch (error) {
    showError(error.message);
    find("password").focus();
  } finally {
    button.disabled = false;
  }
});

find("sign-out").addEventListener("click", async () => {
  await globalThis.Headway?.tracker?.stop().catch(() => {}); // sends what is left
  await session.signOut().catch(() => {});
  location.reload();
});

find("cut").addEventListener("click", () => {
  let left = Number(find("cut").dataset.seconds);
  find("cut").disabled = find("again").disabled = true;
  wire.cut(true);
  live.pause(true);
  panel.tell(`The network of this page is cut for ${left} seconds.`);
  const show = () => panel.showState("cut", `Offline for ${left} s`);
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) return show();
    clearInterval(timer);
    find("cut").disabled = false;
    find("again").disabled = !wire.hasBatch;
    wire.cut(false);
    live.pause(false);
    panel.showState("lost", "Connecting");
    panel.tell("The network is back.");
  }, 1000);
  show();
});

find("again").addEventListener("click", async () => {
  try {
    await wire.repeat(await session.token());
    panel.tell("The last batch was sent again. Its verdicts are in the list.");
  } catch {
    panel.tell("The batch could not be sent.");
  }
});

setInterval(async () => {
  if (live && document.visibilityState === "visible") panel.showWaiting(await countWaiting().catch(() => undefined));
}, 500);

// Beside the text the panel is always open; on a phone it is a line until somebody wants more.
const isWide = matchMedia("(min-width: 60rem)");
const fit = () => (find("panel").open = isWide.matches);
isWide.addEventListener("change", fit);
find("panel").querySelector("summary").addEventListener("click", (event) => isWide.matches && event.preventDefault());
fit();

if (session.user) begin();
