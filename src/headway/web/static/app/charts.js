/**
 * Draws charts from tables.
 *
 * `<figure class="chart" data-chart="KIND">` holds an `<svg>`, which has its height and nothing else, and a `<table>`. Each row of the
 * table becomes one mark. A cell shows text that the server formatted, and has its raw value in `data-value`; `data-tone` tells how
 * the cell's shape looks, and a link in the row is the mark's link. Marks are read out as their row is written, so that a chart says
 * nothing that its table does not say, and colours come from the style sheet alone.
 *
 * A chart is one stop of the Tab key; arrow keys, Home and End go through its marks. It is drawn again when its table or its width
 * changes, and when a swap of the page emptied it.
 */
import { drawings } from "./chart-kinds.js";

const CHART = "figure.chart[data-chart]";
/** What a chart is drawn from; and `viewBox`, which a morph of the page takes from its SVG. */
const ATTRIBUTES = ["data-value", "data-tone", "data-unit", "data-chart", "viewBox"];
/** Pixels between a mark and its tooltip. */
const GAP = 8;

const SVG = "http://www.w3.org/2000/svg";
/** The width with which each figure is drawn. */
const widths = new WeakMap();
const observed = new WeakSet();
let tip;

/** What a table says: the texts and units of its header, and its rows. */
function read(table) {
  const header = [...table.tHead.rows[0].cells].map((cell) => ({ text: textOf(cell), unit: cell.dataset.unit ?? "number" }));
  const rows = [...table.tBodies[0].rows].map((row) => ({ cells: [...row.cells].map(readCell), href: row.querySelector("a")?.href }));
  return { header, rows };
}

function readCell(cell) {
  const { value, tone } = cell.dataset;
  return { text: textOf(cell), value: value ?? "", number: value === undefined || value === "" ? NaN : Number(value), tone };
}

/** The shown text, without the definition that a tooltip of the header holds. */
const textOf = (cell) => (cell.querySelector("[data-label]") ?? cell).textContent.replace(/\s+/g, " ").trim();

function draw(figure) {
  const svg = figure.querySelector("svg.plot");
  const table = figure.querySelector("table");
  if (!svg || !table?.tHead) return;
  const area = svg.parentElement;
  // Also one that is not shown yet, and has no width until it is.
  if (!observed.has(area)) resizes.observe(area);
  observed.add(area);
  const width = Math.floor(area.clientWidth);
  if (!width) return;
  const marks = [...svg.querySelectorAll(".mark")];
  const focused = marks.indexOf(document.activeElement);
  const current = Math.max(0, marks.findIndex((mark) => mark.tabIndex === 0));
  const { header, rows } = read(table);
  const drawing = drawings[figure.dataset.chart]({ header, rows, width, height: Number(svg.getAttribute("height")), options: figure.dataset });

  svg.setAttribute("width", drawing.width ?? width);
  svg.setAttribute("viewBox", `0 0 ${drawing.width ?? width} ${svg.getAttribute("height")}`);
  svg.replaceChildren(...(drawing.behind ?? []), ...marksOf(rows, header, drawing.marks), ...(drawing.front ?? []));
  const drawn = svg.querySelectorAll(".mark");
  const stop = drawn[Math.min(current, drawn.length - 1)];
  stop?.setAttribute("tabindex", 0);
  if (focused >= 0) stop?.focus();
  svg.dataset.columnStep = drawing.columnStep ?? 1;
  if (!widths.has(figure)) area.scrollLeft = drawing.startsAtEnd ? area.scrollWidth : 0;
  widths.set(figure, width);
}

/** A mark for each row that has something to show. */
const marksOf = (rows, header, shapes) => rows.flatMap((row, i) => (shapes[i].length ? [mark(row, header, shapes[i])] : []));

/** A group that can have the focus, is named as its row reads, and shows the name in a tooltip. */
function mark(row, header, shapes) {
  const group = document.createElementNS(SVG, row.href ? "a" : "g");
  if (row.href) group.setAttribute("href", row.href);
  else group.setAttribute("role", "img");
  group.setAttribute("class", "mark");
  group.setAttribute("tabindex", -1);
  group.setAttribute("aria-label", nameOf(row, header));
  group.append(...shapes);
  return group;
}

function nameOf({ cells }, header) {
  const [first, ...others] = cells.map(({ text }, i) => (i === 0 ? text : header[i].text ? `${header[i].text}: ${text}` : text));
  return [first, ...others.filter((text, i) => cells[i + 1].text)].join("\n");
}

/** Draws all charts that the change of the document touched, before the browser paints. */
function onChange(records) {
  const changed = new Set();
  for (const { target, addedNodes } of records) {
    const inside = (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement)?.closest(CHART);
    if (inside) changed.add(inside);
    for (const node of addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      if (node.matches(CHART)) changed.add(node);
      node.querySelectorAll(CHART).forEach((figure) => changed.add(figure));
    }
  }
  drawAll(changed);
}

function drawAll(figures) {
  for (const figure of figures) if (figure.isConnected) draw(figure);
  if (tip && !document.querySelector(".mark:hover, .mark:focus-visible")) hide();
  changes.takeRecords();
}

const changes = new MutationObserver(onChange);
const resizes = new ResizeObserver((entries) => {
  const figures = entries.map(({ target }) => target.closest(CHART)).filter(Boolean);
  drawAll(figures.filter((figure) => widths.get(figure) !== Math.floor(figure.querySelector("svg.plot").parentElement.clientWidth)));
});

function show(mark) {
  if (!tip?.isConnected) {
    tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.setAttribute("aria-hidden", "true");
    document.body.append(tip);
  }
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const at = (mark.querySelector(".point") ?? mark).getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(GAP, at.left + (at.width - width) / 2), document.documentElement.clientWidth - width - GAP);
  const above = at.top - height - GAP;
  tip.style.left = `${left}px`;
  tip.style.top = `${above >= 0 ? above : at.bottom + GAP}px`;
}

function hide() {
  if (tip) tip.hidden = true;
}

const markOf = (event) => (event.target instanceof Element ? event.target.closest(".chart .mark") : null);

function onKey(event) {
  if (event.key === "Escape") hide();
  const mark = markOf(event);
  if (!mark || event.altKey || event.ctrlKey || event.metaKey) return;
  const marks = [...mark.ownerSVGElement.querySelectorAll(".mark")];
  const column = Number(mark.ownerSVGElement.dataset.columnStep);
  const at = marks.indexOf(mark);
  const next = { ArrowRight: at + column, ArrowLeft: at - column, ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: marks.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  marks[Math.min(Math.max(next, 0), marks.length - 1)].focus();
}

function onFocus(event) {
  const mark = markOf(event);
  if (!mark) return;
  for (const other of mark.ownerSVGElement.querySelectorAll('.mark[tabindex="0"]')) other.setAttribute("tabindex", -1);
  mark.setAttribute("tabindex", 0);
  if (mark.matches(":focus-visible")) show(mark);
}

document.addEventListener("keydown", onKey);
document.addEventListener("focusin", onFocus);
document.addEventListener("focusout", (event) => markOf(event) && hide());
document.addEventListener("pointerover", (event) => (markOf(event) ? show(markOf(event)) : hide()));
document.addEventListener("scroll", hide, { capture: true, passive: true });

drawAll(document.querySelectorAll(CHART));
changes.observe(document.body, { subtree: true, childList: true, characterData: true, attributeFilter: ATTRIBUTES });
