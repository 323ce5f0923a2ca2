/** The panel: shows what the server knows, what was sent, and what waits. It decides nothing. */

const SVG = "http://www.w3.org/2000/svg";
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const ROWS = 40; // of reports that are shown
const find = (id) => document.getElementById(id);

const NAMES = {
  unit_view: "Reading", course_view: "Reading", video_progress: "Film", video_play: "Film: play", video_pause: "Film: pause",
  video_seek: "Film: skip", video_complete: "Film: end", link_click: "Link",
};

/** Make the panel of a course. */
export function makePanel() {
  const units = new Map();
  let spoken = "";

  function makeUnit(content) {
    const item = find("unit").content.firstElementChild.cloneNode(true);
    const [title, progress] = [item.querySelector("h3"), item.querySelector("progress")];
    title.append(span(content.title), span(""));
    progress.setAttribute("aria-label", `Progress in ${content.title}`);
    for (const part of item.querySelectorAll("[data-only]")) part.toggleAttribute("hidden", part.dataset.only !== content.completion.rule); // an SVG has no property for it
    find("units").append(item);
    return item;
  }

  function showUnit(content) {
    const id = content.courseContentId;
    const item = units.get(id) ?? makeUnit(content);
    units.set(id, item);
    const { evidence, missing } = content;
    const wasComplete = item.dataset.status === "COMPLETED";
    item.dataset.status = content.progressStatus;
    item.querySelector("progress").value = content.progressPercent;
    item.querySelector("h3").lastChild.textContent = percent(content.progressPercent);
    item.querySelector(".missing").textContent = missing ? `Missing: ${missing}.` : "Complete.";
    fact(item, "study", clock(evidence.studySeconds));
    fact(item, "scroll", percent(evidence.scrollDepth));
    showVideo(item, evidence);
    if (!missing && !wasComplete) tell(`${content.title} is complete.`);
  }

  function showVideo(item, { video }) {
    fact(item, "watched", percent(video?.watched));
    fact(item, "reached", percent(video?.reached));
    const strip = item.querySelector(".strip");
    const whole = video?.durationSeconds;
    const parts = whole ? (video.segments ?? []) : [];
    strip.querySelector("g").replaceChildren(...parts.map(([from, to]) => rect((from / whole) * 100, ((to - from) / whole) * 100)));
    strip.querySelector(".reached").setAttribute("x", whole ? Math.min(99.4, video.reached) : -1);
    const said = parts.map(([from, to]) => `${clock(from)} to ${clock(to)}`).join(", ");
    strip.setAttribute("aria-label", said ? `Watched: ${said}` : "Nothing watched yet");
  }

  function tell(words) {
    if (words === spoken) return;
    find("told").textContent = spoken = words;
  }

  return {
    tell,
    /** Show a read of the course room, with `include=why`. */
    showProgress({ enrollments, why }) {
      if (!enrollments) return void (find("calculation").textContent = "This account is not enrolled in the course. Sign in as the learner of the demo.");
      why.contents.filter(({ courseContentId: id }) => document.querySelector(`[data-headway-unit="${id}"]`)).forEach(showUnit);
      find("course-percent").value = why.progressPercent;
      find("course-text").textContent = percent(why.progressPercent);
      find("calculation").textContent = why.calculation;
      const seconds = why.contents.reduce((sum, { evidence }) => sum + evidence.studySeconds, 0);
      find("brief").textContent = `${clock(seconds)} studied, ${percent(why.progressPercent)}`;
    },
    showState(state, words) {
      find("state").dataset.state = state;
      find("state").textContent = words;
    },
    showWaiting(count) {
      const words = count === undefined ? "This browser keeps no reports." : count === 1 ? "1 waits in this browser." : `${count} wait in this browser.`;
      if (find("waiting").textContent !== words) find("waiting").textContent = words;
    },
    showReports(reports) {
      const rows = find("reports").tBodies[0];
      for (const report of reports) rows.prepend(row(report, [...units.keys()]));
      while (rows.rows.length > ROWS) rows.lastElementChild.remove();
      const newest = reports.findLast(({ event }) => event.start_time);
      if (newest) for (const [id, item] of units) item.toggleAttribute("data-is-now", id === newest.event.unit_id);
    },
  };
}

function row({ event, status, errors }, order) {
  const made = document.createElement("tr");
  const when = new Date(event.end_time ?? event.start_time ?? Date.now());
  const verdict = cell(status);
  verdict.dataset.verdict = status;
  if (errors?.length) verdict.title = errors.map(({ field, message }) => `${field} ${message}`).join("; ");
  const part = order.indexOf(event.unit_id);
  made.append(cell(when.toLocaleTimeString([], TIME)), cell(describe(event, part)), verdict);
  return made;
}

function describe({ activity_type: type, start_time: start, end_time: end, engagement_metrics: metrics }, part) {
  const what = [NAMES[type] ?? type];
  if (part >= 0 && !type.startsWith("video")) what.push(`in part ${["one", "two"][part] ?? part + 1}`);
  const facts = [];
  if (start && end) facts.push(`${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(1)} s`);
  for (const [from, to] of metrics?.video_segments ?? []) facts.push(`${clock(from)}–${clock(to)}`);
  if (metrics?.scroll_depth !== undefined) facts.push(`depth ${Math.floor(metrics.scroll_depth)} %`);
  return what.join(" ") + (facts.length ? `, ${facts.join(", ")}` : "");
}

function cell(words) {
  const made = document.createElement("td");
  made.textContent = words;
  return made;
}

function span(words) {
  const made = document.createElement("span");
  made.textContent = words;
  return made;
}

function rect(x, width) {
  const made = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x, width, height: 6 })) made.setAttribute(name, value);
  return made;
}

function fact(item, name, words) {
  item.querySelector(`[data-fact=${name}]`).textContent = words;
}

/** `93.10` as `93 %`: cut, as the server cuts. */
function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.floor(Number(value))} %`;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
