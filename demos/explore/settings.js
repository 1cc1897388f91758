// The settings of the page, and the image and the kernel that they stand for.

import { cropped, KERNELS, resized } from "../shared/convolution.js";

export const SIZE = 28; // pixels on a side of a digit

/** Name, smallest and largest value of each slider. */
export const RANGES = { N: [3, 28], K: [1, 7], S: [1, 5], P: [0, 4], D: [1, 4] };

/** input and kernel are names or rows of numbers; corner: where the shown part of a digit begins. */
export const DEFAULTS = {
  op: "conv",
  N: 8,
  K: 3,
  S: 1,
  P: 0,
  D: 1,
  input: "9",
  kernel: "vertical",
  corner: null,
  at: [0, 0],
};

/** The nearest place at which the shown part of a digit may begin so that N pixels fit. */
export const insideDigit = (corner, N) => corner.map((place) => Math.min(Math.max(place, 0), SIZE - N));

/** Row and column at which the shown part of the digit begins. */
export function cornerOf({ input, corner, N }, data) {
  return insideDigit(corner ?? data.digits[Number(input)].corner, N);
}

/** Whether the input is a part of a digit. */
export const isDigit = ({ input }) => typeof input === "string" && input !== "pixel";

/** A digit of 28 × 28 pixels. */
export const wholeDigit = ({ input }, data) => data.digits[Number(input)].image;

/** The input, N × N. */
export function imageOf(settings, data) {
  const { input, N } = settings;
  if (isDigit(settings)) return cropped(wholeDigit(settings, data), N, cornerOf(settings, data));
  if (input === "pixel") return resized([[1]], N);
  return resizedAtTopLeft(input, N);
}

function resizedAtTopLeft(image, N) {
  return Array.from({ length: N }, (_, i) => Array.from({ length: N }, (_, j) => image[i]?.[j] ?? 0));
}

/** The kernel, K × K. */
export function kernelOf({ kernel, K }, data) {
  if (typeof kernel !== "string") return resized(kernel, K);
  return KERNELS[kernel] ? KERNELS[kernel](K) : resized(data.learned[learnedIndex(kernel)], K);
}

/** 5 for "learned-5", NaN for another name. */
export const learnedIndex = (name) => Number(/^learned-(\d+)$/.exec(name)?.[1] ?? NaN);

/** The data of the page with its digits as numbers. */
export function unpacked(data) {
  const digits = data.digits.map((digit) => ({
    ...digit,
    image: digit.rows.map((row) => [...row].map((tenths) => parseInt(tenths, 16) / 10)),
  }));
  return { ...data, digits };
}
