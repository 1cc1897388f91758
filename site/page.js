// What every page of the site does, beside what it says. Pages can be read without it.
"use strict";

// --- names and keys --------------------------------------------------------------------------------

const NAMES = {
  "#quarto-sidebar": "Lessons and reference",
  "#TOC": "On this page",
  ".page-navigation": "Previous and next",
  ".quarto-secondary-nav": "Menu and search",
  ".quarto-title-breadcrumbs": "Where this page stands",
};
for (const [place, name] of Object.entries(NAMES)) {
  document.querySelector(place)?.setAttribute("aria-label", name);
}

// Arrows and titles that fold a section of the sidebar are buttons, for the keyboard too.
for (const control of document.querySelectorAll("a[role=navigation]")) {
  control.setAttribute("role", "button");
  if (control.hasAttribute("href")) continue;
  const isTitle = control.classList.contains("sidebar-link");
  control.tabIndex = isTitle ? -1 : 0; // the arrow beside a title does the same
  control.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    control.click();
  });
}

// Quarto's script writes links anew, those to a place on the same page too: these must not load it again.
addEventListener("load", () =>
  setTimeout(() => {
    for (const link of document.querySelectorAll("a[data-original-href*='#']")) {
      const { pathname, hash } = new URL(link.dataset.originalHref, location.href);
      if (pathname === location.pathname && hash) link.setAttribute("href", hash);
    }
  }),
);

// What scrolls sideways can be reached with the keyboard, and says that it scrolls.
const boxes = document.querySelectorAll("main pre, .table-responsive, .formula, .scrolls");
const markScrolling = () => {
  // All sizes are read before anything is written, so that the page is laid out once.
  const scroll = [...boxes].map((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1);
  boxes.forEach((box, i) => {
    if (scroll[i] === box.classList.contains("scrolling")) return;
    box.classList.toggle("scrolling", scroll[i]);
    if (scroll[i]) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
};
addEventListener("load", markScrolling);
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);

// A search or a link that leads into something folded opens it.
const unfold = () => {
  document.querySelectorAll("details:has(mark, :target)").forEach((box) => {
    box.open = true;
  });
};
addEventListener("hashchange", unfold);
addEventListener("load", unfold);

// --- the contents beside the text: where the reader is ---------------------------------------------

const entries = [...document.querySelectorAll("#TOC a[href^='#']")];
const headings = entries.map((entry) => document.getElementById(decodeURIComponent(entry.hash.slice(1))));
let waits = false;
const showPlace = () => {
  waits = false;
  let current = headings.findLastIndex((place) => place && place.getBoundingClientRect().top < 160);
  if (innerHeight + scrollY >= document.documentElement.scrollHeight - 2) current = entries.length - 1;
  entries.forEach((entry, i) => {
    entry.classList.toggle("active", i === current);
    if (i === current) entry.setAttribute("aria-current", "true");
    else entry.removeAttribute("aria-current");
  });
};
if (entries.length) {
  addEventListener("scroll", () => {
    if (!waits) requestAnimationFrame(showPlace);
    waits = true;
  }, { passive: true });
  showPlace();
}

// --- colours: the same in all open tabs, and light on paper ----------------------------------------

const isDark = () => document.body.classList.contains("quarto-dark");
const setDark = (dark) => {
  if (typeof toggleColorMode === "function") toggleColorMode(dark); // Quarto's
};
addEventListener("storage", (event) => {
  if (event.key === "quarto-color-scheme" && event.newValue) setDark(event.newValue === "alternate");
});
let wasDark = false;
addEventListener("beforeprint", () => {
  wasDark = isDark();
  if (wasDark) setDark(false);
});
addEventListener("afterprint", () => {
  if (wasDark) setDark(true);
});

// --- pictures --------------------------------------------------------------------------------------

// A picture that moves gets a button to stop it; where less motion is asked for, it starts still.
document.querySelectorAll("picture.motion").forEach((picture) => {
  const still = picture.querySelector("source");
  const button = document.createElement("button");
  let moves = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const show = () => {
    still.media = moves ? "not all" : "all";
    button.textContent = moves ? "Stop the animation" : "Play the animation";
  };
  button.className = "motion-button";
  button.type = "button";
  button.onclick = () => {
    moves = !moves;
    show();
  };
  picture.closest(".scrolls").after(button);
  show();
});

// A click on a figure shows it at its full size.
document.querySelectorAll("a.zoom").forEach((link) => {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const dialog = document.createElement("dialog");
    const image = link.querySelector("img").cloneNode();
    image.removeAttribute("loading");
    image.style = "";
    const close = document.createElement("button");
    close.textContent = "Close";
    close.type = "button";
    close.onclick = () => dialog.close();
    dialog.className = "zoomed";
    dialog.setAttribute("aria-label", "Figure at full size");
    dialog.append(close, image);
    const caption = link.closest("figure")?.querySelector("figcaption");
    if (caption) {
      const text = document.createElement("p");
      text.textContent = caption.textContent;
      dialog.append(text);
    }
    image.onclick = close.onclick;
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
});

// --- the glossary: a filter and letters ------------------------------------------------------------

if (document.body.classList.contains("glossary")) {
  const sections = [...document.querySelectorAll("main section.level2")];
  const bar = document.querySelector(".filter");
  bar.innerHTML =
    '<label>Filter <input type="search" autocomplete="off"></label> <span role="status"></span>' +
    '<nav class="letters" aria-label="First letters"></nav>';
  const [input, status, letters] = ["input", "span", "nav"].map((name) => bar.querySelector(name));
  const seen = new Set();
  for (const section of sections) {
    const letter = section.querySelector("h2").textContent.trim()[0].toUpperCase();
    if (seen.has(letter)) continue;
    seen.add(letter);
    const link = document.createElement("a");
    link.href = `#${section.id}`;
    link.textContent = letter;
    letters.append(link);
  }
  input.oninput = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const section of sections) {
      const text = section.textContent.toLowerCase();
      section.hidden = !words.every((word) => text.includes(word));
      n += section.hidden ? 0 : 1;
    }
    status.textContent = words.length ? `${n} of ${sections.length} terms` : "";
    letters.hidden = words.length > 0;
  };
}

// --- reading without a server or without a network -------------------------------------------------

const notice = document.createElement("p");
notice.className = "offline";
notice.setAttribute("role", "status");
document.querySelector("#quarto-sidebar")?.append(notice); // at the end, so that nothing moves
const showNotice = () => {
  if (location.protocol === "file:") {
    notice.textContent = "You read this from a folder. All pages and the search work; what computes asks for a web server.";
  } else {
    notice.textContent = navigator.onLine
      ? ""
      : "You are offline. This page stays readable; others open if your browser has kept them.";
  }
  notice.hidden = !notice.textContent;
};
addEventListener("online", showNotice);
addEventListener("offline", showNotice);
showNotice();
