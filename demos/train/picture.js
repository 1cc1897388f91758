// The curves as a picture that can be kept.

/** Save the charts of the page as a PNG with the settings below them. */
export async function saveCurves(runs, query) {
  const charts = [...document.querySelectorAll("#charts svg")];
  const canvas = Object.assign(document.createElement("canvas"), { width: 920 * charts.length, height: 580 });
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const [i, svg] of charts.entries()) context.drawImage(await imageOf(svg), 920 * i, 0, 920, 506);
  context.fillStyle = "#23272e";
  context.font = "24px sans-serif";
  const titles = runs.map(({ name, title }) => `${name === "wrong" ? "dashed" : "solid"}: ${title}`);
  context.fillText(`${titles.join("; ")}   (${query || "settings as at first"})`, 24, 555);
  const link = Object.assign(document.createElement("a"), { download: "training.png" });
  link.href = canvas.toDataURL("image/png");
  link.click();
}

const STYLE =
  "text{font:12px sans-serif;fill:#535b67}.grid-line{stroke:#d5dae1}.line{fill:none;stroke-width:2}" +
  ".right{stroke:#0072b2}.wrong{stroke:#c44e00}.dashed{stroke-dasharray:6 4}" +
  ".dots.right{fill:#0072b2}.dots.wrong{fill:#c44e00}";

function imageOf(svg) {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", 920);
  copy.setAttribute("height", 506);
  copy.insertAdjacentHTML("afterbegin", `<style>${STYLE}</style>`);
  const image = new Image();
  const source = new XMLSerializer().serializeToString(copy);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  return image.decode().then(() => image);
}
