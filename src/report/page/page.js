
// Head, legend, theme and keys; then everything is drawn for the first time.

at("title").textContent = data.title;
at("figures").append(...[
  ["Closure", human(total)],
  ["Paths", count.toLocaleString("en")],
  ["Layers", `${data.layers.length} of ${data.budget}`],
  ["Strategy", data.strategy],
  ...(data.dead.length === 0 ? [] : [["Left the closure, in kept layers", `${human(data.deadSize)}: ${data.dead.map((path) => path.slice(33)).join(", ")}`]]),
  ...(data.expected === null ? [] : [["Expected pull when one package changes", human(data.expected)]]),
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
