
"use strict";
// The page's story: data, then what follows from it, then treemap, panel and tables, which all show
// one selection and one search. Nothing of the data is ever parsed as HTML: text goes in as text.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const count = data.names.length;
const HASH = 33; // hash and dash before a name

// ---- what follows from the data ------------------------------------------------------------

const layerOf = new Array(count).fill(-1);
data.layers.forEach((paths, layer) => paths.forEach((path) => { layerOf[path] = layer; }));
const layerSize = data.layers.map((paths) => paths.reduce((sum, path) => sum + data.sizes[path], 0));
const layerChance = data.layers.map((paths) => paths.reduce((high, path) => Math.max(high, data.chances[path]), 0));
const total = data.sizes.reduce((sum, size) => sum + size, 0);
const name = (path) => data.names[path].slice(HASH);
const version = (path) => name(path).slice(data.stems[path].length + 1);
const dependents = data.names.map(() => []);
data.references.forEach((list, from) => list.forEach((to) => dependents[to].push(from)));

// Every path whose closure has this one, itself among them: all of them change when it does.
function affected(path) {
  const seen = new Uint8Array(count);
  const ahead = [path];
  const all = [];
  seen[path] = 1;
  while (ahead.length) {
    const next = ahead.pop();
    all.push(next);
    for (const from of dependents[next]) if (!seen[from]) { seen[from] = 1; ahead.push(from); }
  }
  return all;
}

function cost(path) {
  const paths = affected(path);
  const layers = [...new Set(paths.map((one) => layerOf[one]))].filter((layer) => layer >= 0);
  const bytes = (list, of) => list.reduce((sum, one) => sum + of[one], 0);
  return { paths, layers, own: bytes(paths, data.sizes), pulled: bytes(layers, layerSize) };
}

// The same figure alone, for all rows of a table: without lists on the way.
const edges = dependents.map((list) => Int32Array.from(list));
const reached = new Int32Array(count).fill(-1);
const touched = new Int32Array(data.layers.length).fill(-1);
const ahead = new Int32Array(count);
const pulls = new Array(count);
function pulled(path) {
  if (pulls[path] !== undefined) return pulls[path];
  let [bytes, left] = [0, 1];
  ahead[0] = path;
  reached[path] = path;
  while (left) {
    left -= 1;
    const next = ahead[left];
    const layer = layerOf[next];
    if (layer >= 0 && touched[layer] !== path) { touched[layer] = path; bytes += layerSize[layer]; }
    const list = edges[next];
    for (let i = 0; i < list.length; i += 1) {
      if (reached[list[i]] !== path) { reached[list[i]] = path; ahead[left] = list[i]; left += 1; }
    }
  }
  pulls[path] = bytes;
  return bytes;
}

// As the program itself writes sizes: decimal units, tenths cut off.
function human(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let tenths = Math.floor(bytes / 100);
  while (tenths >= 10000 && unit + 1 < units.length) { tenths = Math.floor(tenths / 1000); unit += 1; }
  return `${Math.floor(tenths / 10)}.${tenths % 10} ${units[unit]}`;
}

function percent(chance) {
  const value = chance * 100;
  if (value === 0) return "0 %";
  if (value < 0.01) return "< 0.01 %";
  return `${value < 1 ? value.toFixed(2) : value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

const counted = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;

// ---- colours: viridis, whose lightness rises evenly also for those who see fewer colours ----

const VIRIDIS = ["46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725"]
  .map((hex) => [0, 2, 4].map((from) => parseInt(hex.slice(from, from + 2), 16)));
const positive = data.chances.filter((chance) => chance > 0);
const lowest = positive.reduce((low, chance) => Math.min(low, chance), 1);
const highest = positive.reduce((high, chance) => Math.max(high, chance), lowest);

// Likelihoods span decades, so that steps of colour are ratios.
function place(chance) {
  if (highest <= lowest) return 0.5;
  const share = Math.log(Math.max(chance, lowest) / lowest) / Math.log(highest / lowest);
  return Math.min(1, Math.max(0, share));
}

function colour(share) {
  const spot = share * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(spot), VIRIDIS.length - 2);
  const mix = VIRIDIS[low].map((part, i) => Math.round(part + (VIRIDIS[low + 1][i] - part) * (spot - low)));
  const linear = mix.map((part) => (part / 255) ** 2.2);
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return { fill: `rgb(${mix.join(",")})`, ink: light > 0.2 ? "#10141a" : "#ffffff" };
}

// ---- small helpers for the page --------------------------------------------------------------

function make(tag, text, kind) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function facts(pairs, kind) {
  const list = make("dl", undefined, kind);
  for (const [term, value] of pairs) list.append(make("dt", term), make("dd", value));
  return list;
}

// ---- one selection, one search ---------------------------------------------------------------

let chosen = null; // { path } or { layer }
let shown = null; // paths that the search finds; null for all

function choose(what, reveal) {
  chosen = what;
  paintMap();
  fillPanel();
  markRows(reveal);
}

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  shown = words.length
    ? new Set([...data.names.keys()].filter((path) => words.every((word) => data.names[path].toLowerCase().includes(word))))
    : null;
  at("found").textContent = shown ? `${shown.size} of ${counted(count, "path")}` : "";
  paintMap();
  fillTable();
}

// ---- treemap -----------------------------------------------------------------------------------

const map = at("map");
const tiles = new Map(); // path to its element
const boxes = new Map(); // path to where it is

// Squarified (Bruls, Huizing, van Wijk): rows are begun anew when another item would make them
// less square. `items` are [id, weight], the heaviest first.
function squarify(items, x, y, width, height, put) {
  let rest = items.reduce((sum, item) => sum + item[1], 0);
  let from = 0;
  while (from < items.length && width > 0 && height > 0) {
    const side = Math.min(width, height);
    const scale = (width * height) / rest;
    let sum = 0;
    let to = from;
    let worst = Infinity;
    while (to < items.length) {
      const more = sum + items[to][1] * scale;
      const big = items[from][1] * scale;
      const small = items[to][1] * scale;
      const ratio = Math.max((side * side * big) / (more * more), (more * more) / (side * side * small));
      if (ratio > worst) break;
      worst = ratio;
      sum = more;
      to += 1;
    }
    const thick = sum / side;
    let along = 0;
    for (let i = from; i < to; i += 1) {
      const length = (items[i][1] * scale) / thick;
      if (width >= height) put(items[i][0], x, y + along, thick, length);
      else put(items[i][0], x + along, y, length, thick);
      along += length;
      rest -= items[i][1];
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    from = to;
  }
}

// Whole pixels, so that edges are sharp and gaps even.
function settle(node, x, y, width, height) {
  const [left, top] = [Math.round(x), Math.round(y)];
  const [w, h] = [Math.round(x + width) - left, Math.round(y + height) - top];
  node.style.left = `${left}px`;
  node.style.top = `${top}px`;
  node.style.width = `${w}px`;
  node.style.height = `${h}px`;
  return [left, top, w, h];
}

const weight = (bytes) => Math.max(bytes, total / 1e7, 1);
const bySize = (a, b) => b[1] - a[1];

function drawMap() {
  const all = document.createDocumentFragment();
  tiles.clear();
  boxes.clear();
  const layers = data.layers.map((paths, layer) => [layer, paths.reduce((sum, path) => sum + weight(data.sizes[path]), 0)]);
  squarify(layers.sort(bySize), 0, 0, map.clientWidth + 2, map.clientHeight + 2, (layer, x, y, width, height) => {
    const box = make("div", undefined, "layer");
    const [left, top, w, h] = settle(box, x, y, Math.max(width - 2, 1), Math.max(height - 2, 1));
    box.dataset.layer = layer;
    const paths = data.layers[layer];
    const head = paths.length > 1 && w > 54 && h > 44 ? 16 : 0;
    if (head) box.append(make("span", `Layer ${layer + 1} · ${human(layerSize[layer])}`));
    const edge = paths.length > 1 && w > 12 && h > 12 ? 1 : 0;
    const items = paths.map((path) => [path, weight(data.sizes[path])]).sort(bySize);
    squarify(items, edge, head || edge, w - 2 * edge + 1, h - (head || edge) - edge + 1, (path, tx, ty, tw, th) => {
      const tile = make("div", undefined, "tile");
      const [dx, dy, iw, ih] = settle(tile, tx, ty, Math.max(tw - 1, 0.5), Math.max(th - 1, 0.5));
      const { fill, ink } = colour(place(data.chances[path]));
      tile.style.background = fill;
      tile.style.color = ink;
      tile.dataset.path = path;
      tile.title = `${name(path)}\n${human(data.sizes[path])}, layer ${layer + 1}, expected change ${percent(data.chances[path])}`;
      if (iw < 44 || ih < 17) tile.style.padding = "0";
      else {
        tile.append(make("span", iw > 150 ? name(path) : data.stems[path]));
        if (ih > 34 && iw > 62) tile.append(make("span", human(data.sizes[path]), "size"));
      }
      tiles.set(path, tile);
      boxes.set(path, [left + dx, top + dy, iw, ih]);
      box.append(tile);
    });
    all.append(box);
  });
  map.replaceChildren(all);
  paintMap();
}

function paintMap() {
  let lit = shown;
  if (!lit && chosen) lit = new Set(chosen.path === undefined ? data.layers[chosen.layer] : affected(chosen.path));
  for (const [path, tile] of tiles) {
    tile.classList.toggle("dim", lit !== null && !lit.has(path) && path !== chosen?.path);
    tile.classList.toggle("selected", path === chosen?.path);
  }
}

map.addEventListener("click", (event) => {
  const tile = event.target.closest("[data-path]");
  const box = event.target.closest("[data-layer]");
  if (tile) choose({ path: Number(tile.dataset.path) }, true);
  else if (box) choose({ layer: Number(box.dataset.layer) }, true);
});

// The nearest tile that way; sideways counts double.
function neighbour(path, dx, dy) {
  const [x, y, w, h] = boxes.get(path);
  let [best, found] = [Infinity, path];
  for (const [other, [ox, oy, ow, oh]] of boxes) {
    const [ax, ay] = [ox + ow / 2 - x - w / 2, oy + oh / 2 - y - h / 2];
    const ahead = ax * dx + ay * dy;
    if (other === path || ahead <= 0) continue;
    const far = ahead + 2 * Math.abs(ax * dy + ay * dx);
    if (far < best) [best, found] = [far, other];
  }
  return found;
}

map.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way || !boxes.size) return;
  event.preventDefault();
  const first = boxes.keys().next().value;
  choose({ path: chosen?.path === undefined ? first : neighbour(chosen.path, ...way) }, true);
});

// ---- panel -------------------------------------------------------------------------------------

const LISTED = 100;

function list(title, paths) {
  const parts = [make("h3", `${title} (${paths.length})`)];
  const items = make("ul");
  for (const path of [...paths].sort((a, b) => data.sizes[b] - data.sizes[a]).slice(0, LISTED)) {
    const link = make("button", undefined, "link");
    link.type = "button";
    link.title = data.names[path];
    link.append(make("span", name(path)), make("span", human(data.sizes[path])));
    link.addEventListener("click", () => choose({ path }, true));
    const item = make("li");
    item.append(link);
    items.append(item);
  }
  parts.push(items);
  if (paths.length > LISTED) parts.push(make("p", `and ${paths.length - LISTED} smaller ones`, "more"));
  return parts;
}

function costBox(path) {
  const { paths, layers, own, pulled } = cost(path);
  const box = make("div", undefined, "cost");
  const first = make("p");
  const figure = make("strong", human(pulled));
  figure.id = "repull";
  Object.assign(figure.dataset, { bytes: pulled, own, layers: layers.length, paths: paths.length });
  first.append(figure, ` in ${counted(layers.length, "layer")}`);
  const bar = make("div", undefined, "bar");
  const part = make("i");
  part.style.width = `${pulled ? (100 * own) / pulled : 0}%`;
  bar.append(part);
  box.append(first, bar, make("p", `${human(own)} of it are the ${counted(paths.length, "path")} that change: it and all whose closure has it.`));
  return box;
}

function fillPanel() {
  const panel = at("panel");
  if (!chosen) {
    panel.replaceChildren(
      make("h2", "Nothing chosen"),
      make("p", "Click a path to see what it refers to, who refers to it, and what an update of it would have every host pull again.", "hint"),
      ...list("Largest paths", [...data.names.keys()].sort((a, b) => data.sizes[b] - data.sizes[a]).slice(0, 12)),
    );
  } else if (chosen.path === undefined) {
    const { layer } = chosen;
    panel.replaceChildren(
      make("h2", `Layer ${layer + 1}`),
      facts([["Size", human(layerSize[layer])], ["Paths", data.layers[layer].length], ["Highest expected change", percent(layerChance[layer])]], "facts"),
      ...list("Paths", data.layers[layer]),
    );
  } else {
    const { path } = chosen;
    panel.replaceChildren(
      make("h2", name(path)),
      make("p", `${data.store}/${data.names[path]}`, "full"),
      facts([["Size", human(data.sizes[path])], ["Layer", `${layerOf[path] + 1} of ${data.layers.length}`], ["Expected change", percent(data.chances[path])]], "facts"),
      make("h3", "An update of it re-pulls"),
      costBox(path),
      ...list("Refers to", data.references[path]),
      ...list("Direct dependents", dependents[path]),
    );
  }
  panel.scrollTop = 0;
}

// ---- tables: only the rows in sight are there, between two that hold the place of the others -----

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

// ---- head, legend, theme, keys ---------------------------------------------------------------------

at("title").textContent = data.title;
at("figures").append(...[
  ["Closure", human(total)],
  ["Paths", count.toLocaleString("en")],
  ["Layers", `${data.layers.length} of ${data.budget}`],
  ["Strategy", data.strategy],
  ...(data.expected === null ? [] : [["Expected pull per update", human(data.expected)]]),
].map(([term, value]) => {
  const pair = make("div");
  pair.append(make("dt", term), make("dd", value));
  return pair;
}));
at("legend-low").textContent = percent(lowest);
at("legend-high").textContent = percent(highest);
at("basis").textContent = `Expected change: likelihood that an update touches it. ${data.basis}`;
const brush = at("scale").getContext("2d");
for (let x = 0; x < 180; x += 1) {
  brush.fillStyle = colour(x / 179).fill;
  brush.fillRect(x, 0, 1, 1);
}

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
const nameTheme = () => { at("theme").textContent = isDark() ? "Light" : "Dark"; };
at("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
prefersDark.addEventListener("change", nameTheme);
nameTheme();

at("search").addEventListener("input", ({ target }) => search(target.value));
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && shown?.size && kind === "paths") choose({ path: rows[0] }, true);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== at("search")) {
    event.preventDefault();
    at("search").focus();
  } else if (event.key === "Escape") {
    choose(null, false);
  }
});

let wait = 0;
addEventListener("resize", () => {
  clearTimeout(wait);
  wait = setTimeout(drawMap, 60);
});
drawMap();
fillPanel();
fillTable();
