// One training on the page: its worker, its curves, and what the network looks like.

import { largest, largestOfEach, paintMaps } from "../shared/paint.js";

const LAYERS = ["convolution 1", "convolution 2", "dense"];
const SMOOTH = 0.9; // share of the past in the line of the training accuracy

export class Run {
  /** name: "right" or "wrong", a class of the page's colours; title: what the reader sees. */
  constructor(name, title, { settings, mistakes, data, digit, changed, failed }) {
    Object.assign(this, { name, title, settings, mistakes, changed, isDone: false });
    this.losses = [];
    this.accuracies = [];
    this.lengths = [];
    this.validation = [];
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = (event) => this.#take(event.data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.stop();
      failed(event.message || "the part that trains could not be loaded");
    };
    this.worker.postMessage({ start: { settings, mistakes, data, digit } });
    this.begun = performance.now();
  }

  pause = () => this.worker.postMessage({ pause: true });
  resume = () => this.worker.postMessage({ resume: true });
  look = (digit) => this.worker.postMessage({ look: digit });
  stop = () => this.worker.terminate();

  #take({ losses = [], steps, epoch, isDone, picture }) {
    if (typeof epoch === "object") this.validation.push(epoch);
    for (const { step, loss, accuracy, lengths } of losses) {
      this.losses.push([step, loss]);
      const before = this.accuracies.at(-1)?.[1] ?? accuracy;
      this.accuracies.push([step, SMOOTH * before + (1 - SMOOTH) * accuracy]);
      this.lengths.push([step, lengths]);
    }
    if (steps) this.steps = steps;
    if (isDone) {
      this.isDone = true;
      this.seconds = (performance.now() - this.begun) / 1000;
    }
    if (picture) this.picture = picture;
    this.changed(this);
  }

  /** What the last whole epoch ended with; undefined before. */
  get latest() {
    return this.validation.at(-1);
  }

  /** What a training says of itself, in words and numbers: [[what, value]]. */
  get facts() {
    const number = (value, places = 3) => (Number.isFinite(value) ? value.toFixed(places) : "not a number");
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    const last = this.latest;
    const loss = this.losses;
    const recent = loss.slice(-20).map(([, value]) => value);
    const at = (i) => this.lengths.at(i)?.[1].map((length) => number(length, 2)).join(", ");
    return [
      ["Loss of the first step", loss.length ? number(loss[0][1]) : ""],
      ["Loss, mean of the last 20 steps", loss.length ? number(recent.reduce((a, b) => a + b) / recent.length) : ""],
      ["Validation loss", last ? number(last.validation.loss) : ""],
      ["Validation accuracy, measured twice", last ? `${share(last.validation.accuracy)}, ${share(last.again.accuracy)}` : ""],
      ["Test accuracy of the epoch that was chosen", last ? `${share(last.best.test)} (epoch ${last.best.epoch})` : ""],
      [`Gradients at the first step: ${LAYERS.join(", ")}`, at(0) ?? ""],
      ["Gradients at the last step", at(-1) ?? ""],
    ];
  }
}

/** The panel of a run: kernels, maps, gradients, confusion. */
export class Panel {
  constructor(title, name) {
    this.element = document.createElement("section");
    this.element.className = `card run ${name}`;
    this.element.innerHTML = `
      <h2>${title}</h2>
      <figure><canvas class="pixels kernels"></canvas><figcaption>Kernels of the first layer: orange adds, purple takes away</figcaption></figure>
      <figure class="pair"><canvas class="pixels digit"></canvas><canvas class="pixels maps"></canvas>
        <figcaption class="answer">A digit and its maps</figcaption></figure>
      <figure><div class="histograms"></div><figcaption>Gradients of each layer’s weights by their size, from 10⁻⁷ to 10</figcaption></figure>
      <figure><canvas class="pixels confusion"></canvas><figcaption class="matrix">Validation images: a row for each label, a column for each answer</figcaption></figure>`;
    this.part = (selector) => this.element.querySelector(selector);
    this.part(".histograms").innerHTML = LAYERS.map(
      (layer) => `<div><span>${layer}</span><i></i><b></b></div>`,
    ).join("");
  }

  show({ picture, latest, title }) {
    if (picture) this.#showNetwork(picture, title);
    if (latest) this.#showConfusion(latest.validation.confusion);
  }

  #showNetwork({ kernels, width, image, label, maps, logits, histograms }) {
    const reach = largest(kernels.map(Math.abs));
    paintMaps(this.part(".kernels"), kernels, { height: 3, width: 3, columns: width, gap: 1, reach, signed: true });
    paintMaps(this.part(".digit"), image, { height: 28, width: 28 });
    const reaches = largestOfEach(maps[0], width, 0.05);
    paintMaps(this.part(".maps"), maps[0], { height: 26, width: 26, columns: width / 2, gap: 1, reach: reaches });
    const said = logits.every(Number.isFinite) ? logits.indexOf(Math.max(...logits)) : "no digit";
    this.part(".answer").textContent = `A ${label}, and its maps in the first layer. The network says ${said}.`;
    histograms.forEach(({ bins, zeros, count }, i) => {
      const row = this.part(".histograms").children[i];
      const most = Math.max(...bins, 1);
      row.querySelector("i").innerHTML = Array.from(bins, (n) => `<u style="height:${(100 * n) / most}%"></u>`).join("");
      row.querySelector("b").textContent = `${Math.round((100 * zeros) / count)} % are 0`;
    });
  }

  #showConfusion(confusion) {
    const rows = Array.from({ length: 10 }, (_, label) => confusion.slice(10 * label, 10 * label + 10));
    const shares = rows.flatMap((row) => {
      const total = row.reduce((a, b) => a + b) || 1;
      return Array.from(row, (n) => n / total);
    });
    paintMaps(this.part(".confusion"), Float32Array.from(shares), { height: 10, width: 10 });
    const wrong = confusion.filter((_, i) => i % 11 !== 0).reduce((a, b) => a + b);
    this.part(".matrix").textContent =
      `Validation images: a row for each label, a column for each answer, 0 to 9; ${wrong} of 1,000 are wrong.`;
  }
}

