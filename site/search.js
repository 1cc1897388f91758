// The search: sections that hold all the words, in any order; the index is loaded at the first use.
"use strict";

{
  const SHOWN = 20;
  const root = document.documentElement.dataset.root ?? "./"; // the way to the first page
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const wordsOf = (text) => plain(text).match(/[\p{L}\p{N}_]+/gu) ?? [];
  const stem = (word) => (word.length > 4 ? word.replace(/(es|s)$/, "") : word);

  let index;

  /** The sections of the site: {title, section, href, text}. */
  function loadIndex() {
    index ??= (location.protocol === "file:" ? asScript() : asData()).then((sections) =>
      sections.map((section) => ({
        ...section,
        titleWords: plain(section.title),
        sectionWords: plain(section.section),
        textWords: plain(section.text),
      })),
    );
    index.catch(() => (index = undefined)); // try again at the next letter
    return index;
  }

  async function asData() {
    const response = await fetch(`${root}search.json`);
    if (!response.ok) throw new Error(`the server says ${response.status}`);
    return response.json();
  }

  // Opened from a folder, a page may not fetch the index, but it may load it as a script.
  function asScript() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${root}search-data.js`;
      script.onload = () => resolve(window.searchData);
      script.onerror = () => reject(new Error("search-data.js is missing"));
      document.head.append(script);
    });
  }

  /** How well a section fits: 0 where a word is missing; words in titles count most. */
  function score(section, words) {
    let sum = 0;
    for (const word of words) {
      const start = new RegExp(`(?<![\\p{L}\\p{N}])${word}`, "u");
      const inTitle = start.test(section.titleWords);
      const inSection = start.test(section.sectionWords);
      const times = section.textWords.split(start).length - 1;
      if (!inTitle && !inSection && !times) return 0;
      sum += 6 * inSection + 3 * inTitle + Math.log1p(times);
    }
    return sum + (words.length > 1 && section.textWords.includes(words.join(" ")) ? 3 : 0);
  }

  function find(sections, query) {
    const words = wordsOf(query).map(stem);
    if (!words.length) return { words, found: [], all: true };
    const ranked = (some) =>
      sections
        .map((section) => [section, score(section, some)])
        .filter(([, points]) => points > 0)
        .sort((a, b) => b[1] - a[1])
        .map(([section]) => section);
    const found = ranked(words);
    if (found.length || words.length === 1) return { words, found, all: true };
    // No section has all of them: those that have most.
    const points = new Map();
    for (const word of words) {
      for (const section of ranked([word])) points.set(section, (points.get(section) ?? 0) + 1);
    }
    const some = [...points].sort((a, b) => b[1] - a[1]).map(([section]) => section);
    return { words, found: some, all: false };
  }

  /** Text with its found words in <mark>. */
  function marked(text, words) {
    const parts = document.createDocumentFragment();
    let last = 0;
    for (const { index: at, 0: word } of text.matchAll(/[\p{L}\p{N}_]+/gu)) {
      if (!words.some((w) => plain(word).startsWith(w))) continue;
      const mark = document.createElement("mark");
      mark.textContent = word;
      parts.append(text.slice(last, at), mark);
      last = at + word.length;
    }
    parts.append(text.slice(last));
    return parts;
  }

  /** The part of a text around the place where most of the words stand close together. */
  function excerpt(text, words, length = 150) {
    const hits = [...text.matchAll(/[\p{L}\p{N}_]+/gu)].filter(({ 0: word }) =>
      words.some((w) => plain(word).startsWith(w)),
    );
    if (!hits.length) return text.slice(0, length) + (text.length > length ? " …" : "");
    const different = (from) =>
      new Set(
        hits
          .filter(({ index: at }) => at >= from && at < from + length)
          .map(({ 0: word }) => words.find((w) => plain(word).startsWith(w))),
      ).size;
    const best = hits.reduce((a, b) => (different(b.index) > different(a.index) ? b : a)).index;
    const start = best < 40 ? 0 : text.indexOf(" ", best - 40) + 1;
    const end = text.indexOf(" ", start + length);
    return (start ? "… " : "") + text.slice(start, end < 0 ? undefined : end) + (end < 0 ? "" : " …");
  }

  let n = 0;

  class Search {
    constructor(place) {
      const id = `search-${n++}`;
      place.classList.add("search");
      place.setAttribute("role", "search");
      place.removeAttribute("title");
      place.innerHTML =
        `<input type="search" placeholder="Search" aria-label="Search the course" role="combobox" ` +
        `aria-autocomplete="list" aria-expanded="false" aria-controls="${id}" autocomplete="off" spellcheck="false">` +
        `<div class="search-panel" hidden><p role="status"></p><ul role="listbox" id="${id}" aria-label="Sections"></ul></div>`;
      this.place = place;
      this.input = place.querySelector("input");
      this.panel = place.querySelector(".search-panel");
      this.status = place.querySelector("[role=status]");
      this.list = place.querySelector("ul");
      this.input.addEventListener("focus", () => loadIndex().catch(() => {}));
      this.input.addEventListener("input", () => this.search());
      this.input.addEventListener("keydown", (event) => this.key(event));
      place.addEventListener("focusout", (event) => {
        if (!place.contains(event.relatedTarget)) this.close();
      });
    }

    async search() {
      const query = this.input.value.trim();
      if (!query) return this.close();
      this.open();
      let sections;
      this.status.textContent = "Loading the index …";
      try {
        sections = await loadIndex();
      } catch (error) {
        this.list.replaceChildren();
        this.status.textContent = navigator.onLine
          ? `The search cannot load its index: ${error.message}.`
          : "You are offline, and the index of the search was not loaded before.";
        return;
      }
      if (query !== this.input.value.trim()) return;
      const { words, found, all } = find(sections, query);
      this.status.textContent = !found.length
        ? `Nothing found for “${query}”.`
        : all
          ? `${found.length} ${found.length === 1 ? "section" : "sections"}`
          : "No section has all the words; these have some of them.";
      this.list.replaceChildren(...found.slice(0, SHOWN).map((section, i) => this.item(section, words, i)));
      this.choose(-1);
    }

    item({ title, section, href, text }, words, i) {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.id = `${this.list.id}-${i}`;
      const link = document.createElement("a");
      const [path, hash] = href.split("#");
      link.href = `${root}${path}?q=${encodeURIComponent(this.input.value.trim())}${hash ? `#${hash}` : ""}`;
      link.tabIndex = -1;
      for (const [name, content] of [
        ["where", section ? title : ""],
        ["what", section || title],
        ["text", excerpt(text, words)],
      ]) {
        if (!content) continue;
        const line = document.createElement("span");
        line.className = name;
        line.append(marked(content, words));
        link.append(line);
      }
      item.append(link);
      return item;
    }

    key(event) {
      const last = this.list.children.length - 1;
      if (event.key === "Escape" && !this.panel.hidden) {
        this.close();
        event.stopPropagation();
      } else if (event.key === "ArrowDown") this.choose(Math.min(this.chosen + 1, last));
      else if (event.key === "ArrowUp") this.choose(Math.max(this.chosen - 1, 0));
      else if (event.key === "Enter") {
        this.list.children[Math.max(this.chosen, 0)]?.querySelector("a").click();
      } else return;
      event.preventDefault();
    }

    choose(i) {
      this.chosen = i;
      [...this.list.children].forEach((item, j) => item.setAttribute("aria-selected", String(i === j)));
      const item = this.list.children[i];
      item?.scrollIntoView({ block: "nearest" });
      if (item) this.input.setAttribute("aria-activedescendant", item.id);
      else this.input.removeAttribute("aria-activedescendant");
    }

    open() {
      const box = this.input.getBoundingClientRect();
      this.panel.style.top = `${box.bottom + 6}px`;
      this.panel.style.left = `${Math.max(12, Math.min(box.left, innerWidth - this.panel.offsetWidth - 12))}px`;
      this.panel.hidden = false;
      this.input.setAttribute("aria-expanded", "true");
    }

    close() {
      this.panel.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
    }
  }

  const place = document.getElementById("quarto-search");
  const search = place && new Search(place);

  // On a phone the search stands behind a button.
  window.quartoOpenSearch = () => {
    const dialog = document.createElement("dialog");
    dialog.className = "search-dialog";
    dialog.innerHTML = '<div></div><button type="button">Close</button>';
    dialog.setAttribute("aria-label", "Search");
    document.body.append(dialog);
    const inside = new Search(dialog.firstElementChild);
    dialog.querySelector("button").onclick = () => dialog.close();
    dialog.onclose = () => dialog.remove();
    dialog.showModal();
    inside.input.focus();
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !["/", "f", "s"].includes(event.key)) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], [role=application], .cm-editor")) return;
    event.preventDefault();
    if (search?.input.offsetParent) search.input.focus();
    else window.quartoOpenSearch();
  });

  // On the page that was found: its words are marked, and what folds them away is open.
  const query = new URLSearchParams(location.search).get("q");
  if (query) {
    const words = wordsOf(query).map(stem);
    const main = document.querySelector("main");
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      if (text.parentElement.closest("math, script, style, button")) continue;
      if (wordsOf(text.data).some((word) => words.some((w) => word.startsWith(w)))) {
        text.replaceWith(marked(text.data, words));
      }
    }
    if (search) search.input.value = query;
  }
}
