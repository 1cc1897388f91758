for (const cell of document.querySelectorAll("[data-try]")) {
  const word = { r: "Run", e: "Try it here", f: "Answer here" }[cell.dataset.try];
  const b = document.createElement(word ? "button" : "small");
  b.textContent = word || "Trains or measures: for Colab or your computer.";
  b.className = word && "btn btn-sm btn-outline-primary try-open";
  if (word) b.onclick = () => import("ROOTtry/page.js").then((page) => page.open(cell, b), () => {
    b.insertAdjacentHTML("afterend", "<span role=alert> " + (location.protocol == "file:" ? "This needs a web server: python3 -m http.server." : "This could not be loaded.") + "</span>");
  });
  cell.append(b);
}
try { localStorage["cnn-course"] && import("ROOTtry/progress.js"); } catch {}
