// The convolution explorer: what follows from the settings, the walk of the window, the controls.

import { formatNumber, NumberGrid, paint, pixelColour, signedColour } from "./common.js";
import * as convolution from "./convolution.js";
import { drawBeams, drawFrames, kernelButton, swatch } from "./explore-drawing.js";
import { formula, sizeInWords } from "./explore-formula.js";
import * as from from "./explore-settings.js";

const { conv2d, largestPoolPadding, maxPool2d, padded, parseNumber, products, span, windowOf } = convolution;
const { DEFAULTS, RANGES, isDigit, learnedIndex } = from;

const $ = (id) => document.getElementById(id);
const KERNEL_NAMES = {
  blur: "blur",
  vertical: "vertical edges",
  horizontal: "horizontal edges",
  all: "all edges",
};
const READABLE = 20; // pixels on the screen: in smaller cells no numbers are shown
const EDITABLE = 24; // and in smaller ones than this none can be typed (WCAG 2.2, target size)
const LARGEST_CELL = 56;
const WALK = 20_000; // milliseconds for a walk over all windows, within the limits of one step
const STEP = [30, 700];
const SETTLE = 300;

let data;
let settings = { ...DEFAULTS };
let now; // all that follows from the settings, see `compute`
let filled = 0; // how many output pixels are shown, in reading order
let timer = null; // of the walk
let remembering;

const grids = {
  input: new NumberGrid($("input"), { name: "input", ring: "var(--input)", edit: typedPixel }),
  kernel: new NumberGrid($("kernel"), { name: "kernel", ring: "var(--kernel)", edit: typedWeight }),
  products: new NumberGrid($("products"), { name: "products", ring: "var(--control)" }),
  output: new NumberGrid($("output"), { name: "output", ring: "var(--output)", pick: jump }),
};

// --- what follows from the settings -----------------------------------------------------------------

/** Image, kernel, and the output with how often each pixel is read; or `problem` where none is possible. */
function compute() {
  const { N, F, S, P, D } = settings;
  const pool = settings.op === "pool";
  const image = from.imageOf(settings, data);
  const kernel = from.kernelOf(settings, data);
  const inputs = { pool, image, kernel, source: padded(image, P, pool ? -Infinity : 0) };
  try {
    const output = pool ? maxPool2d(image, { F, P, S, D }) : conv2d(image, kernel, { P, S, D });
    const times = convolution.timesRead(N, { F, P, S, D });
    const unread = times.flat().filter((n) => n === 0).length;
    return { ...inputs, output, size: output.length, times, unread };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ...inputs, problem: explain(error.message) };
  }
}

function explain(message) {
  const { op, N, F, P, D } = settings;
  if (op === "pool" && P > largestPoolPadding(F)) {
    return `No output: ${message}. PyTorch refuses more, too. Choose a smaller P or a larger F.`;
  }
  const padding = P ? `, ${N} and ${P} on each side` : "";
  const spread = D > 1 ? ` (with D = ${D}, ${F} pixels spread over ${span(F, D)})` : "";
  return `No output: ${message}${padding}${spread}. Choose a larger N or P, or a smaller F or D.`;
}

const total = () => (now.output ? now.size ** 2 : 0);
const place = () => settings.at[0] * now.size + settings.at[1];
const isRead = (at, i) => i >= at && (i - at) % settings.D === 0 && (i - at) / settings.D < settings.F;
const isInside = (i) => i >= settings.P && i < settings.P + settings.N;

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
  settings.at = [Math.floor(index / now.size), index % now.size];
  filled = Math.max(filled, index + 1);
  showStep();
  if (quiet) return;
  $("live").textContent = spoken();
  remember();
}

/** Stop, and go to a window if it exists. */
function move(index) {
  stop();
  if (index >= 0 && index < total()) goTo(index);
}

function jump(row, column) {
  if (now.output) move(row * now.size + column);
}

function startOver() {
  filled = 0;
  goTo(0, { quiet: true });
}

function play() {
  if (filled === total()) startOver();
  const [shortest, longest] = STEP;
  timer = setInterval(
    () => {
      if (place() + 1 < total()) goTo(place() + 1, { quiet: true });
      if (place() + 1 === total()) stop();
    },
    Math.min(Math.max(WALK / total(), shortest), longest),
  );
  showStep();
}

function stop() {
  if (timer === null) return;
  clearInterval(timer);
  timer = null;
  showStep();
  remember();
}

/** Let the address carry the settings, a little later: browsers limit how often it may change. */
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const query = from.writeQuery(settings);
    if (query !== location.search) history.replaceState(null, "", query);
  }, SETTLE);
}

function typedPixel(row, column, text) {
  const { P } = settings;
  return typed(text, (value) => ({ input: withOne(now.image, row - P, column - P, value) }));
}

function typedWeight(row, column, text) {
  return typed(text, (value) => ({ kernel: withOne(now.kernel, row, column, value) }));
}

/** Change what a typed number changes; false if it is none. */
function typed(text, changes) {
  const value = parseNumber(text);
  const accepted = !Number.isNaN(value);
  tell(accepted ? [] : [`“${text}” is not a number. Type one such as 0.5, −1 or 1/9.`]);
  if (accepted) change(changes(value));
  return accepted;
}

const withOne = (matrix, row, column, value) =>
  matrix.map((line, i) => line.map((old, j) => (i === row && j === column ? value : old)));

function tell(problems) {
  const line = (text) => Object.assign(document.createElement("p"), { textContent: text });
  $("problems").hidden = problems.length === 0;
  $("problems").replaceChildren(...problems.map(line));
}

// --- what is shown -------------------------------------------------------------------------------

/** Everything. */
function show() {
  const { N, F, P } = settings;
  showControls();
  $("formula").innerHTML = formula(settings);
  $("size-text").textContent = now.problem ?? sizeInWords(settings, now.size, now.unread);
  $("input-size").textContent = `${N} × ${N}` + (P ? `, padded ${N + 2 * P} × ${N + 2 * P}` : "");
  $("kernel-size").textContent = `${F} × ${F}`;
  $("output-size").textContent = now.output ? `${now.size} × ${now.size}` : "";
  $("products-title").textContent = now.pool ? "Window" : F === 1 ? "1 product" : `${F ** 2} products`;
  document.querySelector(".middle").classList.toggle("large", F > 4);
  $("kernel-part").hidden = now.pool;
  $("sign").hidden = now.pool || Boolean(now.problem);
  $("no-output").textContent = now.problem ?? "";
  $("no-output").hidden = !now.problem;
  for (const id of ["output", "output-frames", "products-part", "sum"]) $(id).hidden = Boolean(now.problem);
  for (const id of ["start", "back", "play", "step", "place"]) $(id).disabled = Boolean(now.problem);
  if (now.output) showStep();
  else showNoStep();
}

function showControls() {
  const { op, input, kernel } = settings;
  for (const name of Object.keys(RANGES)) {
    $(name).value = settings[name];
    $(`${name}-value`).textContent = settings[name];
  }
  for (const radio of document.getElementsByName("op")) radio.checked = radio.value === op;
  choose($("input-choice"), input);
  choose($("kernel-choice"), kernel);
  [...$("learned").children].forEach((button, i) => {
    button.ariaPressed = String(learnedIndex(kernel) === i);
  });
  $("kernel-field").hidden = now.pool;
  $("F-text").textContent = now.pool ? "window size" : "kernel size";
  showCrop();
}

/** Choose by name; numbers that the reader typed are the choice "own", which is not there otherwise. */
function choose(select, value) {
  const own = [...select.options].find((option) => option.value === "own");
  own.hidden = own.disabled = typeof value === "string";
  select.value = typeof value === "string" ? value : "own";
}

/** What belongs to one window. */
function showStep() {
  const { F, S, D } = settings;
  const [row, column] = settings.at;
  const values = windowOf(now.source, row, column, { F, S, D });
  const parts = now.pool ? values : products(values, now.kernel);
  const window = { row: row * S, column: column * S, size: span(F, D) };
  const pixel = { row, column, size: 1 };
  fit("output", now.size, Math.min(64, Math.max(40, 1.15 * cellOf("input", now.source.length))));
  showInput(row * S, column * S);
  showKernel();
  showParts(parts, values);
  showOutput();
  showSum(parts, now.output[row][column]);
  drawFrames($("input-frames"), now.source.length, [...borderOfImage(), window]);
  drawFrames($("output-frames"), now.size, [pixel]);
  showTransport();
  const whole = { row: 0, column: 0, size: F };
  const joined = [
    [$("input"), now.source.length, window],
    [$("products"), F, whole],
    [$("output"), now.size, pixel],
  ];
  drawBeams($("shades"), $("beams"), joined, ["var(--kernel)", "var(--output)"]);
}

/** The input and the kernel where nothing can be computed. */
function showNoStep() {
  showInput();
  showKernel();
  drawFrames($("input-frames"), now.source.length, borderOfImage());
  $("output-note").textContent = "";
  $("place-text").textContent = "No window fits";
  $("shades").replaceChildren();
  $("beams").replaceChildren();
}

/** The side of one cell on the screen. */
const cellOf = (id, columns) => $(id).parentElement.clientWidth / columns;

/** Keep the cells of a grid from growing larger than so many pixels. */
function fit(id, columns, cell) {
  $(id).parentElement.style.maxWidth = `${Math.round(columns * cell)}px`;
}

/** The input; what the window that begins at (top, left) reads is marked. */
function showInput(top = NaN, left = NaN) {
  const { N, P, D } = settings;
  const inside = (i, j) => isInside(i) && isInside(j);
  $("input").classList.toggle("dilated", D > 1);
  grids.input.show(now.source, {
    colour: colourOfInput(),
    small: cellOf("input", N + 2 * P) < EDITABLE,
    fixed: (i, j) => !inside(i, j),
    describe: (i, j) => (inside(i, j) ? `input, row ${i - P + 1}, column ${j - P + 1}` : "padding"),
    label: `input, ${N} by ${N}` + (P ? ` with ${P} pixels of padding around it` : ""),
    marks: (i, j) => {
      const unread = inside(i, j) && now.times?.[i - P][j - P] === 0;
      return classes({ ring: !inside(i, j), unread, read: isRead(top, i) && isRead(left, j) });
    },
  });
  $("input-note").replaceChildren(...noteOnInput());
}

/** Shades of grey from white, 0, to black, 1 or more; purple below zero and orange above if there are both. */
function colourOfInput() {
  const values = now.image.flat();
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < 0
    ? (value) => signedColour(value, Math.max(high, -low))
    : (value) => pixelColour(value, 0, Math.max(high, 1));
}

const classes = (names) =>
  Object.keys(names)
    .filter((name) => names[name])
    .join(" ");

function noteOnInput() {
  const notes = [];
  if (settings.P) notes.push(swatch("ring"), `padding of ${now.pool ? "−∞" : "zeros"} `);
  if (now.unread) notes.push(swatch("unread"), `never read: ${now.unread} of ${settings.N ** 2} pixels`);
  if (now.unread === 0 && !settings.P) notes.push("Every pixel is read. ");
  if (!notes.length || (grids.input.editable && !now.unread)) notes.push("Type other numbers.");
  return notes;
}

/** The border of the image inside its padding, if there is any. */
function borderOfImage() {
  const { P, N } = settings;
  return P ? [{ row: P, column: P, size: N, kind: "image" }] : [];
}

function showKernel() {
  if (now.pool) return;
  const { F, kernel } = settings;
  const reach = 2 * Math.max(...now.kernel.flat().map(Math.abs), 0.01);
  fit("kernel", F, LARGEST_CELL);
  grids.kernel.show(now.kernel, {
    colour: (weight) => signedColour(weight, reach),
    text: (weight) => (kernel === "blur" && F > 1 ? `1/${F ** 2}` : formatNumber(weight)),
    small: cellOf("kernel", F) < READABLE,
    label: `kernel, ${F} by ${F} weights`,
  });
}

/** The products, or for max-pooling the window with its largest value ringed. */
function showParts(parts, values) {
  const { F } = settings;
  const result = convolution.largest(values);
  fit("products", F, LARGEST_CELL);
  grids.products.show(parts, {
    colour: now.pool ? colourOfInput() : colourOfOutput(),
    small: cellOf("products", F) < READABLE,
    marks: (a, b) =>
      classes({ largest: now.pool && values[a][b] === result, ring: values[a][b] === -Infinity }),
    label: now.pool ? `the window, ${F} by ${F}` : `${F ** 2} products`,
  });
}

function showOutput() {
  const { size } = now;
  const isFilled = (i, j) => i * size + j < filled;
  const visible = now.output.map((line, i) => line.map((value, j) => (isFilled(i, j) ? value : null)));
  grids.output.show(visible, {
    colour: colourOfOutput(),
    small: cellOf("output", size) < READABLE,
    marks: (i, j) => classes({ empty: !isFilled(i, j) }),
    label: `output, ${size} by ${size}; arrow keys move the window`,
  });
  grids.output.point(...settings.at);
  $("output-note").textContent =
    filled < total()
      ? `${filled} of ${total()} pixels computed`
      : "Point at a pixel to see where it comes from.";
}

/** Shades of grey if neither output nor kernel is negative, else purple below zero and orange above. */
function colourOfOutput() {
  if (now.pool) return colourOfInput();
  const values = now.output.flat();
  const reach = Math.max(...values.map(Math.abs), 0.01);
  const signed = [...values, ...now.kernel.flat()].some((value) => value < 0);
  return signed
    ? (value) => signedColour(value, reach)
    : (value) => pixelColour(value, 0, Math.max(reach, 1));
}

/** The products added up, or the numbers that the largest is taken of, in one line. */
function showSum(parts, result) {
  const numbers = parts.flat().map((value) => formatNumber(value));
  const withSign = (text) => (text.startsWith("−") ? `− ${text.slice(1)}` : `+ ${text}`);
  const terms = numbers.map((text, i) => (i ? withSign(text) : text)).join(" ");
  const added = parts.flat().reduce((sum, value) => sum + Number(value.toFixed(2)), 0);
  const sign = Math.abs(added - result.toFixed(2)) < 1e-9 ? "=" : "≈"; // the terms are rounded
  const answer = document.createElement("b");
  answer.textContent = now.pool ? formatNumber(result) : `${sign} ${formatNumber(result)}`;
  $("sum").replaceChildren(now.pool ? `the largest of ${numbers.join(", ")} is ` : `${terms} `, answer);
  $("sum").classList.toggle("many", parts.length > 3);
}

function showTransport() {
  $("place").max = total();
  $("place").value = place() + 1;
  $("place").setAttribute("aria-valuetext", spoken());
  $("place-text").textContent = `Window ${place() + 1} of ${total()}`;
  $("back").disabled = place() === 0;
  $("step").disabled = place() + 1 === total();
  $("play").textContent = timer === null ? "Play" : "Pause";
}

function spoken() {
  const [row, column] = settings.at;
  const n = settings.F ** 2;
  const how = now.pool ? `the largest of ${n} pixels is` : `the sum of ${n} products is`;
  const where = `Window ${place() + 1} of ${total()}, row ${row + 1}, column ${column + 1}`;
  return `${where}: ${how} ${formatNumber(now.output[row][column])}`;
}

// --- the part of a digit that is shown -----------------------------------------------------------

function showCrop() {
  const shown = isDigit(settings) && settings.N < 28;
  $("crop").hidden = !shown;
  if (!shown) return;
  const [row, column] = from.cornerOf(settings, data);
  paint($("crop-image"), from.wholeDigit(settings, data).flat(), 28, 28);
  drawFrames($("crop-frame"), 28, [{ row, column, size: settings.N }]);
  $("crop").ariaLabel =
    `the part of the digit that is shown begins at row ${row + 1}, column ${column + 1}; arrow keys move it`;
}

function moveCrop(row, column) {
  const corner = from.cornerOf({ ...settings, corner: [row, column] }, data);
  if (String(corner) !== String(from.cornerOf(settings, data))) change({ corner });
}

function listenToCrop() {
  $("crop").addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!steps[event.key]) return;
    event.preventDefault();
    const [row, column] = from.cornerOf(settings, data);
    moveCrop(row + steps[event.key][0], column + steps[event.key][1]);
  });
  const follow = (event) => {
    const box = $("crop").getBoundingClientRect();
    const corner = (offset, length) => Math.round((28 * offset) / length - settings.N / 2);
    moveCrop(corner(event.clientY - box.y, box.height), corner(event.clientX - box.x, box.width));
  };
  $("crop").addEventListener("pointerdown", (event) => {
    $("crop").setPointerCapture(event.pointerId);
    follow(event);
  });
  $("crop").addEventListener("pointermove", (event) => event.buttons && follow(event));
}

// --- the controls --------------------------------------------------------------------------------

function fillChoices() {
  const learned = Object.assign(document.createElement("optgroup"), { label: "learned in the lesson on training" });
  learned.append(...data.learned.map((_, i) => new Option(`learned kernel ${i}`, `learned-${i}`)));
  $("kernel-choice").append(
    ...Object.entries(KERNEL_NAMES).map(([name, words]) => new Option(words, name)),
    learned,
    new Option("your own weights", "own"),
  );
  const button = (kernel, i) =>
    kernelButton(kernel, `learned kernel ${i}`, () => chooseKernel(`learned-${i}`));
  $("learned").append(...data.learned.map(button));
  $("input-choice").append(
    ...data.digits.map(({ digit }) => new Option(`the digit ${digit}`, digit)),
    new Option("one dark pixel", "pixel"),
    new Option("your own numbers", "own"),
  );
}

/** A learned kernel comes in its own size. */
function chooseKernel(kernel) {
  const learned = data.learned[learnedIndex(kernel)];
  change({ kernel, F: learned?.length ?? settings.F });
}

/** A kernel that exists in one size only becomes the reader's own when the size changes. */
function changeSize(F) {
  const anySize = convolution.KERNELS[settings.kernel];
  change(anySize ? { F } : { F, kernel: from.kernelOf({ ...settings, F }, data) });
}

function listen() {
  const on = (id, kind, act) => $(id).addEventListener(kind, ({ target }) => act(target.value));
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    Object.assign($(name), { min, max });
    on(name, "input", (value) =>
      name === "F" ? changeSize(Number(value)) : change({ [name]: Number(value) }),
    );
  }
  for (const radio of document.getElementsByName("op")) {
    radio.addEventListener("change", () => change({ op: radio.value }));
  }
  on("input-choice", "change", (input) => change({ input, corner: null }));
  on("kernel-choice", "change", chooseKernel);
  on("play", "click", () => (timer === null ? play() : stop()));
  on("step", "click", () => move(place() + 1));
  on("back", "click", () => move(place() - 1));
  on("place", "input", (value) => move(Number(value) - 1));
  on("start", "click", () => {
    stop();
    startOver();
    remember();
  });
  on("reset", "click", () => {
    tell([]);
    change({ ...DEFAULTS });
  });
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  listenToCrop();
}

/** Show everything anew when the width of the page changes. */
function followWidth() {
  let width = $("stage").clientWidth;
  const look = () => {
    if ($("stage").clientWidth === width) return;
    width = $("stage").clientWidth;
    show();
  };
  new ResizeObserver(look).observe($("stage"));
}

async function start() {
  const response = await fetch("explore-data.json");
  if (!response.ok) throw new Error(`explore-data.json: ${response.status}`);
  data = from.unpacked(await response.json());
  const wanted = from.readQuery(location.search, data);
  settings = wanted.settings;
  now = compute();
  if (now.output && settings.at.some((at) => at >= now.size)) {
    const size = `${now.size} × ${now.size}`;
    wanted.problems.push(
      `at=${settings.at} in the address is outside the output of ${size}; at=0,0 is shown instead.`,
    );
    settings.at = [0, 0];
  }
  fillChoices();
  listen();
  $("app").hidden = false;
  tell(wanted.problems);
  filled = total();
  show();
  followWidth();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches || /[?&]at=/.test(location.search);
  if (now.output && !still) play();
}

start().catch((error) => {
  window.trouble(
    `The digits and kernels of this page could not be read (${error.message}). Reload it; ` +
      "if that does not help, write them again: python -m cnn.export_explore in notebooks/.",
  );
  throw error;
});
