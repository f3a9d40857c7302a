
// The tables of paths and layers. Only the rows in sight are there, between two that hold the place
// of the others.

const ROW = 30; // as in the style
const MARGIN = 20; // rows beyond the edges of what is seen
const text = (value) => (a, b) => value(a).localeCompare(value(b), "en", { numeric: true });
// Of numbers one looks for the largest first.
const number = (value) => Object.assign((a, b) => value(b) - value(a), { down: true });
const KINDS = {
  paths: {
    rows: () => [...data.names.keys()].filter((path) => !shown || shown.has(path)),
    pick: (path) => ({ path }),
    chance: (path) => data.chances[path],
    columns: [
      ["Path", (path) => data.stems[path], text((path) => data.stems[path])],
      ["Version", version, text(version)],
      ["Layer", (path) => layerOf[path] + 1, (a, b) => layerOf[a] - layerOf[b], true],
      ["Size", (path) => human(data.sizes[path]), number((path) => data.sizes[path]), true],
      ["Expected change", (path) => percent(data.chances[path]), number((path) => data.chances[path]), true],
      ["Dependents", (path) => dependents[path].length, number((path) => dependents[path].length), true],
      ["Update re-pulls", (path) => human(pulled(path)), number(pulled), true],
    ],
    order: 3,
  },
  layers: {
    rows: () => [...data.layers.keys()].filter((layer) => !shown || data.layers[layer].some((path) => shown.has(path))),
    pick: (layer) => ({ layer }),
    chance: (layer) => layerChance[layer],
    columns: [
      ["Layer", (layer) => layer + 1, (a, b) => a - b, true],
      ["Largest path", (layer) => name(largest(layer)), text((layer) => name(largest(layer)))],
      ["Paths", (layer) => data.layers[layer].length, number((layer) => data.layers[layer].length), true],
      ["Size", (layer) => human(layerSize[layer]), number((layer) => layerSize[layer]), true],
      ["Highest expected change", (layer) => percent(layerChance[layer]), number((layer) => layerChance[layer]), true],
    ],
    order: 0,
  },
};
const largest = (layer) => data.layers[layer].reduce((a, b) => (data.sizes[b] > data.sizes[a] ? b : a));
let kind = "paths";
let rows = [];
let drawn = 0; // where the table was scrolled to when its rows were drawn
const sorted = { paths: [KINDS.paths.order, 1], layers: [KINDS.layers.order, 1] };

function fillTable() {
  const { columns, rows: list } = KINDS[kind];
  const [column, sign] = sorted[kind];
  rows = list().sort((a, b) => sign * columns[column][2](a, b) || a - b);
  const head = make("tr");
  columns.forEach(([title, , , right], index) => {
    const cell = make("th", undefined, right ? "number" : "");
    const down = Boolean(columns[index][2].down) === (sign > 0);
    const arrow = index !== column ? "" : down ? " ▾" : " ▴";
    cell.setAttribute("aria-sort", index !== column ? "none" : down ? "descending" : "ascending");
    const button = make("button", title + arrow);
    button.type = "button";
    button.addEventListener("click", () => sortBy(index));
    cell.append(button);
    head.append(cell);
  });
  at("table").tHead.replaceChildren(head);
  at("table").tBodies[0].replaceChildren();
  at("scroll").scrollTop = 0;
  drawRows();
}

function sortBy(index) {
  const [column, sign] = sorted[kind];
  sorted[kind] = [index, index === column ? -sign : 1];
  fillTable();
  at("table").tHead.rows[0].cells[index].firstChild.focus();
}

function spacer(count) {
  const row = make("tr");
  const cell = make("td");
  row.className = "spacer";
  row.style.height = `${count * ROW}px`;
  cell.colSpan = KINDS[kind].columns.length;
  row.append(cell);
  return row;
}

function drawRows() {
  const { scrollTop, clientHeight } = at("scroll");
  drawn = scrollTop;
  const from = Math.max(0, Math.floor(scrollTop / ROW) - MARGIN);
  const to = Math.min(rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN);
  const focused = document.activeElement?.closest?.("tbody tr")?.dataset.id;
  // Rows that stay are the same ones, or a click that begins before a redraw would be lost.
  const kept = new Map([...at("table").tBodies[0].rows].map((row) => [row.dataset.id, row]));
  const list = rows.slice(from, to).map((id) => kept.get(String(id)) ?? makeRow(id));
  at("table").tBodies[0].replaceChildren(spacer(from), ...list, spacer(rows.length - to));
  markRows(false);
  if (focused !== undefined) list.find((row) => row.dataset.id === focused)?.focus({ preventScroll: true });
}

function makeRow(id) {
  const { columns, pick, chance } = KINDS[kind];
  const row = make("tr");
  row.tabIndex = 0;
  row.dataset.id = id;
  columns.forEach(([, show, , right], index) => {
    const cell = make("td", undefined, right ? "number" : "");
    if (index === (kind === "paths" ? 0 : 1)) {
      const swatch = make("span", undefined, "swatch");
      swatch.style.background = colour(place(chance(id))).fill;
      cell.append(swatch);
    }
    cell.append(String(show(id)));
    row.append(cell);
  });
  const take = () => choose(pick(id), false);
  row.addEventListener("click", take);
  row.addEventListener("keydown", (event) => {
    const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (event.key === "Enter" || event.key === " ") take();
    else if (to) row[to]?.focus();
    else return;
    event.preventDefault();
  });
  return row;
}

// Marks the row of what is chosen; `reveal` brings it into sight first.
function markRows(reveal) {
  const id = kind === "paths" ? chosen?.path : chosen?.layer;
  const index = reveal && id !== undefined ? rows.indexOf(id) : -1;
  if (index >= 0) {
    at("scroll").scrollTop = (index + 1) * ROW - at("scroll").clientHeight / 2;
    return drawRows();
  }
  for (const row of at("table").tBodies[0].rows) row.classList.toggle("selected", id !== undefined && Number(row.dataset.id) === id);
}

at("scroll").addEventListener("scroll", ({ target }) => {
  if (Math.abs(target.scrollTop - drawn) < (MARGIN / 2) * ROW) return;
  drawRows();
});

for (const tab of ["paths", "layers"]) {
  at(`tab-${tab}`).addEventListener("click", () => {
    kind = tab;
    for (const other of ["paths", "layers"]) at(`tab-${other}`).setAttribute("aria-selected", String(other === tab));
    fillTable();
  });
}
