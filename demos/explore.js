// The convolution explorer: controls, grids and the walk of the window.

import { contrasting, formatNumber, NumberGrid, paint, pixelColour, signedColour } from "./common.js";
import {
  conv2d, KERNELS, largest, largestPoolPadding, maxPool2d, outputSize, padded, parseNumber, products, span, sum,
  timesRead, windowOf,
} from "./convolution.js";
import {
  cornerOf, DEFAULTS, imageOf, isDigit, kernelOf, learnedIndex, RANGES, readQuery, unpacked, wholeDigit, writeQuery,
} from "./explore-settings.js";

const $ = (id) => document.getElementById(id);
const KERNEL_NAMES = { blur: "blur", vertical: "vertical edges", horizontal: "horizontal edges", all: "all edges" };
const READABLE = 20; // pixels on the screen: in smaller cells no numbers are shown
const EDITABLE = 24; // and in smaller ones than this none can be typed (WCAG 2.2, target size)
const WALK = 20_000; // milliseconds for a walk over all windows, if steps are neither of the limits
const STEP = [30, 700];

let data;
let settings = { ...DEFAULTS };
let filled = 0; // how many output pixels are shown, in reading order
let timer = null;
let now; // all that follows from the settings, computed by `compute`

const grids = {
  input: new NumberGrid($("input"), { name: "input", ring: "var(--input)", edit: typedPixel }),
  kernel: new NumberGrid($("kernel"), { name: "kernel", ring: "var(--kernel)", edit: typedWeight }),
  products: new NumberGrid($("products"), { name: "products", ring: "var(--control)" }),
  output: new NumberGrid($("output"), { name: "output", ring: "var(--output)", pick: jump }),
};

// --- what follows from the settings -----------------------------------------------------------------

/** Everything that the page shows, or only `problem` and what does not depend on an output. */
function compute() {
  const { op, N, F, S, P, D } = settings;
  const image = imageOf(settings, data);
  const pool = op === "pool";
  const found = { image, pool, source: padded(image, P, pool ? -Infinity : 0), kernel: kernelOf(settings, data) };
  try {
    found.output = pool ? maxPool2d(image, { F, P, S, D }) : conv2d(image, found.kernel, { P, S, D });
  } catch (error) {
    return { ...found, problem: explain(error.message) };
  }
  const times = timesRead(N, { F, P, S, D });
  return { ...found, times, unread: times.flat().filter((n) => n === 0).length, size: found.output.length };
}

function explain(message) {
  const { N, F, P, D } = settings;
  if (settings.op === "pool" && P > largestPoolPadding(F)) {
    return `No output: ${message}. PyTorch refuses it, since a window could then read padding alone. Choose a smaller P or a larger F.`;
  }
  const padding = P ? `, ${N} and ${P} on each side` : "";
  const spans = D > 1 ? ` (with D = ${D}, ${F} pixels spread over ${span(F, D)})` : "";
  return `No output: ${message}${padding}${spans}. Choose a larger N or P, or a smaller F or D.`;
}

const total = () => (now.output ? now.size ** 2 : 0);
const place = () => settings.at[0] * now.size + settings.at[1];
const placeOf = (index) => [Math.floor(index / now.size), index % now.size];

// --- changes -------------------------------------------------------------------------------------

/** Change settings, compute anew, show the whole output. */
function change(changes) {
  stop();
  Object.assign(settings, changes);
  now = compute();
  if (now.output) settings.at = settings.at.map((at) => Math.min(at, now.size - 1));
  filled = total();
  show();
  remember();
}

/** Go to a window; the output is shown up to it at least. */
function goTo(index, { quiet = false } = {}) {
  settings.at = placeOf(index);
  filled = Math.max(filled, index + 1);
  showStep();
  if (!quiet) {
    $("live").textContent = spoken();
    remember();
  }
}

function jump(row, column) {
  if (!now.output) return;
  stop();
  goTo(row * now.size + column);
}

function play() {
  if (filled === total()) startOver();
  const [shortest, longest] = STEP;
  const wait = Math.min(Math.max(WALK / total(), shortest), longest);
  timer = setInterval(() => {
    if (place() + 1 < total()) goTo(place() + 1, { quiet: true });
    if (place() + 1 === total()) stop();
  }, wait);
  showStep();
}

function stop() {
  if (timer === null) return;
  clearInterval(timer);
  timer = null;
  if (now.output) showStep();
  remember();
}

function startOver() {
  filled = 0;
  goTo(0, { quiet: true });
}

function remember() {
  const query = writeQuery(settings);
  if (query !== location.search) history.replaceState(null, "", query);
}

function typedPixel(row, column, text) {
  const value = parseNumber(text);
  if (Number.isNaN(value)) return refuse(text);
  const image = now.image.map((line) => [...line]);
  image[row - settings.P][column - settings.P] = value;
  change({ input: image });
}

function typedWeight(row, column, text) {
  const value = parseNumber(text);
  if (Number.isNaN(value)) return refuse(text);
  const kernel = now.kernel.map((line) => [...line]);
  kernel[row][column] = value;
  change({ kernel });
}

function refuse(text) {
  tell([`“${text}” is not a number. Type one such as 0.5, −1 or 1/9.`]);
  return false;
}

function tell(problems) {
  $("problems").replaceChildren(
    ...problems.map((problem) => {
      const item = document.createElement("li");
      item.textContent = problem;
      return item;
    }),
  );
  $("problems").hidden = problems.length === 0;
}

// --- what is shown -------------------------------------------------------------------------------

function show() {
  const { op, N, F, P, kernel } = settings;
  for (const name of Object.keys(RANGES)) {
    $(name).value = settings[name];
    $(`${name}-value`).textContent = settings[name];
  }
  for (const radio of document.getElementsByName("op")) radio.checked = radio.value === op;
  choose($("input-choice"), settings.input);
  choose($("kernel-choice"), kernel);
  $("kernel-field").hidden = $("kernel-part").hidden = now.pool;
  $("sign").hidden = now.pool || Boolean(now.problem);
  $("F-text").textContent = now.pool ? "window size" : "kernel size";
  $("input-size").textContent = `${N} × ${N}` + (P ? `, padded ${N + 2 * P} × ${N + 2 * P}` : "");
  $("kernel-size").textContent = `${F} × ${F}`;
  $("output-size").textContent = now.output ? `${now.size} × ${now.size}` : "";
  $("products-title").textContent = now.pool ? "Window" : F === 1 ? "1 product" : `${F ** 2} products`;
  showCrop();
  showFormula();

  $("no-output").hidden = !now.problem;
  $("no-output").textContent = now.problem ?? "";
  for (const id of ["output", "output-frames", "products-part", "sum"]) $(id).hidden = Boolean(now.problem);
  for (const id of ["start", "back", "play", "step", "place"]) $(id).disabled = Boolean(now.problem);
  if (now.output) return showStep();
  grids.input.show(now.source, lookOfInput());
  showKernel();
  frames($("input-frames"), now.source.length, imageFrame());
  $("input-note").replaceChildren(...noteOnInput());
  $("output-note").textContent = $("place-text").textContent = "";
  $("beams").replaceChildren();
  $("shades").replaceChildren();
}

/** What belongs to one window. */
function showStep() {
  const { F, S, D, at: [row, column] } = settings;
  const values = windowOf(now.source, row, column, { F, S, D });
  const parts = now.pool ? values : products(values, now.kernel);
  const result = now.output[row][column];
  fit($("products"), F, 56);
  fit($("kernel"), F, 56);
  fit($("output"), now.size, Math.min(64, 1.15 * cellOf("input", now.source.length)));

  $("input").classList.toggle("dilated", D > 1);
  grids.input.show(now.source, lookOfInput(row, column));
  showKernel();
  grids.products.show(parts, {
    colour: now.pool ? lookOfInput().colour : colourOfOutput(),
    small: cellOf("products", F) < READABLE,
    marks: (a, b) => [now.pool && parts[a][b] === result && "largest", values[a][b] === -Infinity && "ring"].filter(Boolean).join(" "),
    label: now.pool ? `the window, ${F} by ${F}` : `${F ** 2} products`,
  });
  grids.output.show(
    now.output.map((line, i) => line.map((value, j) => (i * now.size + j < filled ? value : null))),
    {
      colour: colourOfOutput(),
      small: cellOf("output", now.size) < READABLE,
      marks: (i, j) => (i * now.size + j < filled ? "" : "empty"),
      label: `output, ${now.size} by ${now.size}; arrow keys move the window`,
    },
  );
  grids.output.point(row, column);

  const window = { row: row * S, column: column * S, size: span(F, D) };
  frames($("input-frames"), now.source.length, [...imageFrame(), window]);
  frames($("output-frames"), now.size, [{ row, column, size: 1 }]);
  $("input-note").replaceChildren(...noteOnInput());
  $("output-note").textContent = filled < total() ? `${filled} of ${total()} pixels computed` : "Point at a pixel to see where it comes from.";
  showSum(parts, result);
  $("place").max = total();
  $("place").value = place() + 1;
  $("place-text").textContent = `Window ${place() + 1} of ${total()}`;
  $("place").setAttribute("aria-valuetext", spoken());
  $("back").disabled = place() === 0;
  $("step").disabled = place() + 1 === total();
  $("play").textContent = timer === null ? "Play" : "Pause";
  drawBeams(window, { row, column, size: 1 });
}

const cellOf = (id, columns) => $(id).parentElement.clientWidth / columns;
const fit = (element, columns, cell) => (element.parentElement.style.maxWidth = `${Math.round(columns * cell)}px`);

function lookOfInput(row, column) {
  const { N, P, F, S, D } = settings;
  const inside = (i) => i >= P && i < N + P;
  const reads = (i, start) => i >= start && (i - start) % D === 0 && (i - start) / D < F;
  const values = now.image.flat();
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const reach = Math.max(high, -low);
  return {
    colour: low < 0 ? (value) => signedColour(Math.max(value, -reach), reach) : (value) => pixelColour(value, 0, Math.max(high, 1)),
    small: cellOf("input", N + 2 * P) < EDITABLE,
    fixed: (i, j) => !(inside(i) && inside(j)),
    describe: (i, j) => (inside(i) && inside(j) ? `input, row ${i - P + 1}, column ${j - P + 1}` : "padding"),
    label: `input, ${N} by ${N}` + (P ? ` with ${P} pixels of padding around it` : ""),
    marks: (i, j) => {
      if (!(inside(i) && inside(j))) return "ring" + (row !== undefined && reads(i, row * S) && reads(j, column * S) ? " read" : "");
      if (now.times && now.times[i - P][j - P] === 0) return "unread";
      return row !== undefined && reads(i, row * S) && reads(j, column * S) ? "read" : "";
    },
  };
}

function showKernel() {
  const reach = 2 * Math.max(...now.kernel.flat().map(Math.abs), 0.01);
  const { F, kernel } = settings;
  fit($("kernel"), F, 56);
  if (now.pool) return;
  grids.kernel.show(now.kernel, {
    colour: (value) => signedColour(value, reach),
    text: (value) => (kernel === "blur" && F > 1 ? `1/${F ** 2}` : formatNumber(value)),
    small: cellOf("kernel", F) < READABLE,
    label: `kernel, ${F} by ${F} weights`,
  });
}

/** Grey if nothing is negative, else purple below zero and orange above. */
function colourOfOutput() {
  const values = now.output.flat().filter(Number.isFinite);
  const reach = Math.max(...values.map(Math.abs), 0.01);
  if (!now.pool && (Math.min(...values) < 0 || now.kernel.flat().some((weight) => weight < 0))) {
    return (value) => signedColour(value, reach);
  }
  return Math.min(...values) < 0 ? lookOfInput().colour : (value) => pixelColour(value, 0, Math.max(reach, 1));
}

/** The border of the image inside its padding, if there is any. */
const imageFrame = () => (settings.P ? [{ row: settings.P, column: settings.P, size: settings.N, kind: "image" }] : []);

/** Frames over a grid with so many columns. */
function frames(box, columns, list) {
  box.replaceChildren(
    ...list.map(({ row, column, size, kind = "window" }) => {
      const frame = document.createElement("i");
      const percent = (pixels) => `${(100 * pixels) / columns}%`;
      frame.className = kind;
      Object.assign(frame.style, { left: percent(column), top: percent(row), width: percent(size), height: percent(size) });
      return frame;
    }),
  );
}

function noteOnInput() {
  const notes = [];
  if (settings.P) notes.push(swatch("ring"), `padding of ${now.pool ? "−∞" : "zeros"} `);
  if (now.unread) notes.push(swatch("unread"), `never read: ${now.unread} of ${settings.N ** 2} pixels`);
  if (!notes.length && now.output) notes.push(grids.input.editable ? "Every pixel is read. Type other numbers." : "Every pixel is read.");
  return notes;
}

function swatch(kind) {
  const square = document.createElement("span");
  square.className = `swatch cell ${kind}`;
  return square;
}

function showSum(parts, result) {
  const numbers = parts.flat().map((value) => formatNumber(value));
  const terms = now.pool
    ? `the largest of ${numbers.join(", ")} is `
    : numbers.map((text, i) => (i === 0 ? text : text.startsWith("−") ? `− ${text.slice(1)}` : `+ ${text}`));
  const answer = document.createElement("b");
  answer.textContent = now.pool ? formatNumber(result) : `= ${formatNumber(result)}`;
  const words = [terms].flat().flatMap((term) => [term, " "]);
  $("sum").replaceChildren(...words, answer);
  $("sum").classList.toggle("many", parts.length > 3);
}

function spoken() {
  const [row, column] = settings.at;
  const result = formatNumber(now.output[row][column]);
  const how = now.pool ? `the largest of ${settings.F ** 2} pixels is` : `the sum of ${settings.F ** 2} products is`;
  return `Window ${place() + 1} of ${total()}, row ${row + 1}, column ${column + 1}: ${how} ${result}`;
}

/** Lines from the window to the products and from there to the output pixel. */
function drawBeams(window, pixel) {
  const stage = $("stage").getBoundingClientRect();
  const part = (id, columns, { row, column, size }) => {
    const box = $(id).getBoundingClientRect();
    const cell = (box.width - 6) / columns;
    const [x, y] = [box.x - stage.x + 2 + column * cell, box.y - stage.y + 2 + row * cell];
    return { left: x, right: x + size * cell, top: y, bottom: y + size * cell };
  };
  const middle = part("products", settings.F, { row: 0, column: 0, size: settings.F });
  const source = part("input", now.source.length, window);
  const target = part("output", now.size, pixel);
  const beams = [beam(source, middle, "var(--kernel)"), beam(middle, target, "var(--output)")];
  $("shades").replaceChildren(...beams.map(({ shade }) => shade));
  $("beams").replaceChildren(...beams.flatMap(({ lines }) => lines));
}

function beam(from, to, colour) {
  const shape = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const corners = [[from.right, from.top], [to.left, to.top], [to.left, to.bottom], [from.right, from.bottom]];
  const line = (y) => shape("line", { x1: from.right, y1: from[y], x2: to.left, y2: to[y], stroke: colour });
  return { shade: shape("polygon", { points: corners.join(" "), fill: colour }), lines: [line("top"), line("bottom")] };
}

// --- the formula ---------------------------------------------------------------------------------

function showFormula() {
  const { N, F, P, S, D } = settings;
  const symbols = formula({ N: "<mi class='N'>N</mi>", F: "<mi class='F'>F</mi>", P: "<mi>P</mi>", S: "<mi>S</mi>", D: "<mi>D</mi>" });
  const number = (value, kind = "") => `<mn class='${kind}'>${value}</mn>`;
  const numbers = formula({ N: number(N, "N"), F: number(F, "F"), P: number(P), S: number(S), D: number(D) });
  const left = N + 2 * P - span(F, D);
  const size = Math.floor(left / S) + 1;
  const minus = (value) => formatNumber(value);
  $("formula").innerHTML =
    `<math display="block"><mrow>${symbols}</mrow></math>` +
    `<math display="block"><mrow><mo>=</mo>${numbers}</mrow></math>` +
    `<math display="block"><mrow><mo>=</mo><mo>⌊</mo><mfrac><mn>${minus(left)}</mn><mn>${S}</mn></mfrac><mo>⌋</mo><mo>+</mo><mn>1</mn>` +
    `<mo>=</mo><mn class="out">${minus(size)}</mn></mrow></math>`;
  $("size-text").textContent = now.problem ?? sizeInWords(left);
}

const formula = ({ N, F, P, S, D }) =>
  `<mo>⌊</mo><mfrac><mrow>${N}<mo>+</mo><mn>2</mn><mo>·</mo>${P}<mo>−</mo>${D}<mo>·</mo><mo>(</mo>${F}<mo>−</mo><mn>1</mn><mo>)</mo>` +
  `<mo>−</mo><mn>1</mn></mrow><mrow>${S}</mrow></mfrac><mo>⌋</mo><mo>+</mo><mn>1</mn>`;

function sizeInWords(left) {
  const { N, S } = settings;
  const same = now.size === N ? ", as large as the input" : "";
  const remainder = left % S ? ` ${left} / ${S} leaves ${left % S}: one more window would not fit.` : "";
  const lost = now.unread ? ` ${now.unread} of the ${N ** 2} input pixels are never read.` : " Every input pixel is read.";
  return `The output has ${now.size} × ${now.size} = ${total()} pixels${same}.${remainder}${lost}`;
}

// --- the controls --------------------------------------------------------------------------------

function choose(select, value) {
  const own = [...select.options].find((option) => option.value === "own");
  own.hidden = own.disabled = typeof value === "string";
  select.value = typeof value === "string" ? value : "own";
}

function fillControls() {
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    Object.assign($(name), { min: low, max: high });
    $(name).addEventListener("input", () => change({ [name]: Number($(name).value), ...keptNumbers(name) }));
  }
  for (const radio of document.getElementsByName("op")) {
    radio.addEventListener("change", () => change({ op: radio.value }));
  }
  const option = (value, text) => new Option(text, value);
  $("input-choice").append(
    ...data.digits.map(({ digit }) => option(String(digit), `the digit ${digit}`)),
    option("pixel", "one dark pixel"),
    option("own", "your own numbers"),
  );
  const learned = Object.assign(document.createElement("optgroup"), { label: "learned in lesson 03" });
  learned.append(...data.learned.map((_, i) => option(`learned-${i}`, `learned kernel ${i}`)));
  $("kernel-choice").append(
    ...Object.keys(KERNELS).map((name) => option(name, KERNEL_NAMES[name])),
    learned,
    option("own", "your own weights"),
  );
  $("input-choice").addEventListener("change", ({ target }) => change({ input: target.value, corner: null }));
  $("kernel-choice").addEventListener("change", ({ target }) => {
    change({ kernel: target.value, ...(Number.isNaN(learnedIndex(target.value)) ? {} : { F: 3 }) });
  });
  $("reset").addEventListener("click", () => {
    tell([]);
    change({ ...DEFAULTS });
  });
  $("settings").addEventListener("submit", (event) => event.preventDefault());

  $("play").addEventListener("click", () => (timer === null ? play() : stop()));
  $("step").addEventListener("click", () => move(place() + 1));
  $("back").addEventListener("click", () => move(place() - 1));
  $("place").addEventListener("input", ({ target }) => move(Number(target.value) - 1));
  $("start").addEventListener("click", () => {
    stop();
    startOver();
    remember();
  });
  listenToCrop();
  let width = 0;
  new ResizeObserver(() => {
    if ($("stage").clientWidth !== width) show();
    width = $("stage").clientWidth;
  }).observe($("stage"));
}

function move(index) {
  stop();
  if (index >= 0 && index < total()) goTo(index);
}

/** A kernel that exists in one size only becomes the reader's own when the size changes. */
function keptNumbers(name) {
  const oneSize = typeof settings.kernel !== "string" || !Number.isNaN(learnedIndex(settings.kernel));
  return name === "F" && oneSize ? { kernel: kernelOf({ ...settings, F: Number($("F").value) }, data) } : {};
}

function showCrop() {
  const shown = isDigit(settings) && settings.N < 28;
  $("crop").hidden = !shown;
  if (!shown) return;
  const [row, column] = cornerOf(settings, data);
  paint($("crop-image"), wholeDigit(settings, data).flat(), 28, 28);
  const percent = (pixels) => `${(100 * pixels) / 28}%`;
  const { style } = $("crop-frame");
  Object.assign(style, { left: percent(column), top: percent(row), width: percent(settings.N), height: percent(settings.N) });
  $("crop").setAttribute("aria-label", `the part of the digit that is shown begins at row ${row + 1}, column ${column + 1}; arrow keys move it`);
}

function listenToCrop() {
  const moveTo = (row, column) => {
    const corner = cornerOf({ ...settings, corner: [row, column] }, data);
    if (String(corner) !== String(cornerOf(settings, data))) change({ corner });
  };
  $("crop").addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!steps[event.key]) return;
    event.preventDefault();
    const [row, column] = cornerOf(settings, data);
    moveTo(row + steps[event.key][0], column + steps[event.key][1]);
  });
  const follow = (event) => {
    const box = $("crop").getBoundingClientRect();
    const corner = (offset, length) => Math.round((28 * offset) / length - settings.N / 2);
    moveTo(corner(event.clientY - box.y, box.height), corner(event.clientX - box.x, box.width));
  };
  $("crop").addEventListener("pointerdown", (event) => {
    $("crop").setPointerCapture(event.pointerId);
    follow(event);
  });
  $("crop").addEventListener("pointermove", (event) => event.buttons && follow(event));
}

async function start() {
  const response = await fetch("explore-data.json");
  if (!response.ok) throw new Error(`explore-data.json: ${response.status}`);
  data = unpacked(await response.json());
  const { settings: wanted, problems } = readQuery(location.search, data);
  fillControls();
  $("app").hidden = false;
  settings = wanted;
  now = compute();
  if (now.output && settings.at.some((at) => at >= now.size)) {
    problems.push(`at=${settings.at} in the address is outside the output of ${now.size} × ${now.size}; at=0,0 is shown instead.`);
    settings.at = [0, 0];
  }
  tell(problems);
  filled = total();
  show();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches || new URLSearchParams(location.search).has("at");
  if (now.output && !still) play();
}

start().catch((error) => {
  window.trouble(`The digits and kernels of this page could not be read (${error.message}). Reload it; if that does not help, write them again: python -m cnn.export_explore in notebooks/.`);
});
