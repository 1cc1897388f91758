// What a word means, on hover, focus or touch: terms of the glossary, and shapes of tensors in code.
"use strict";

{
  const box = document.createElement("div");
  box.className = "tooltip-box";
  box.id = "hint";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  let shownFor = null;
  let timer;

  function show(element, fill, kind = "") {
    clearTimeout(timer);
    shownFor = element;
    box.className = `tooltip-box ${kind}`;
    box.replaceChildren();
    fill(box);
    box.hidden = false;
    element.setAttribute("aria-describedby", "hint");
    const place = element.getClientRects()[0];
    const left = Math.min(place.left, document.documentElement.clientWidth - box.offsetWidth - 12);
    const above = place.top - box.offsetHeight - 8;
    box.style.left = `${Math.max(12, left) + scrollX}px`;
    box.style.top = `${(above > 0 ? above : place.bottom + 8) + scrollY}px`;
  }

  function hide() {
    clearTimeout(timer);
    shownFor?.removeAttribute("aria-describedby");
    shownFor = null;
    box.hidden = true;
  }
  const hideSoon = () => {
    timer = setTimeout(hide, 200);
  };
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", hideSoon);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  // --- terms: the definition; a touch shows it first, and a second one follows the link
  const showTerm = (link) =>
    show(link, (content) => {
      const term = document.createElement("strong");
      term.textContent = link.dataset.term;
      content.append(term, link.dataset.says);
    });
  for (const link of document.querySelectorAll("a.term[data-says]")) {
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") showTerm(link);
    });
    link.addEventListener("pointerleave", hideSoon);
    link.addEventListener("focus", () => showTerm(link));
    link.addEventListener("blur", hide);
    let touched = false;
    link.addEventListener("pointerdown", (event) => {
      touched = event.pointerType === "touch" && shownFor !== link;
    });
    link.addEventListener("click", (event) => {
      if (!touched) return;
      event.preventDefault();
      showTerm(link);
    });
  }

  // --- shapes: `X = f(Z)  # (N, C, H, W)` gives X its shape from there on
  const SHAPE = /#.*?(\((?:[\w\u00b7.]+(?: ?[-+*/\u00b7] ?\w+)*, ?)+[^()]*\))/;
  const DOC_SHAPE = /\b([A-Za-z_]\w*) (\((?:[\w\u00b7.]+(?: ?[-+*/\u00b7] ?\w+)*, ?)+[^()]*\))/g;

  /** What a line says of names: their shape, or null where it assigns them and says none. */
  function shapesOf(line) {
    const found = new Map();
    const bound =
      line.match(/^\s*([A-Za-z_]\w*(?:, ?[A-Za-z_]\w*)*) [-+*/@]?=[^=]/)?.[1] ??
      line.match(/^\s*(?:for|with .* as) \(?([A-Za-z_]\w*(?:, ?[A-Za-z_]\w*)*)/)?.[1];
    const shape = line.match(SHAPE)?.[1] ?? null;
    for (const name of bound?.split(/, ?/) ?? []) found.set(name, shape);
    return found;
  }

  const known = new Map();
  function markShapes(code) {
    let local = new Map(); // of the function that is being read
    let inDefinition = false;
    for (const line of code.children) {
      const text = line.textContent;
      if (/^(def|class) /.test(text)) [local, inDefinition] = [new Map(), true];
      else if (/^\S/.test(text)) inDefinition = false;
      if (/"""/.test(text)) for (const [, name, shape] of text.matchAll(DOC_SHAPE)) local.set(name, shape);
      for (const [name, shape] of shapesOf(text)) (inDefinition ? local : known).set(name, shape);
      const here = (name) => (inDefinition && local.get(name)) || (inDefinition ? undefined : known.get(name));
      for (const node of [...line.childNodes]) {
        if (node.nodeType !== Node.TEXT_NODE) continue;
        const parts = node.data.split(/(?<![\w.])([A-Za-z_]\w*)(?!\w*\s*=[^=])(?!\w)/);
        if (!parts.some((part, i) => i % 2 && here(part))) continue;
        node.replaceWith(
          ...parts.map((part, i) => {
            if (!(i % 2 && here(part))) return part;
            const name = document.createElement("span");
            name.className = "shaped";
            name.dataset.shape = here(part);
            name.textContent = part;
            return name;
          }),
        );
      }
    }
  }

  // Cell by cell, when the browser has nothing else to do.
  const cells = [...document.querySelectorAll(".cell code.sourceCode")];
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const work = () => {
    const start = performance.now();
    while (cells.length && performance.now() - start < 8) markShapes(cells.shift());
    if (cells.length) later(work);
  };
  later(work);

  document.addEventListener("pointerover", (event) => {
    const name = event.target.closest?.(".shaped");
    if (!name) return;
    show(name, (content) => content.append(`${name.textContent}: ${name.dataset.shape}`), "shape");
    name.addEventListener("pointerleave", hideSoon, { once: true });
  });
}
