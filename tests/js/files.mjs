// What the tests read: files of the repository, and MNIST's test digits.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url));
const mnist = (name) => gunzipSync(read(`data/MNIST/raw/t10k-${name}-ubyte.gz`));
const images = mnist("images-idx3").subarray(16);

export const json = (path) => JSON.parse(read(path));

/** The content of a file as an ArrayBuffer of its own. */
export const bytes = (path) => new Uint8Array(read(path)).buffer;

/** Test digit i as the network gets it: (784), values in [0, 1]. */
export function testDigit(i) {
  return Float32Array.from(images.subarray(784 * i, 784 * (i + 1)), (byte) => byte / 255);
}

export const testLabels = () => mnist("labels-idx1").subarray(8);
