// The map of the features. Names and paths go into text nodes only.
(() => {
  const svg = document.getElementById("map");
  if (!svg) return;
  const classes = JSON.parse(document.getElementById("data").textContent).classes;
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const sprite = document.getElementById("map-sprite"), marks = [...svg.querySelectorAll(".p")], here = document.getElementById("map-here");
  const said = document.getElementById("map-said"), spoken = document.getElementById("map-tip-said");
  const pca = data.dots.map(d => [d.x, d.y]);
  let at = pca, chosen = -1;

  const tip = document.createElement("div"), canvas = document.createElement("canvas"), name = document.createElement("b"), sure = document.createElement("span"), path = document.createElement("span");
  tip.id = "map-tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  canvas.width = canvas.height = 4 * data.tile;
  if (sprite) tip.append(canvas);
  tip.append(name, sure, path);
  document.body.append(tip);

  const hide = () => {
    tip.hidden = true;
    here.setAttribute("hidden", "");
    chosen = -1;
  };
  const show = i => {
    chosen = i;
    const dot = data.dots[i];
    name.textContent = classes[dot.label] + (dot.label === dot.predicted ? "" : " → " + classes[dot.predicted]);
    sure.textContent = (100 * dot.sure).toFixed(1) + " %";
    path.textContent = dot.path;
    if (sprite) canvas.getContext("2d").drawImage(sprite, i % data.columns * data.tile, Math.floor(i / data.columns) * data.tile, data.tile, data.tile, 0, 0, canvas.width, canvas.height);
    here.removeAttribute("hidden");
    here.setAttribute("transform", "translate(" + at[i][0] + " " + at[i][1] + ")");
    tip.hidden = false;
    const mark = marks[i].getBoundingClientRect(), own = tip.getBoundingClientRect();
    const right = mark.right + own.width + 12 < innerWidth;
    tip.style.left = Math.max(8, right ? mark.right + 8 : mark.left - own.width - 8) + "px";
    tip.style.top = Math.max(8, Math.min(innerHeight - own.height - 8, mark.top - own.height / 2)) + "px";
  };
  const nearest = (x, y, fits) => {
    let best = -1, least = Infinity;
    for (let i = 0; i < at.length; i++) {
      const dx = at[i][0] - x, dy = at[i][1] - y, distance = dx * dx + dy * dy;
      if (distance < least && fits(dx, dy, i)) [best, least] = [i, distance];
    }
    return best;
  };
  svg.addEventListener("pointermove", event => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const i = nearest(p.x, p.y, (dx, dy) => dx * dx + dy * dy < 900);
    if (i < 0) hide();
    else if (i !== chosen) show(i);
  });
  svg.addEventListener("pointerleave", hide);
  const speak = i => {
    show(i);
    spoken.textContent = name.textContent + ", " + sure.textContent + ", " + path.textContent;
  };
  svg.addEventListener("focus", () => { if (svg.matches(":focus-visible") && chosen < 0) speak(nearest(data.width / 2, data.height / 2, () => true)); });
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", event => {
    if (event.key === "Escape") return hide();
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!way) return;
    event.preventDefault();
    const from = chosen < 0 ? [data.width / 2, data.height / 2] : at[chosen];
    const i = nearest(from[0], from[1], (dx, dy, i) => i !== chosen && dx * way[0] + dy * way[1] > 0 && dx * way[0] + dy * way[1] >= Math.abs(dx * way[1] + dy * way[0]));
    if (i >= 0) speak(i);
  });
  addEventListener("scroll", () => { if (document.activeElement !== svg) hide(); }, {passive: true});

  const move = to => {
    hide();
    at = to;
    at.forEach((p, i) => marks[i].setAttribute("transform", "translate(" + p[0] + " " + p[1] + ")"));
  };
  const scaled = points => {
    const range = k => points.reduce(([low, high], p) => [Math.min(low, p[k]), Math.max(high, p[k])], [Infinity, -Infinity]);
    const [x, y] = [range(0), range(1)], scale = Math.min(data.width / (x[1] - x[0] || 1), data.height / (y[1] - y[0] || 1));
    return points.map(p => [Math.round(data.width / 2 + scale * (p[0] - (x[0] + x[1]) / 2)), Math.round(data.height / 2 + scale * (p[1] - (y[0] + y[1]) / 2))]);
  };
  const later = () => new Promise(done => setTimeout(done));
  let umap;
  const layOut = async () => {
    said.textContent = "computing…";
    await later();
    await later();
    let seed = 1; // the same map each time
    const random = () => (seed = seed * 16807 % 2147483647) / 2147483647;
    const fit = new UMAP.UMAP({nNeighbors: 15, minDist: 0.1, nEpochs: 250, random});
    const epochs = fit.initializeFit(data.reduced);
    for (let i = 0, since = performance.now(); i < epochs; i++) {
      fit.step();
      if (performance.now() - since > 50) {
        said.textContent = Math.round(100 * i / epochs) + " %";
        await later();
        since = performance.now();
      }
    }
    said.textContent = "";
    return scaled(fit.getEmbedding());
  };
  document.querySelectorAll("[name=map-way]").forEach(way => way.addEventListener("change", async () => {
    if (way.value === "pca") return move(pca);
    umap = umap || layOut();
    const to = await umap;
    if (way.checked) move(to);
  }));
})();
