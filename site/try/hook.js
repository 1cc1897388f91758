(() => {
  const words = { r: "Run", e: "Try it here", f: "Answer here" }, here = new URL("ROOTtry/page.js", location);
  document.querySelectorAll("[data-try]").forEach((cell) => {
    const button = document.createElement("button"), word = words[cell.dataset.try];
    if (!word) return cell.append(Object.assign(document.createElement("small"), { className: "try-not", textContent: "This cell trains or measures: run it in Colab or on your computer." }));
    button.type = "button";
    button.className = "btn btn-sm btn-outline-primary try-open";
    button.textContent = word;
    button.onclick = () => import(here).then((page) => page.open(cell, button), () => {
      button.insertAdjacentHTML("afterend", ` <span role="alert">${location.protocol === "file:" ? "Running code needs the page to come from a web server: <code>python3 -m http.server</code> in the folder of the site will do." : "Try it here could not be loaded."}</span>`);
    });
    cell.append(button);
  });
  try { if (localStorage["cnn-course"]) import(new URL("progress.js", here)); } catch { /* no storage */ }
})();
