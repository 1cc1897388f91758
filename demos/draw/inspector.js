// One number of the network, computed before the reader's eyes.

import { pixelColour, signedColour } from "../shared/colours.js";
import { NumberGrid } from "../shared/number-grid.js";
import { formatNumber, percent } from "../shared/numbers.js";
import { explainConvolution, explainDense, explainPool, SIZES } from "./network.js";
import { frame, largest, paintMaps } from "../shared/paint.js";
import { isNarrow, STAGES } from "./stages.js";

const LISTED = 3; // channels or units that the text names
const LAYERS = { conv1: "0", conv2: "2", hidden: "7", logits: "10" }; // as in the state_dict

const ONE_CHANNEL = ["source", "patch", "times", "kernel", "equals", "products", "arrow", "target"];
const PARTS = [...ONE_CHANNEL, "contributions", "largest"];

const FIGURES = `
  <figure class="contributions"><div class="strip"></div>
    <figcaption><label>Channel <select></select></label></figcaption></figure>
  <figure class="source">
    <div class="picture"><canvas class="pixels"></canvas><div class="window"></div></div>
    <figcaption></figcaption></figure>
  <figure class="numbers patch"><div></div><figcaption>patch</figcaption></figure>
  <span class="sign times" aria-hidden="true">×</span>
  <figure class="numbers kernel"><div></div><figcaption>kernel</figcaption></figure>
  <span class="sign equals" aria-hidden="true">=</span>
  <figure class="numbers products"><div></div><figcaption>products</figcaption></figure>
  <span class="sign arrow" aria-hidden="true">→</span>
  <figure class="target">
    <div class="picture"><canvas class="pixels"></canvas><div class="pixel-mark"></div></div>
    <figcaption></figcaption></figure>
  <ol class="largest"></ol>`;

/** Explains the number at a place of a stage: what it is computed from, and how. */
export class Inspector {
  #channel = null; // the input channel that the reader chose; null: the one that gives most
  #shown = "";

  constructor(formula, explanation) {
    this.formula = formula;
    explanation.innerHTML = FIGURES;
    this.part = (selector) => explanation.querySelector(selector);
    const grid = (name, ring) => {
      return new NumberGrid(this.part(`.${name} > div`), { name, ring: `var(--${ring})` });
    };
    this.patch = grid("patch", "input");
    this.kernel = grid("kernel", "kernel");
    this.products = grid("products", "accent");
    this.select = this.part("select");
    this.strip = this.part(".strip");
    this.select.onchange = () => this.#choose(Number(this.select.value));
    this.strip.onclick = (event) => {
      const bar = event.target.closest("[data-channel]");
      if (bar) this.#choose(Number(bar.dataset.channel));
    };
  }

  /** Explain the number at a place {key, map, row, column} of the stages from `forward`. */
  show(weights, stages, place) {
    Object.assign(this, { weights, stages, place });
    const { key, map } = place;
    const where = `${key} ${map}`;
    if (where !== this.#shown) this.#channel = null;
    this.#shown = where;
    if (key === "conv1") this.#convolution(stages.input, SIZES.input, SIZES.conv1);
    else if (key === "conv2") this.#convolution(stages.conv1, SIZES.conv1, SIZES.conv2);
    else if (key === "pool") this.#pool();
    else if (key === "hidden") this.#dense(stages.pool, "pool");
    else this.#dense(stages.hidden, "hidden");
  }

  #choose(channel) {
    this.#channel = channel;
    this.show(this.weights, this.stages, this.place);
  }

  #only(...names) {
    for (const name of PARTS) this.part(`.${name}`).hidden = !names.includes(name);
  }

  #convolution(X, N, M) {
    const { key, map, row, column } = this.place;
    const [weight, bias] = this.#parameters();
    const how = explainConvolution(X, N, weight, bias, map, row, column);
    const ranked = [...how.channels].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const shown = how.channels[this.#channel ?? ranked[0].channel];
    const single = how.channels.length === 1;
    const size = 9 * how.channels.length;
    const kernels = weight.subarray(map * size, (map + 1) * size);

    this.#only(...ONE_CHANNEL, ...(single ? [] : ["contributions"]));
    const image = X.subarray(shown.channel * N * N, (shown.channel + 1) * N * N);
    const top = largest(X);
    this.#source(image, N, top, { left: column, top: row, width: 3, height: 3 });
    this.#caption("source", single ? `input, ${N} × ${N}` : `map ${shown.channel}, convolution 1`);
    this.#target(this.stages[key], M);
    this.#factors(shown, top, largest(kernels.map(Math.abs)));
    if (single) this.#write(`the 9 products sum to ${number(shown.sum)}`, how);
    else this.#channels(how, ranked, shown.channel);
  }

  /** Weights and biases of the layer that is looked at. */
  #parameters() {
    return ["weight", "bias"].map((name) => this.weights[`${LAYERS[this.place.key]}.${name}`]);
  }

  /** Patch times kernel, number by number; top and reach: the values with the darkest colours. */
  #factors({ patch, kernel, products }, top, reach) {
    show(this.patch, patch, 3, (value) => pixelColour(value, 0, top));
    show(this.kernel, kernel, 3, (value) => signedColour(value, reach));
    const size = largest(products.map(Math.abs));
    show(this.products, products, 3, (value) => signedColour(value, Math.max(size, 0.01)));
  }

  /** What every channel gives, those that give most by name. */
  #channels(how, ranked, shown) {
    this.#contributions(how.channels, Math.abs(ranked[0].sum), shown);
    const named = ranked.slice(0, LISTED);
    const rest = how.sum - how.bias - named.reduce((sum, channel) => sum + channel.sum, 0);
    const list = named
      .map(({ channel, sum }) => `channel ${channel} gives ${number(sum)}`)
      .join(", ");
    const others = how.channels.length - LISTED;
    this.#write(`${list}, the other ${others} together ${number(rest)}`, how);
  }

  #write(sums, { bias, sum, value }) {
    const relu =
      sum < 0
        ? `, which is negative, so ReLU makes it <strong>0</strong>`
        : `; ReLU leaves <strong>${number(value)}</strong>`;
    const total = `with the bias ${number(bias)} that is ${number(sum)}`;
    this.formula.innerHTML = `${sums}; ${total}${relu}.`;
  }

  #contributions(channels, reach, shown) {
    if (!this.strip.children.length) this.#buildStrip(channels.length);
    for (const { channel, sum } of channels) {
      const height = (50 * Math.abs(sum)) / (reach || 1);
      const bar = this.strip.children[channel];
      bar.classList.toggle("shown", channel === shown);
      bar.firstChild.classList.toggle("negative", sum < 0);
      bar.firstChild.style.top = sum < 0 ? "50%" : `${50 - height}%`;
      bar.firstChild.style.height = `${height}%`;
      this.select.options[channel].text = `${channel}: ${number(sum)}`;
    }
    this.select.value = shown;
  }

  #buildStrip(n) {
    const channels = Array.from({ length: n }, (_, channel) => channel);
    const bar = (channel) => `<span data-channel="${channel}"><i></i></span>`;
    this.strip.innerHTML = channels.map(bar).join("");
    this.select.append(...channels.map((channel) => new Option("", channel)));
  }

  #pool() {
    const { map, row, column } = this.place;
    const N = SIZES.conv2;
    const how = explainPool(this.stages.conv2, N, map, row, column);
    const top = largest(this.stages.conv2);
    this.#only("source", "patch", "arrow", "target");
    const image = this.stages.conv2.subarray(map * N * N, (map + 1) * N * N);
    this.#source(image, N, top, { left: 2 * column, top: 2 * row, width: 2, height: 2 });
    this.#caption("source", `map ${map}, convolution 2`);
    this.#target(this.stages.pool, SIZES.pool);
    const marks = (r, c) => (how.value > 0 && 2 * r + c === how.taken ? "taken" : "");
    show(this.patch, how.patch, 2, (value) => pixelColour(value, 0, top), marks);
    const value = `<strong>${number(how.value)}</strong>`;
    const equal = how.patch.every((one) => one === how.value);
    this.formula.innerHTML = equal
      ? `all four are ${number(how.value)}, and so is their maximum, ${value}.`
      : `the largest of the four is ${value}; the others are left out.`;
  }

  #dense(x, before) {
    const { key, map } = this.place;
    const { side, columns } = STAGES.find((stage) => stage.key === before);
    const [weight, bias] = this.#parameters();
    const how = explainDense(x, weight, bias, map);
    this.#only("source", "largest");
    paintMaps(this.part(".source canvas"), how.products, {
      height: side,
      width: side,
      columns: columns[isNarrow() ? 1 : 0],
      gap: side > 1 ? 1 : 0,
      reach: largest(how.products.map(Math.abs)),
      signed: true,
    });
    this.part(".source .window").hidden = true;
    const count = how.products.length.toLocaleString("en-GB");
    const sums =
      `of the ${count} products the positive ones sum to ${number(how.positive)}, ` +
      `the negative ones to ${number(how.negative)}`;
    if (key === "hidden") this.#unit(how, count, sums, side * side);
    else this.#logit(how, count, sums);
  }

  #unit(how, count, sums, pixels) {
    this.#caption("source", `${count} products, at the places of the 64 pooled maps`);
    const ofMaps = sumsOfMaps(how.products, pixels);
    this.#list(ofMaps, (i, value) => `pooled map ${i} gives ${number(value)}`);
    this.#write(sums, { ...how, value: Math.max(0, how.sum) });
  }

  #logit(how, count, sums) {
    this.#caption("source", `${count} products, one for each dense unit`);
    this.#list(how.products, (i, value) => `unit ${i} gives ${number(value)}`);
    const total = scientific(this.stages.logits.reduce((sum, z) => sum + Math.exp(z), 0));
    const probability = percent(this.stages.probabilities[this.place.map]);
    this.formula.innerHTML =
      `${sums}; with the bias ${number(how.bias)} the logit is <strong>${number(how.sum)}</strong>. ` +
      `Softmax: e<sup>${number(how.sum)}</sup> / ${total} = <strong>${probability}</strong>, ` +
      `where ${total} is the sum of e<sup>logit</sup> over the ten digits.`;
  }

  #list(values, text) {
    const order = Array.from(values.keys()).sort(
      (a, b) => Math.abs(values[b]) - Math.abs(values[a]),
    );
    this.part(".largest").innerHTML = order
      .slice(0, 5)
      .map((i) => `<li>${text(i, values[i])}</li>`)
      .join("");
  }

  #source(image, side, reach, window) {
    const canvas = this.part(".source canvas");
    paintMaps(canvas, image, { height: side, width: side, reach });
    frame(this.part(".source .window"), window, canvas);
  }

  #target(values, side) {
    const { map, row, column } = this.place;
    const canvas = this.part(".target canvas");
    const image = values.subarray(map * side * side, (map + 1) * side * side);
    paintMaps(canvas, image, { height: side, width: side, reach: largest(values) });
    frame(
      this.part(".target .pixel-mark"),
      { left: column, top: row, width: 1, height: 1 },
      canvas,
    );
    this.#caption("target", `map ${map}, ${side} × ${side}`);
  }

  #caption(name, text) {
    this.part(`.${name} figcaption`).textContent = text;
  }
}

function show(grid, values, columns, colour, marks) {
  const rows = values.length / columns;
  const matrix = Array.from({ length: rows }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns),
  );
  const label = `${grid.name}: ${matrix.map((line) => line.map(short).join(", ")).join("; ")}`;
  grid.show(matrix, { colour, marks, label, text: short });
}

/** The sum of each map's products. */
function sumsOfMaps(products, size) {
  return Float64Array.from({ length: products.length / size }, (_, map) => {
    return products.subarray(map * size, (map + 1) * size).reduce((a, b) => a + b, 0);
  });
}

const short = (value) => formatNumber(value, 2);
const number = (value) => formatNumber(value, 3);

/** A large number as 1.23 · 10^4. */
function scientific(value) {
  if (value < 10_000) return short(value);
  const power = Math.floor(Math.log10(value));
  return `${short(value / 10 ** power)} · 10<sup>${power}</sup>`;
}
