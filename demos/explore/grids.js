// The four grids of one step: input, kernel, products and output, with the notes below them.

import { pixelColour, signedColour } from "../shared/colours.js";
import { largest } from "../shared/convolution.js";
import { $ } from "../shared/dom.js";
import { NumberGrid } from "../shared/number-grid.js";
import { formatNumber } from "../shared/numbers.js";
import { state, total } from "./state.js";

const READABLE = 20; // pixels on the screen: in smaller cells no numbers are shown
const EDITABLE = 24; // and in smaller ones than this none can be typed (WCAG 2.2, target size)
const LARGEST_CELL = 56;

let grids;

/** typePixel, typeWeight (row, column, text) and pick (row, column): what readers do in the grids. */
export function makeGrids({ typePixel, typeWeight, pick }) {
  grids = {
    input: new NumberGrid($("input"), { name: "input", ring: "var(--input)", edit: typePixel }),
    kernel: new NumberGrid($("kernel"), { name: "kernel", ring: "var(--kernel)", edit: typeWeight }),
    products: new NumberGrid($("products"), { name: "products", ring: "var(--control)" }),
    output: new NumberGrid($("output"), { name: "output", ring: "var(--output)", pick }),
  };
}

/** The input; what the window that begins at (top, left) reads is marked. */
export function showInput(top = NaN, left = NaN) {
  const { N, P, D } = state.settings;
  $("input").classList.toggle("dilated", D > 1);
  grids.input.show(state.now.source, {
    colour: colourOfInput(),
    small: cellOf("input", N + 2 * P) < EDITABLE,
    fixed: (i, j) => !isInside(i, j),
    describe: (i, j) => (isInside(i, j) ? `input, row ${i - P + 1}, column ${j - P + 1}` : "padding"),
    label: `input, ${N} by ${N}` + (P ? ` with ${P} pixels of padding around it` : ""),
    marks: (i, j) => marksOfInput(i, j, isRead(top, i) && isRead(left, j)),
  });
  $("input-note").replaceChildren(...noteOnInput());
}

function isInside(...place) {
  const { N, P } = state.settings;
  return place.every((i) => i >= P && i < P + N);
}

/** Whether the window that begins at a place reads place i, along one axis. */
function isRead(at, i) {
  const { K, D } = state.settings;
  return i >= at && (i - at) % D === 0 && (i - at) / D < K;
}

function marksOfInput(i, j, read) {
  const { P } = state.settings;
  const inside = isInside(i, j);
  const unread = inside && state.now.times?.[i - P][j - P] === 0;
  return classes({ ring: !inside, unread, read });
}

function noteOnInput() {
  const { now, settings } = state;
  const notes = [];
  if (settings.P) notes.push(swatch("ring"), `padding of ${now.pool ? "−∞" : "zeros"} `);
  if (now.unread) notes.push(swatch("unread"), `never read: ${now.unread} of ${settings.N ** 2} pixels`);
  if (now.unread === 0 && !settings.P) notes.push("Every pixel is read. ");
  if (!notes.length || (grids.input.editable && !now.unread)) notes.push("Type other numbers.");
  return notes;
}

/** A small square that shows how cells of a kind are marked. */
function swatch(kind) {
  const square = document.createElement("span");
  square.className = `swatch cell ${kind}`;
  return square;
}

export function showKernel() {
  if (state.now.pool) return;
  const { K, kernel } = state.settings;
  const reach = 2 * Math.max(...state.now.kernel.flat().map(Math.abs), 0.01);
  fit("kernel", K, LARGEST_CELL);
  grids.kernel.show(state.now.kernel, {
    colour: (weight) => signedColour(weight, reach),
    text: (weight) => (kernel === "blur" && K > 1 ? `1/${K ** 2}` : formatNumber(weight)),
    small: cellOf("kernel", K) < READABLE,
    label: `kernel, ${K} by ${K} weights`,
  });
}

/** The products, or for max-pooling the window with its largest value ringed. */
export function showParts(parts, values) {
  const { K } = state.settings;
  const { pool } = state.now;
  const result = largest(values);
  fit("products", K, LARGEST_CELL);
  grids.products.show(parts, {
    colour: pool ? colourOfInput() : colourOfOutput(),
    small: cellOf("products", K) < READABLE,
    marks: (a, b) =>
      classes({ largest: pool && values[a][b] === result, ring: values[a][b] === -Infinity }),
    label: pool ? `the window, ${K} by ${K}` : `${K ** 2} products`,
  });
}

/** The output as far as it is computed, its current pixel said to screen readers. */
export function showOutput() {
  const { now, filled, settings } = state;
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

/** Let the cells of the output be a little larger than those of the input. */
export function fitOutput() {
  const { source, size } = state.now;
  fit("output", size, Math.min(64, Math.max(40, 1.15 * cellOf("input", source.length))));
}

/** The side of one cell on the screen. */
const cellOf = (id, columns) => $(id).parentElement.clientWidth / columns;

/** Keep the cells of a grid from growing larger than so many pixels. */
function fit(id, columns, cell) {
  $(id).parentElement.style.maxWidth = `${Math.round(columns * cell)}px`;
}

/** Shades of grey from white, 0, to black, 1 or more; purple below zero and orange above if there are both. */
function colourOfInput() {
  const values = state.now.image.flat();
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < 0
    ? (value) => signedColour(value, Math.max(high, -low))
    : (value) => pixelColour(value, 0, Math.max(high, 1));
}

/** Shades of grey if neither output nor kernel is negative, else purple below zero and orange above. */
function colourOfOutput() {
  const { pool, output, kernel } = state.now;
  if (pool) return colourOfInput();
  const values = output.flat();
  const reach = Math.max(...values.map(Math.abs), 0.01);
  const signed = [...values, ...kernel.flat()].some((value) => value < 0);
  return signed
    ? (value) => signedColour(value, reach)
    : (value) => pixelColour(value, 0, Math.max(reach, 1));
}

const classes = (names) =>
  Object.keys(names)
    .filter((name) => names[name])
    .join(" ");
