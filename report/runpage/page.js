"use strict";
// Names of classes and paths go into text nodes only, pictures into the address of an image.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const shownAtOnce = 48;
  const element = (name, properties, ...children) => {
    const e = Object.assign(document.createElement(name), properties);
    e.append(...children);
    return e;
  };
  const percent = p => p < 1 && p > 0.9995 ? "> 99.9 %" : (100 * p).toFixed(1) + " %";
  const address = image => "data:image/jpeg;base64," + image.picture;
  const isRight = image => image.label === image.predicted;
  const names = image => isRight(image) ? data.classes[image.label] : data.classes[image.label] + " → " + data.classes[image.predicted];
  const described = image => {
    const top = image.top[0];
    return data.classes[image.label] + (isRight(image) ? ", right" : ", taken for " + data.classes[image.predicted]) + ", " + percent(top[1]);
  };

  // The gallery shows the images of one choice.
  const gallery = document.getElementById("gallery");
  if (gallery) {
    const list = document.getElementById("thumbs"), said = document.getElementById("gallery-said");
    const dialog = document.getElementById("shown"), body = document.getElementById("shown-body"), title = document.getElementById("shown-names");
    list.classList.toggle("pixelated", data.pixelated);
    body.classList.toggle("pixelated", data.pixelated);
    const details = image => {
      const top = element("ol", {className: "top"});
      for (const [i, p] of image.top) {
        const line = element("li", {}, element("bdi", {textContent: data.classes[i]}), element("span", {textContent: percent(p)}));
        line.style.setProperty("--p", p);
        top.append(line);
      }
      return [element("img", {src: address(image), alt: described(image)}), top, element("p", {className: "path"}, element("bdi", {textContent: image.path}))];
    };
    const open = image => {
      title.textContent = names(image);
      body.replaceChildren(...details(image));
      dialog.showModal();
    };
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

    let found = [], shown = 0;
    const more = element("button", {type: "button", className: "more"});
    const grow = () => {
      for (const image of found.slice(shown, shown + shownAtOnce)) {
        const picture = element("img", {src: address(image), alt: ""});
        const button = element("button", {type: "button", className: isRight(image) ? "right" : "wrong"}, picture, element("bdi", {textContent: names(image)}), element("span", {className: "hidden", textContent: percent(image.top[0][1])}));
        button.dataset.image = data.images.indexOf(image);
        button.addEventListener("click", () => open(image));
        list.append(element("li", {}, button));
      }
      shown = Math.min(found.length, shown + shownAtOnce);
      more.remove();
      if (shown < found.length) {
        more.textContent = "show " + Math.min(shownAtOnce, found.length - shown) + " more";
        list.after(more);
      }
    };
    more.addEventListener("click", () => {
      const next = shown;
      grow();
      list.children[next].firstChild.focus();
    });
    const choose = (what, fits, all) => {
      found = data.images.filter(fits);
      shown = 0;
      list.replaceChildren();
      grow();
      const of = all === undefined || all === found.length ? found.length.toLocaleString("en") + (found.length === 1 ? " picture" : " pictures") :
        found.length.toLocaleString("en") + " of " + all.toLocaleString("en") + " images have a picture in this page";
      said.textContent = what + ": " + (found.length === 0 ? "none of these images has a picture in this page." : of + ".");
    };
    const number = (button, name) => button.dataset[name] === undefined ? undefined : Number(button.dataset[name]);
    const counted = (label, predicted) => {
      let n = 0, known = false;
      for (const cell of document.querySelectorAll("button.cell")) {
        if ((label === undefined || Number(cell.dataset.label) === label) && (predicted === undefined || Number(cell.dataset.predicted) === predicted)) {
          n += Number(cell.dataset.count);
          known = true;
        }
      }
      return known && document.querySelector(".matrix.whole") ? n : undefined;
    };
    document.addEventListener("click", event => {
      const button = event.target.closest("button[data-label], button[data-predicted], button[data-low], button[data-all], button[data-wrong]");
      if (!button) return;
      const label = number(button, "label"), predicted = number(button, "predicted"), low = number(button, "low"), high = number(button, "high");
      const name = i => data.classes[i];
      document.querySelectorAll("[aria-pressed=true]").forEach(b => b.setAttribute("aria-pressed", "false"));
      button.setAttribute("aria-pressed", "true");
      if (button.dataset.all !== undefined) choose("All images", () => true, data.tested);
      else if (button.dataset.wrong !== undefined) choose("All mistakes", image => !isRight(image), data.wrong);
      else if (low !== undefined) choose("Probability from " + low.toFixed(2) + " to " + high.toFixed(2), image => image.top[0][1] > low && image.top[0][1] <= high, number(button, "count"));
      else if (label === undefined) choose("Predicted as " + name(predicted), image => image.predicted === predicted, counted(undefined, predicted));
      else if (predicted === undefined) choose("Label " + name(label), image => image.label === label, counted(label));
      else choose(label === predicted ? name(label) + ", right" : name(label) + " taken for " + name(predicted), image => image.label === label && image.predicted === predicted, number(button, "count"));
      if (!button.closest("#confusion")) gallery.scrollIntoView({block: "start"});
      else if (gallery.getBoundingClientRect().top > innerHeight - 160) gallery.scrollIntoView({block: "nearest"});
    });
    choose("All mistakes", image => !isRight(image), data.wrong);

    // Arrow keys go through the matrix, of which one cell is reached by Tab.
    const matrix = document.querySelector(".matrix tbody");
    const first = matrix && matrix.querySelector(".cell");
    if (first) first.tabIndex = 0;
    if (matrix) matrix.addEventListener("keydown", event => {
      const cell = event.target.closest(".cell");
      const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
      if (!cell || !step) return;
      event.preventDefault();
      const rows = [...matrix.rows].map(row => [...row.querySelectorAll(".cell")]);
      const y = rows.findIndex(row => row.includes(cell)), x = rows[y].indexOf(cell);
      const next = rows[y + step[0]] && rows[y + step[0]][x + step[1]];
      if (!next) return;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });

    // What has data-image, or is a cell of the matrix, shows a picture on hover and focus.
    const tip = element("div", {id: "tip", hidden: true});
    tip.classList.toggle("pixelated", data.pixelated);
    tip.setAttribute("aria-hidden", "true");
    document.body.append(tip);
    const pictures = target => {
      if (target.dataset.image !== undefined) return [data.images[Number(target.dataset.image)]];
      return data.images.filter(i => i.label === Number(target.dataset.label) && i.predicted === Number(target.dataset.predicted)).slice(0, 4);
    };
    const show = event => {
      const target = event.target.closest && event.target.closest("[data-image], .cell");
      if (!target) return;
      const images = pictures(target).filter(Boolean);
      if (images.length === 0) return;
      const row = element("div", {className: "tip-row"}, ...images.map(image => element("img", {src: address(image), alt: ""})));
      const text = images.length === 1 ? [element("b", {textContent: names(images[0])}), element("span", {textContent: percent(images[0].top[0][1])}), element("span", {className: "path", textContent: images[0].path})] : [element("b", {textContent: names(images[0])})];
      tip.replaceChildren(row, ...text);
      tip.hidden = false;
      const at = target.getBoundingClientRect(), own = tip.getBoundingClientRect();
      const below = at.bottom + own.height + 12 < innerHeight;
      tip.style.left = Math.max(8, Math.min(innerWidth - own.width - 8, at.left + at.width / 2 - own.width / 2)) + "px";
      tip.style.top = (below ? at.bottom + 8 : Math.max(8, at.top - own.height - 8)) + "px";
    };
    const hide = () => { tip.hidden = true; };
    document.addEventListener("mouseover", show);
    document.addEventListener("focusin", show);
    document.addEventListener("mouseout", hide);
    document.addEventListener("focusout", hide);
    document.addEventListener("scroll", hide, {passive: true});
    document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  }

  // The threshold for a wanted accuracy.
  const points = document.getElementById("coverage"), wanted = document.getElementById("wanted"), answer = document.getElementById("wanted-said");
  if (points && wanted) {
    const curve = JSON.parse(points.textContent) || [];
    wanted.addEventListener("input", () => {
      const accuracy = Number(wanted.value) / 100;
      const reached = curve.filter(p => p[1] >= accuracy).pop();
      answer.textContent = wanted.value === "" ? "" : !reached ? "is not reached on these images." :
        "is reached where the probability is at least " + reached[2].toFixed(6) + ": " + percent(reached[0]) + " of the images are answered.";
    });
  }
})();
