/** The film of the demo, drawn on a canvas: `drawFilm(context, seconds)` draws the picture of an instant. `make.py` films it. */

const FILM = { width: 960, height: 540, seconds: 76 };
const INK = "#e9f1ee", SOFT = "#9db3af", FAINT = "#2c4245", PAPER = "#0f1d20", PANEL = "#172a2e";
const TEAL = "#4fd1b5", AMBER = "#f3bd5b", ROSE = "#f08c7e";
const FONT = '"Inter", "Helvetica Neue", Arial, sans-serif';

const clamp = (value, from = 0, to = 1) => Math.min(to, Math.max(from, value));
const smooth = (share) => share * share * (3 - 2 * share);
/** How far an instant is between two others, from 0 to 1, starting and ending gently. */
const between = (time, from, to) => smooth(clamp((time - from) / (to - from)));
const minutes = (value) => `${Math.round(value)} min`;
const length = (spans) => spans.reduce((sum, [from, to]) => sum + to - from, 0);
const until = (spans, end) => spans.filter(([from]) => from < end).map(([from, to]) => [from, Math.min(to, end)]);

function drawFilm(context, time) {
  context.globalAlpha = 1;
  context.fillStyle = PAPER;
  context.fillRect(0, 0, FILM.width, FILM.height);
  const scene = SCENES.find(({ from, to }) => time >= from && time < to) ?? SCENES.at(-1);
  const shown = between(time, scene.from, scene.from + 0.6) * (1 - between(time, scene.to - 0.5, scene.to));
  const pen = makePen(context, scene.isLast ? between(time, scene.from, scene.from + 0.6) : shown);
  if (scene.title) pen.text(scene.title, 64, 74, { size: 34, weight: 600 });
  scene.draw(pen, time - scene.from);
}

/** What draws with an opacity: that of the scene, times that of the thing. */
function makePen(context, shown) {
  const alpha = (opacity) => { context.globalAlpha = shown * opacity; };
  return {
    text(words, x, y, { size = 22, weight = 400, color = INK, align = "left", opacity = 1 } = {}) {
      alpha(opacity);
      context.font = `${weight} ${size}px ${FONT}`;
      context.textAlign = align;
      context.fillStyle = color;
      context.fillText(words, x, y);
    },
    box(x, y, width, height, color, { radius = 6, opacity = 1, stroke = false } = {}) {
      if (width <= 0) return;
      alpha(opacity);
      context.beginPath();
      context.roundRect(x, y, width, height, Math.min(radius, width / 2, height / 2));
      context.fillStyle = context.strokeStyle = color;
      context.lineWidth = 2;
      if (stroke) context.stroke(); else context.fill();
    },
    line(x1, y1, x2, y2, color, { width = 2, opacity = 1 } = {}) {
      alpha(opacity);
      context.strokeStyle = color;
      context.lineWidth = width;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    },
    dot(x, y, radius, color, opacity = 1) {
      alpha(opacity);
      context.fillStyle = color;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
    },
  };
}

/** An hour from left to right. */
const HOUR = { x: 64, width: 832 };
const at = (minute) => HOUR.x + (minute / 60) * HOUR.width;

function drawHour(pen, y, opacity = 1) {
  for (let minute = 0; minute <= 60; minute += 5) {
    const isLabelled = minute % 15 === 0;
    pen.line(at(minute), y, at(minute), y + (isLabelled ? 9 : 5), FAINT, { opacity });
    if (isLabelled) pen.text(String(minute), at(minute), y + 32, { size: 17, color: SOFT, align: "center", opacity });
  }
}

function drawSpans(pen, spans, y, color, { height = 34, opacity = 1 } = {}) {
  for (const [from, to] of spans) pen.box(at(from), y, at(to) - at(from), height, color, { opacity });
}

function drawFigure(pen, label, value, x, y, color = INK, opacity = 1) {
  pen.text(label, x, y, { size: 19, color: SOFT, opacity });
  pen.text(value, x, y + 46, { size: 42, weight: 600, color, opacity });
}

/* One: the title. */
function drawTitle(pen, time) {
  const grown = between(time, 0.6, 4.6);
  pen.text("Where an hour of study goes", 64, 196, { size: 52, weight: 700 });
  pen.box(HOUR.x, 240, HOUR.width, 12, FAINT);
  pen.box(HOUR.x, 240, HOUR.width * grown, 12, TEAL);
  drawHour(pen, 268);
}

/* Two: what happens while a tab is open. */
const MOMENTS = [
  [0, 9, "Reading", true],
  [9, 21, "Another tab is in front", false],
  [21, 28, "Reading again", true],
  [28, 29, "Away from the desk: the last minute of use still counts", true],
  [29, 40, "Nobody has touched the page for a minute", false],
  [40, 49, "The lid is closed", false],
  [49, 60, "A video plays", true],
];
const ACTIVE = [[0, 9], [21, 29], [49, 60]];

function drawTab(pen, time) {
  const minute = 60 * clamp((time - 1) / 13.5);
  const [, , words, isActive] = MOMENTS.find(([from, to]) => minute >= from && minute < to) ?? MOMENTS.at(-1);
  pen.text(minute < 60 ? words : "The hour is over", 64, 142, { size: 24, weight: 500, color: isActive ? TEAL : AMBER });
  pen.box(HOUR.x, 172, HOUR.width, 44, PANEL);
  pen.box(HOUR.x, 172, at(minute) - HOUR.x, 44, FAINT);
  drawSpans(pen, until(ACTIVE, minute), 172, TEAL, { height: 44 });
  pen.line(at(minute), 162, at(minute), 226, INK, { width: 3 });
  drawHour(pen, 234);
  drawFigure(pen, "The tab was open", minutes(minute), 64, 336, SOFT);
  drawFigure(pen, "Study time", minutes(length(until(ACTIVE, minute))), 480, 336, TEAL);
}

/* Three: the union. */
const TAB_A = [[4, 26], [34, 48]], TAB_B = [[14, 30], [42, 56]], UNION = [[4, 30], [34, 56]];

function drawUnion(pen, time) {
  const grown = 60 * clamp((time - 0.8) / 4), fallen = between(time, 6, 8.5), merged = between(time, 8.5, 9.5);
  pen.text("One tab", 64, 118, { size: 19, color: SOFT });
  drawSpans(pen, until(TAB_A, grown), 128, TEAL);
  pen.text("Another", 64, 190, { size: 19, color: SOFT });
  drawSpans(pen, until(TAB_B, grown), 200, AMBER);
  drawSpans(pen, TAB_A, 128 + 144 * fallen, TEAL, { opacity: 0.75 * (1 - merged) * (fallen > 0) });
  drawSpans(pen, TAB_B, 200 + 72 * fallen, AMBER, { opacity: 0.75 * (1 - merged) * (fallen > 0) });
  pen.text("What the learner did", 64, 262, { size: 19, color: SOFT, opacity: merged });
  drawSpans(pen, UNION, 272, INK, { opacity: merged });
  drawHour(pen, 314);
  const counted = between(time, 5, 5.6);
  drawFigure(pen, "Added up", minutes(length(TAB_A) + length(TAB_B)), 64, 378, SOFT, counted);
  pen.line(60, 409, 60 + 138 * between(time, 10.2, 10.8), 409, ROSE, { width: 4, opacity: between(time, 10.1, 10.3) });
  drawFigure(pen, "United", minutes(length(UNION)), 480, 378, TEAL, merged);
}

/* Four: a lost answer. */
function drawRetry(pen, time) {
  const left = 64, right = 656, top = 114, wide = 240;
  for (const [x, name] of [[left, "Page"], [right, "Server"]]) {
    pen.box(x, top, wide, 190, PANEL, { radius: 14 });
    pen.text(name, x + wide / 2, top + 38, { size: 20, weight: 600, color: SOFT, align: "center" });
  }
  const isStored = time > 3, isLost = time > 5, isSentAgain = time > 7.5, isKnown = time > 9.6, isTold = time > 11.6;
  pen.box(left + 40, top + 64, 160, 46, isTold ? PANEL : FAINT, { radius: 10 });
  pen.text(isTold ? "done" : "report 7f3a", left + 120, top + 94, { size: 20, align: "center", color: isTold ? TEAL : INK });
  pen.text("1 stored", right + 120, top + 94, { size: 26, weight: 600, align: "center", color: TEAL, opacity: between(time, 3, 3.4) });
  if (isKnown) pen.text("7f3a: known", right + 120, top + 134, { size: 20, align: "center", color: AMBER, opacity: between(time, 9.6, 10) });
  const fly = (from, to, start, end, y, words, color, stop = 1) => {
    const share = between(time, start, end);
    if (share <= 0 || (share >= 1 && stop === 1)) return;
    const x = from + (to - from) * Math.min(share, stop);
    const isStopped = share > stop;
    pen.box(x - 62, y - 24, 124, 40, isStopped ? ROSE : color, { radius: 20, opacity: isStopped ? 1 - between(time, end - 0.2, end + 0.8) : 1 });
    pen.text(words, x, y + 3, { size: 18, weight: 600, color: PAPER, align: "center", opacity: isStopped ? 1 - between(time, end - 0.2, end + 0.8) : 1 });
  };
  const start = left + wide + 70, end = right - 70;
  fly(start, end, 1, 3, 178, "7f3a", TEAL);
  fly(end, start, 3.4, 5.4, 246, "stored", SOFT, 0.5);
  fly(start, end, 7.5, 9.5, 178, "7f3a", TEAL);
  fly(end, start, 10, 11.6, 246, "duplicate", AMBER);
  const words = isTold ? "Sent twice, counted once." : isSentAgain ? "So the page sends it again, with the same name." : isLost ? "The answer is lost. Was the report stored? The page cannot know." : isStored ? "The server stores it, and answers." : "Each report has a name of its own.";
  pen.text(words, 64, 374, { size: 26, weight: 500, color: isTold ? TEAL : INK });
}

/* Five: watched and reached. */
function drawVideo(pen, time) {
  const bar = { x: 64, y: 164, width: 832, height: 54 };
  const place = (share) => bar.x + bar.width * share;
  const first = 0.35 * clamp((time - 1) / 2.6), second = 0.15 * clamp((time - 5.2) / 1.4), third = 0.45 * clamp((time - 9.4) / 3);
  const spans = [[0, first], [0.8, 0.8 + second], [0.35, 0.35 + third]].filter(([from, to]) => to > from);
  const watched = first + second + third, reached = second > 0 ? 0.8 + second : first;
  const head = time < 3.6 ? first : time < 4.4 ? 0.35 : time < 5.2 ? 0.35 + 0.45 * between(time, 4.4, 5.2) : time < 8.2 ? 0.8 + second : 0.35 + third;
  const words = time < 4.2 ? "Played" : time < 5.2 ? "Skipped" : time < 8.2 ? "Played" : "The next day: what was missing";
  pen.text(words, 64, 130, { size: 24, weight: 500, color: words === "Skipped" ? AMBER : TEAL });
  pen.box(bar.x, bar.y, bar.width, bar.height, PANEL, { radius: 8 });
  for (const [from, to] of spans) pen.box(place(from), bar.y, place(to) - place(from), bar.height, TEAL, { radius: 3 });
  pen.line(place(head), bar.y - 12, place(head), bar.y + bar.height + 12, INK, { width: 3 });
  pen.dot(place(head), bar.y - 14, 7, INK);
  if (reached > 0.4) pen.line(place(reached), bar.y + bar.height + 6, place(reached), bar.y + bar.height + 24, AMBER, { width: 3 });
  drawFigure(pen, "Watched", `${Math.round(watched * 100)} %`, 64, 318, TEAL);
  drawFigure(pen, "Reached", `${Math.round(reached * 100)} %`, 480, 318, AMBER);
}

/* Six: the end. */
function drawEnd(pen, time) {
  pen.text("What was done.", 480, 214, { size: 50, weight: 700, align: "center" });
  pen.text("Once.", 480, 286, { size: 50, weight: 700, align: "center", color: TEAL, opacity: between(time, 1.2, 1.8) });
  pen.text("Headway", 480, 372, { size: 22, weight: 500, align: "center", color: SOFT, opacity: between(time, 2.4, 3) });
}

const SCENES = [
  { from: 0, to: 6, draw: drawTitle },
  { from: 6, to: 24, title: "An open tab is not study", draw: drawTab },
  { from: 24, to: 38, title: "Two tabs, one learner", draw: drawUnion },
  { from: 38, to: 53, title: "A lost answer", draw: drawRetry },
  { from: 53, to: 69, title: "Watched is not reached", draw: drawVideo },
  { from: 69, to: FILM.seconds, draw: drawEnd, isLast: true },
];

/** Opened in a browser, the film plays at once. */
if (!location.hash) {
  const context = document.querySelector("canvas").getContext("2d");
  const play = (now) => { drawFilm(context, (now / 1000) % FILM.seconds); requestAnimationFrame(play); };
  requestAnimationFrame(play);
}
