// How many exercises of each lesson are solved, in the list of lessons and on the cards.

import { read } from "./store.js";

const nameOf = (href) => /notebooks\/([^/]+)\.(?:html|ipynb)(?:$|[?#])/.exec(href)?.[1];

export function showProgress() {
  const { lessons } = read();
  document.querySelectorAll(".try-progress").forEach((old) => old.remove());
  for (const link of document.querySelectorAll("#quarto-sidebar a.sidebar-link[href], .lesson h3 a[href]")) {
    const found = lessons[nameOf(link.href)];
    if (!found?.solved?.length) continue;
    const mark = document.createElement("span");
    mark.className = "try-progress";
    const done = found.total && found.solved.length >= found.total;
    mark.textContent = ` ${done ? "✓ " : ""}${found.solved.length}${found.total ? ` of ${found.total}` : ""}`;
    mark.title = "Exercises that you have solved, in this browser";
    const words = document.createElement("span");
    words.className = "visually-hidden";
    words.textContent = " exercises solved";
    mark.append(words);
    link.append(mark);
  }
}

addEventListener("cnn-progress", showProgress);
showProgress();
