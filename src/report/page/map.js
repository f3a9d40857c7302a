
// The treemap, and the selection and the search that all parts show.

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
