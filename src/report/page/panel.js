
// The panel beside the treemap: what is chosen, and what an update of it costs.

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
