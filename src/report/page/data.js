
"use strict";
// The data, and what follows from it: who depends on whom, what an update re-pulls, how numbers and
// colours are shown. The page's parts stand one behind the other in one script: data, map, panel,
// table, page. They show one selection and one search. Nothing of the data is ever parsed as HTML:
// text goes in as text.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const count = data.names.length;
const HASH = 33; // hash and dash before a name

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

// Viridis, whose lightness rises evenly also for those who see fewer colours.
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
