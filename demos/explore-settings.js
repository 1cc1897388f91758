// The settings of the convolution explorer, and the address that carries them.

import { cropped, KERNELS, parseNumber, resized } from "./convolution.js";

/** Name, smallest and largest value of each slider. */
export const RANGES = { N: [3, 28], F: [1, 7], S: [1, 5], P: [0, 4], D: [1, 4] };
export const OPERATIONS = { conv: "convolution", pool: "max-pooling" };
export const DEFAULTS = {
  op: "conv",
  N: 8,
  F: 3,
  S: 1,
  P: 0,
  D: 1,
  input: "9",
  kernel: "vertical",
  corner: null,
  at: [0, 0],
};

const SIZE = 28;
const sameSize = (numbers) => Math.sqrt(numbers.length);
const numbersIn = (text) => text.split(",").map(parseNumber);
const rowsOf = (numbers, n) => Array.from({ length: n }, (_, i) => numbers.slice(i * n, (i + 1) * n));

/** Where the shown part of a digit may begin so that N pixels fit. */
const insideDigit = (corner, N) => corner.map((place) => Math.min(Math.max(place, 0), SIZE - N));

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

/** The kernel, F × F. */
export function kernelOf({ kernel, F }, data) {
  if (typeof kernel !== "string") return resized(kernel, F);
  return KERNELS[kernel] ? KERNELS[kernel](F) : resized(data.learned[learnedIndex(kernel)], F);
}

/** 5 for "learned-5", NaN for another name. */
export const learnedIndex = (name) => Number(/^learned-(\d+)$/.exec(name)?.[1] ?? NaN);

/** The query of an address that carries the settings. */
export function writeQuery(settings) {
  const { op, input, kernel, corner, at } = settings;
  const text = (value) =>
    Array.isArray(value)
      ? value
          .flat()
          .map((x) => +x.toFixed(6))
          .join(",")
      : value;
  const pairs = { op, ...pick(settings, Object.keys(RANGES)), input: text(input) };
  if (op === "conv") pairs.kernel = text(kernel);
  if (corner && isDigit(settings)) pairs.corner = corner.join(",");
  if (at[0] || at[1]) pairs.at = at.join(",");
  return (
    "?" +
    Object.entries(pairs)
      .map(([name, value]) => `${name}=${value}`)
      .join("&")
  );
}

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));

/**
 * Settings from the query of an address.
 *
 * Returns { settings, problems }: for each part that can't be used a sentence, and the default instead.
 */
export function readQuery(query, data) {
  const given = new URLSearchParams(query);
  const settings = { ...DEFAULTS };
  const problems = [];

  const reject = (name, wanted) => {
    const fallback = name === "corner" ? "that of the digit" : `${name}=${settings[name]}`;
    const found = `${name}=${shortened(given.get(name))}`;
    problems.push(`${found} in the address is not ${wanted}; ${fallback} is shown instead.`);
  };
  const read = (name, wanted, accept) => {
    if (!given.has(name)) return;
    const value = accept(given.get(name));
    if (value === undefined) reject(name, wanted);
    else settings[name] = value;
  };

  const unknown = [...new Set(given.keys())].filter((name) => !Object.hasOwn(DEFAULTS, name));
  if (unknown.length) {
    const names = unknown.map(shortened).join(", ");
    problems.push(`The address has settings that this page doesn't know: ${names}.`);
  }

  read("op", "conv or pool", (text) => (Object.hasOwn(OPERATIONS, text) ? text : undefined));
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    read(name, `a whole number from ${low} to ${high}`, (text) => {
      const value = /^\d+$/.test(text) ? Number(text) : NaN;
      return value >= low && value <= high ? value : undefined;
    });
  }
  const square = (name, text) => {
    const numbers = numbersIn(text);
    const n = given.has(name) ? settings[name] : sameSize(numbers);
    const [low, high] = RANGES[name];
    if (n ** 2 !== numbers.length || n < low || n > high || numbers.some(Number.isNaN)) return undefined;
    settings[name] = n;
    return rowsOf(numbers, n);
  };
  read("input", "a digit from 0 to 9, “pixel”, or N × N numbers with commas", (text) =>
    /^\d$/.test(text) || text === "pixel" ? text : square("N", text),
  );
  const names = `${Object.keys(KERNELS).join(", ")}, learned-0 to learned-${data.learned.length - 1}`;
  read("kernel", `${names}, or F × F numbers with commas`, (text) => {
    const known = Object.hasOwn(KERNELS, text) || data.learned[learnedIndex(text)];
    return known ? text : square("F", text);
  });
  const pair = (text) => (/^\d+,\d+$/.test(text) ? text.split(",").map(Number) : undefined);
  read("corner", `a row and a column such as 6,11, from 0 to ${SIZE - settings.N}`, (text) => {
    const place = pair(text);
    return place && String(insideDigit(place, settings.N)) === String(place) ? place : undefined;
  });
  read("at", "a row and a column of the output such as 0,2", pair);
  return { settings, problems };
}

const shortened = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** The data of the page with its digits as numbers. */
export function unpacked(data) {
  const digits = data.digits.map((digit) => ({
    ...digit,
    image: digit.rows.map((row) => [...row].map((tenths) => parseInt(tenths, 16) / 10)),
  }));
  return { ...data, digits };
}
