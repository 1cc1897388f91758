// What readers change: settings, the size of a kernel, and the numbers in the grids.

import { KERNELS } from "../shared/convolution.js";
import { parseNumber } from "../shared/numbers.js";
import { remember } from "./address.js";
import { DEFAULTS, kernelOf, learnedIndex } from "./settings.js";
import { set, state } from "./state.js";
import { show, tell } from "./view.js";
import { stop } from "./walk.js";

/** Change settings, compute anew, show the whole output. */
export function change(changes) {
  stop();
  set(changes);
  show();
  remember(state.settings);
}

export function reset() {
  tell([]);
  change({ ...DEFAULTS });
}

/** A learned kernel comes in its own size. */
export function chooseKernel(kernel) {
  const learned = state.data.learned[learnedIndex(kernel)];
  change({ kernel, K: learned?.length ?? state.settings.K });
}

/** Change one of the sliders; a kernel of one size only becomes the reader's own when the size changes. */
export function slide(name, value) {
  const { settings, data } = state;
  const keepsKernel = name !== "K" || KERNELS[settings.kernel];
  change(keepsKernel ? { [name]: value } : { K: value, kernel: kernelOf({ ...settings, K: value }, data) });
}

/** A pixel of the input was typed, in a cell of the padded image; false if it is no number. */
export function typePixel(row, column, text) {
  const { P } = state.settings;
  return typed(text, (value) => ({ input: withOne(state.now.image, row - P, column - P, value) }));
}

/** A weight of the kernel was typed; false if it is no number. */
export function typeWeight(row, column, text) {
  return typed(text, (value) => ({ kernel: withOne(state.now.kernel, row, column, value) }));
}

function typed(text, changes) {
  const value = parseNumber(text);
  const accepted = !Number.isNaN(value);
  tell(accepted ? [] : [`“${text}” is not a number. Type one such as 0.5, −1 or 1/9.`]);
  if (accepted) change(changes(value));
  return accepted;
}

const withOne = (matrix, row, column, value) =>
  matrix.map((line, i) => line.map((old, j) => (i === row && j === column ? value : old)));
