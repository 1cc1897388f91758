// The address of the page carries the settings.

import { KERNELS } from "../shared/convolution.js";
import { parseNumber } from "../shared/numbers.js";
import { DEFAULTS, insideDigit, isDigit, learnedIndex, RANGES, SIZE } from "./settings.js";

const SETTLE = 300; // milliseconds

let remembering;

/** Let the address follow, a little later: browsers limit how often it may change. */
export function remember(settings) {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const query = writeQuery(settings);
    if (query !== location.search) history.replaceState(null, "", query);
  }, SETTLE);
}

/** The query of an address that carries the settings. */
export function writeQuery(settings) {
  const { op, input, kernel, corner, at } = settings;
  const sizes = Object.keys(RANGES).map((name) => [name, settings[name]]);
  const pairs = [["op", op], ...sizes, ["input", asText(input)]];
  if (op === "conv") pairs.push(["kernel", asText(kernel)]);
  if (corner && isDigit(settings)) pairs.push(["corner", corner.join(",")]);
  if (at[0] || at[1]) pairs.push(["at", at.join(",")]);
  return "?" + pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

function asText(value) {
  if (!Array.isArray(value)) return value;
  const numbers = value.flat().map((x) => +x.toFixed(6));
  return numbers.join(",");
}

/**
 * Settings from the query of an address.
 *
 * Returns { settings, problems }: for each part that can't be used a sentence, and the default instead.
 */
export function readQuery(query, data) {
  const reader = new Reader(query);
  reader.read("op", "conv or pool", (text) => (["conv", "pool"].includes(text) ? text : undefined));
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    reader.read(name, `a whole number from ${low} to ${high}`, (text) => wholeNumber(text, low, high));
  }
  reader.read("input", "a digit from 0 to 9, “pixel”, or N × N numbers with commas", (text) =>
    /^\d$/.test(text) || text === "pixel" ? text : reader.square("N", text),
  );
  const names = `${Object.keys(KERNELS).join(", ")}, learned-0 to learned-${data.learned.length - 1}`;
  reader.read("kernel", `${names}, or K × K numbers with commas`, (text) => {
    const known = Object.hasOwn(KERNELS, text) || data.learned[learnedIndex(text)];
    return known ? text : reader.square("K", text);
  });
  const { N } = reader.settings;
  reader.read("corner", `a row and a column such as 6,11, from 0 to ${SIZE - N}`, (text) => {
    const place = pair(text);
    return place && String(insideDigit(place, N)) === String(place) ? place : undefined;
  });
  reader.read("at", "a row and a column of the output such as 0,2", pair);
  return { settings: reader.settings, problems: reader.problems };
}

/** Reads one setting after the other, and collects what is wrong. */
class Reader {
  settings = { ...DEFAULTS };
  problems = [];

  constructor(query) {
    this.given = new URLSearchParams(query);
    const unknown = [...new Set(this.given.keys())].filter((name) => !Object.hasOwn(DEFAULTS, name));
    if (unknown.length) {
      const names = unknown.map(shortened).join(", ");
      this.problems.push(`The address has settings that this page doesn't know: ${names}.`);
    }
  }

  /** accept: from a text to the value of a setting, undefined if it has none. */
  read(name, wanted, accept) {
    if (!this.given.has(name)) return;
    const value = accept(this.given.get(name));
    if (value === undefined) this.#reject(name, wanted);
    else this.settings[name] = value;
  }

  /** Rows of as many numbers as the size N or K says; without a size in the address they set it. */
  square(name, text) {
    const numbers = text.split(",").map(parseNumber);
    const n = this.given.has(name) ? this.settings[name] : Math.sqrt(numbers.length);
    const [low, high] = RANGES[name];
    if (n ** 2 !== numbers.length || n < low || n > high || numbers.some(Number.isNaN)) return undefined;
    this.settings[name] = n;
    return Array.from({ length: n }, (_, i) => numbers.slice(i * n, (i + 1) * n));
  }

  #reject(name, wanted) {
    const fallback = name === "corner" ? "that of the digit" : `${name}=${this.settings[name]}`;
    const found = `${name}=${shortened(this.given.get(name))}`;
    this.problems.push(`${found} in the address is not ${wanted}; ${fallback} is shown instead.`);
  }
}

function wholeNumber(text, low, high) {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
}

const pair = (text) => (/^\d+,\d+$/.test(text) ? text.split(",").map(Number) : undefined);
const shortened = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
