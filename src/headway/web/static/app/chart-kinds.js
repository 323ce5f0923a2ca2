/**
 * The kinds of charts. Each takes what a table says and the size of the plot, and returns the shapes of each row's mark, in order, and
 * what is drawn behind and before them: `{marks, behind, front, width?, columnStep?, startsAtEnd?}`.
 */
import { scaleBand, scaleLinear, scalePoint } from "./d3-scale.js";

const SVG = "http://www.w3.org/2000/svg";
/** The widest label below a plot; longer ones are cut. */
const WIDEST = 150;
const MARGIN = { top: 12, right: 8, bottom: 24 };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Pixels of a day in a calendar, and study times over which a day has the next shade. */
const SQUARE = 15;
const LEVELS = [0, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR];

/** The viewer's locale of the page's language: the server writes numbers by the same rule. */
const page = document.documentElement.lang || "en";
const locale = navigator.languages.find((each) => each === page || each.startsWith(`${page}-`)) ?? page;

const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
/** The pixels that a label takes; the style sheet gives labels this size. */
const widthOf = (text) => Math.ceil(ruler.measureText(text).width);

export const drawings = { bars, line, strips, scatter, funnel, quartiles, calendar };

function bars({ header, rows, width, height }) {
  const series = seriesOf(header);
  const plot = verticalPlot({ header, rows, width, height, series, scale: scaleBand().paddingInner(0.16).paddingOuter(0.08) });
  const inner = scaleBand(series, [0, plot.x.bandwidth()]).paddingInner(series.length > 1 ? 0.1 : 0);
  const marks = rows.map(({ cells }, i) => [
    hit(plot, i, plot.x.bandwidth()),
    ...series.filter((s) => cells[s].number >= 0).map((s) => {
      const y = plot.y(cells[s].number);
      return shape("rect", { class: classOf("fill point", cells[s], s), x: plot.x(i) + inner(s), width: inner.bandwidth(), y, height: plot.base - y, rx: 2 });
    }),
  ]);
  return { marks, behind: plot.behind };
}

function line({ header, rows, width, height }) {
  const series = seriesOf(header);
  const plot = verticalPlot({ header, rows, width, height, series, scale: scalePoint().padding(0.5) });
  const lines = series.flatMap((s) => linesOf(rows, s, plot, series.length === 1));
  const marks = rows.map(({ cells }, i) => [
    hit(plot, i, plot.x.step(), -plot.x.step() / 2),
    ...series.filter((s) => !Number.isNaN(cells[s].number)).map((s) =>
      shape("circle", { class: classOf("fill point dot", cells[s], s), cx: plot.x(i), cy: plot.y(cells[s].number), r: 3 })),
  ]);
  return { marks, behind: [...plot.behind, ...lines] };
}

/** A line for each run of rows that have a value, and the area below it where it is the only one. */
function linesOf(rows, s, plot, isAlone) {
  const runs = [[]];
  rows.forEach(({ cells }, i) => (Number.isNaN(cells[s].number) ? runs.push([]) : runs.at(-1).push([plot.x(i), plot.y(cells[s].number)])));
  return runs.filter((run) => run.length > 1).flatMap((run) => {
    const path = `M${run.map((point) => point.join()).join("L")}`;
    const area = shape("path", { class: `area series-${s}`, d: `${path}L${run.at(-1)[0]},${plot.base}L${run[0][0]},${plot.base}Z` });
    return [...(isAlone ? [area] : []), shape("path", { class: `stroke series-${s}`, d: path })];
  });
}

/** Columns without gaps, which stand for neighbouring parts of a video. Further columns are drawn over the first. */
function strips({ header, rows, width, height }) {
  const series = seriesOf(header);
  const plot = verticalPlot({ header, rows, width, height, series, scale: scaleBand() });
  const marks = rows.map(({ cells }, i) => [
    hit(plot, i, plot.x.bandwidth()),
    ...series.filter((s) => cells[s].number >= 0).map((s) => {
      const y = plot.y(cells[s].number);
      return shape("rect", { class: classOf("fill strip point", cells[s], s), x: plot.x(i), width: Math.max(plot.x.bandwidth() - 0.5, 0.5), y, height: plot.base - y });
    }),
  ]);
  return { marks, behind: plot.behind };
}

/** A dot for each row: its second column from left to right, its third upwards. */
function scatter({ header, rows, width, height }) {
  const up = axisOf(most(rows, [2]), header[2].unit);
  const across = axisOf(most(rows, [1]), header[1].unit);
  const left = leftOf(up);
  const base = height - MARGIN.bottom - 16;
  const x = across.scale.range([left, width - MARGIN.right - 6]);
  const y = up.scale.range([base, MARGIN.top + 16]);
  const behind = [
    ...gridOf(up, left, width),
    ...thinned(across.ticks, ({ text }) => text, width - left).map(({ at, text }) => below(x(at), base, text, width)),
    label(0, 10, header[2].text, "start", "title"),
    label(width - MARGIN.right, height - 4, header[1].text, "end", "title"),
  ];
  const marks = rows.map(({ cells }) =>
    Number.isNaN(cells[1].number) || Number.isNaN(cells[2].number)
      ? []
      : [shape("circle", { class: classOf("fill point spot", tonedCell(cells), 1), cx: x(cells[1].number), cy: y(cells[2].number), r: 4.5 })]);
  return { marks, behind };
}

/** Bars from left to right below their labels: the second column is the length, further ones are texts beside its text. */
function funnel({ rows, width, height }) {
  const slot = height / Math.max(rows.length, 1);
  const x = scaleLinear([0, most(rows, [1])], [0, width]);
  // A mark that is a link is named by its row: text within it would be another name.
  const front = rows.flatMap(({ cells }, i) => {
    const top = i * slot;
    const beside = cells.slice(1).filter(({ value }) => value).map(({ text }) => text).join(" · ");
    const room = width - widthOf(beside) - 16;
    return [label(0, top + 14, shortened(cells[0].text, room), "start"), label(width, top + 14, beside, "end", classOf("value", tonedCell(cells)))];
  });
  const marks = rows.map(({ cells }, i) => {
    const top = i * slot;
    return [
      shape("rect", { class: "hit", x: 0, y: top, width, height: slot }),
      shape("rect", { class: "track", x: 0, y: top + 20, width, height: slot - 28, rx: 3 }),
      shape("rect", { class: classOf("fill point", tonedCell(cells), 1), x: 0, y: top + 20, width: Math.max(x(cells[1].number || 0), 1), height: slot - 28, rx: 3 }),
    ];
  });
  return { marks, front };
}

/** A box for each row, of its smallest value, lower quartile, median, upper quartile and largest value. */
function quartiles({ header, rows, width, height }) {
  const base = height - MARGIN.bottom;
  const slot = base / Math.max(rows.length, 1);
  const axis = axisOf(most(rows, [5]), header[1].unit);
  const x = axis.scale.range([6, width - 24]);
  const behind = thinned(axis.ticks, ({ text }) => text, width).flatMap(({ at, text }) => [
    shape("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: base }),
    below(x(at), base, text, width),
  ]);
  const marks = rows.map(({ cells }, i) => {
    const [low, first, median, third, high] = cells.slice(1).map(({ number }) => x(number || 0));
    const top = i * slot + 20;
    const tall = slot - 28;
    const middle = top + tall / 2;
    return [
      shape("rect", { class: "hit", x: 0, y: i * slot, width, height: slot }),
      label(6, i * slot + 14, cells[0].text, "start"),
      shape("line", { class: "whisker", x1: low, x2: high, y1: middle, y2: middle }),
      shape("rect", { class: "box point", x: first, width: Math.max(third - first, 1), y: top, height: tall, rx: 2 }),
      shape("line", { class: "median", x1: median, x2: median, y1: top, y2: top + tall }),
    ];
  });
  return { marks, behind };
}

/** Days in columns of weeks, as far as the figure's `data-from` and `data-to` say; the second column is the shade. */
function calendar({ header, rows, options, width }) {
  const days = rows.map(({ cells }) => dayOf(cells[0].value));
  const from = options.from ? dayOf(options.from) : Math.min(...days);
  const to = options.to ? dayOf(options.to) : Math.max(...days);
  if (!Number.isFinite(from) || !Number.isFinite(to)) return { marks: rows.map(() => []) };
  const firstWeekday = (new Intl.Locale(locale).getWeekInfo?.() ?? new Intl.Locale(locale).weekInfo)?.firstDay ?? 1;
  const weekday = (day) => (((day + 4 - firstWeekday) % 7) + 7) % 7;
  const start = from - weekday(from);
  const left = 34;
  const place = (day) => ({ x: left + Math.floor((day - start) / 7) * SQUARE, y: 18 + weekday(day) * SQUARE, width: SQUARE - 2, height: SQUARE - 2, rx: 2 });
  const filled = new Set(days);
  const behind = [];
  for (let day = from; day <= to; day++) {
    if (!filled.has(day)) behind.push(shape("rect", { class: "level-0", ...place(day) }));
    if (new Date(day * DAY).getUTCDate() === 1 || (day === from && new Date(day * DAY).getUTCDate() < 12)) {
      behind.push(label(place(day).x, 11, dayText(day, { month: "short" }), "start"));
    }
  }
  for (const row of [0, 2, 4]) behind.push(label(0, 18 + row * SQUARE + 11, dayText(start + row, { weekday: "short" }), "start"));
  const needed = left + Math.ceil((to - start + 1) / 7) * SQUARE;
  const shades = legend(18 + 7 * SQUARE + 8, header[1].unit);
  const size = Math.max(needed, left + shades.width);
  // Where only the last weeks fit into the width, the legend is below them.
  behind.push(...shades.at(needed > width ? size - shades.width : left));
  const marks = rows.map(({ cells }, i) => [shape("rect", { class: `level-${levelOf(cells[1].number)} point`, ...place(days[i]) })]);
  return { marks, behind, width: size, columnStep: 7, startsAtEnd: needed > width };
}

function legend(top, unit) {
  const texts = LEVELS.map((over, i) => (i < LEVELS.length - 1 ? `≤ ${written(LEVELS[i + 1], unit)}` : `> ${written(over, unit)}`));
  const widths = texts.map((text) => SQUARE + 12 + widthOf(text));
  const before = (i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0);
  const at = (left) => texts.flatMap((text, i) => [
    shape("rect", { class: `level-${i + 1}`, x: left + before(i), y: top, width: SQUARE - 2, height: SQUARE - 2, rx: 2 }),
    label(left + before(i) + SQUARE + 2, top + 11, text, "start"),
  ]);
  return { width: before(texts.length), at };
}

const written = (value, unit) => {
  const [factor, format] = unitOf(value, unit);
  return format(value / factor);
};
const levelOf = (value) => LEVELS.filter((over) => value > over).length;
/** Days since 1970 of a date such as 2026-03-01. */
const dayOf = (text) => Math.round(Date.parse(`${text}T00:00:00Z`) / DAY);
const dayText = (day, options) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).format(new Date(day * DAY));

/** Scales, grid and labels of a plot whose rows stand from left to right and whose values go upwards. */
function verticalPlot({ header, rows, width, height, series, scale }) {
  const axis = axisOf(most(rows, series), header[series[0]].unit);
  const left = leftOf(axis);
  const legendHeight = series.length > 1 ? 18 : 0;
  const base = height - MARGIN.bottom;
  const y = axis.scale.range([base, MARGIN.top + legendHeight]);
  const x = scale.domain(rows.keys()).range([left, width - MARGIN.right]);
  const middle = x.bandwidth() / 2;
  const indexes = thinned([...rows.keys()], (i) => rows[i].cells[0].text, width - left);
  const behind = [
    ...gridOf(axis, left, width),
    ...indexes.map((i) => below(x(i) + middle, base, shortened(rows[i].cells[0].text, WIDEST), width)),
    ...(series.length > 1 ? series.flatMap((s, i) => seriesKey(header, s, left, header.slice(1, i + 1))) : []),
  ];
  return { x, y, base, top: MARGIN.top, behind };
}

function seriesKey(header, s, left, before) {
  const x = left + before.reduce((sum, { text }) => sum + widthOf(text) + 32, 0);
  return [shape("rect", { class: `fill series-${s}`, x, y: 1, width: 10, height: 10, rx: 2 }), label(x + 15, 10, header[s].text, "start")];
}

/** What the pointer meets, from the top of the plot to its base. */
const hit = ({ x, base, top }, i, width, shift = 0) => shape("rect", { class: "hit", x: x(i) + shift, y: top, width, height: base - top });

/** A scale from 0 to a round number, which is round in hours, minutes or whole percent as the unit is, and its ticks with their texts. */
function axisOf(largest, unit) {
  // Up to three hours in minutes: fractions of an hour are hard to read.
  const [factor, format] = unitOf(largest / 3, unit);
  const round = scaleLinear().domain([0, largest / factor]).nice(4);
  const ticks = round.ticks(4).filter((tick) => unit !== "number" || Number.isInteger(tick));
  return { scale: scaleLinear().domain([0, round.domain()[1] * factor]), ticks: ticks.map((tick) => ({ at: tick * factor, text: format(tick) })) };
}

function most(rows, series) {
  return Math.max(...rows.flatMap(({ cells }) => series.map((s) => cells[s].number || 0)), 0) || 1;
}

const leftOf = (axis) => Math.max(...axis.ticks.map(({ text }) => widthOf(text))) + 8;

function gridOf({ scale, ticks }, left, width) {
  return ticks.flatMap(({ at, text }) => [
    shape("line", { class: at ? "grid" : "grid zero", x1: left, x2: width - MARGIN.right, y1: scale(at), y2: scale(at) }),
    label(left - 6, scale(at) + 4, text, "end"),
  ]);
}

/** Every n-th item, so that their texts do not touch each other in the width. */
function thinned(items, textOf, width) {
  const widest = Math.min(Math.max(...items.map((item) => widthOf(textOf(item))), 1), WIDEST) + 10;
  const step = Math.max(1, Math.ceil((widest * items.length) / width));
  return items.filter((_, i) => i % step === 0);
}

/** A label in the middle below the plot, moved as far as it takes to stay within the width. */
function below(x, base, text, width) {
  const half = widthOf(text) / 2;
  return label(Math.min(Math.max(x, half), width - half), base + 16, text, "middle");
}

function shortened(text, room) {
  let shown = text;
  while (widthOf(shown) > room && shown.length > 2) shown = `${shown.slice(0, -2).trimEnd()}…`;
  return shown;
}

/**
 * What numbers of a size are divided by, and how they are then written: percents are hundredths of one, durations milliseconds.
 */
function unitOf(size, unit) {
  const written = (options) => (value) => new Intl.NumberFormat(locale, options).format(value);
  if (unit === "percent") return [100, (value) => written({ style: "percent" })(value / 100)];
  if (unit !== "duration") return [1, written({ notation: size >= 1e4 ? "compact" : "standard" })];
  const [name, factor] = size >= HOUR ? ["hour", HOUR] : size >= MINUTE ? ["minute", MINUTE] : ["second", 1000];
  return [factor, written({ style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 1 })];
}

const seriesOf = (header) => header.map((_, i) => i).slice(1);
const tonedCell = (cells) => cells.find(({ tone }) => tone) ?? cells[0];
const classOf = (names, { tone }, s) => `${names}${s ? ` series-${s}` : ""}${tone ? ` ${tone}` : ""}`;

function label(x, y, text, anchor, names = "label") {
  const made = shape("text", { class: names, x, y, "text-anchor": anchor, "aria-hidden": "true" });
  made.textContent = text;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, typeof value === "number" ? Math.round(value * 100) / 100 : value);
  return made;
}
