/**
 * The grid of learners and units: one stop of the Tab key, in which the arrow keys, Home, End, Page Up and Page Down go from cell to
 * cell. With Control, Home and End go to the first and the last cell of the grid.
 *
 * The rows of a long page come packed, each with all its percents as one text. A row is unpacked into cells when it comes near the part
 * that is seen, and packed again when it leaves, so that a thousand rows of a hundred units are some thousand cells at any time.
 */
const ROWS_OF_A_PAGE = 10;
/** How far from what is seen rows are unpacked. */
const NEAR = "250px";
/** So many rows are unpacked or packed before the browser paints: a grid that is scrolled far never stands still. */
const ROWS_AT_ONCE = 12;

const packedCells = new WeakMap();
let table;
let observer;
/** The row and the column that has the focus when the grid is entered; column 0 is the name. */
let current = { id: null, column: 0 };
/** Rows that are to be unpacked (true) or packed (false), once there is time. */
const waiting = new Map();

const rows = () => [...table.tBodies[0].rows];

/** The links of a row: the learner's, then one for each unit. */
function linksOf(row) {
  unpack(row);
  return [...row.querySelectorAll("a")];
}

function unpack(row) {
  if (!row.classList.contains("packed")) return;
  const packed = row.lastElementChild;
  const href = row.querySelector("a").getAttribute("href");
  const units = table.tHead.querySelectorAll("[data-unit]");
  const cells = packed.textContent.split(" ").map((text, i) => {
    const cell = document.createElement("td");
    const link = document.createElement("a");
    link.href = `${href}#unit-${units[i].dataset.unit}`;
    link.textContent = text;
    link.tabIndex = -1;
    if (text !== table.dataset.dash) cell.className = `l${levelOf(Number(text), units[i].dataset.cuts)}`;
    cell.append(link);
    return cell;
  });
  packedCells.set(row, packed);
  row.classList.remove("packed");
  packed.replaceWith(...cells);
}

const levelOf = (percent, cuts) => (cuts ? cuts.split(" ").filter((cut) => percent >= Number(cut)).length : 0);

function pack(row) {
  const packed = packedCells.get(row);
  if (!packed || row.classList.contains("packed") || row.contains(document.activeElement)) return;
  while (row.cells.length > 2) row.lastElementChild.remove();
  row.append(packed);
  row.classList.add("packed");
}

function onSeen(entries) {
  if (waiting.size === 0) requestAnimationFrame(work);
  for (const { target, isIntersecting } of entries) waiting.set(target, isIntersecting);
}

/** Unpack what is seen first, then pack what is not. */
function work() {
  for (const [row, isNear] of waiting) if (isNear !== row.classList.contains("packed")) waiting.delete(row);
  const next = [...waiting].sort(([, a], [, b]) => b - a).slice(0, ROWS_AT_ONCE);
  for (const [row, isNear] of next) {
    waiting.delete(row);
    if (isNear) unpack(row);
    else pack(row);
  }
  markStop();
  changes.takeRecords();
  if (waiting.size) requestAnimationFrame(work);
}

/** Let one link of the rows alone be reached by the Tab key. */
function markStop() {
  const stop = document.getElementById(current.id)?.querySelectorAll("a")[current.column] ?? table.querySelector("tbody a");
  for (const link of table.querySelectorAll('a[tabindex="0"], a:not([tabindex])')) if (link !== stop) link.tabIndex = -1;
  if (stop && stop.tabIndex !== 0) stop.tabIndex = 0;
}

function goTo(row, column) {
  const links = linksOf(row);
  current = { id: row.id, column: Math.min(Math.max(column, 0), links.length - 1) };
  markStop();
  links[current.column].focus({ preventScroll: true });
  links[current.column].scrollIntoView({ block: "nearest", inline: "nearest" });
  changes.takeRecords();
}

function onKey(event) {
  const link = event.target.closest("tbody a");
  if (!link || event.altKey || event.metaKey) return;
  const all = rows();
  const row = link.closest("tr");
  const at = all.indexOf(row);
  const column = linksOf(row).indexOf(link);
  const last = all.length - 1;
  const next = {
    ArrowUp: [at - 1, column],
    ArrowDown: [at + 1, column],
    ArrowLeft: [at, column - 1],
    ArrowRight: [at, column + 1],
    Home: [event.ctrlKey ? 0 : at, 0],
    End: [event.ctrlKey ? last : at, Infinity],
    PageUp: [at - ROWS_OF_A_PAGE, column],
    PageDown: [at + ROWS_OF_A_PAGE, column],
  }[event.key];
  if (!next) return;
  event.preventDefault();
  goTo(all[Math.min(Math.max(next[0], 0), last)], next[1]);
}

function onFocus(event) {
  const link = event.target.closest("tbody a");
  if (!link) return;
  const row = link.closest("tr");
  current = { id: row.id, column: linksOf(row).indexOf(link) };
  markStop();
  changes.takeRecords();
}

/** Begin with a table that is new, or that a swap has changed. */
function begin() {
  table = document.querySelector("table[data-grid]");
  observer?.disconnect();
  waiting.clear();
  if (!table) return;
  table.setAttribute("role", "grid");
  observer = new IntersectionObserver(onSeen, { root: table.parentElement, rootMargin: NEAR });
  for (const row of rows()) {
    if (row.classList.contains("packed") || packedCells.has(row)) observer.observe(row);
  }
  markStop();
  table.onkeydown = onKey;
  table.onfocus = null;
  table.addEventListener("focusin", onFocus);
  changes.takeRecords();
}

const changes = new MutationObserver(begin);
begin();
changes.observe(document.querySelector("main"), { childList: true, subtree: true, characterData: true });
