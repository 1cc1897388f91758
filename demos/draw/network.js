/**
 * The CNN of the lesson on training, computed in plain JavaScript.
 *
 * Nothing here knows of a page, so Node can run it too. Feature maps are Float32Arrays in the order
 * of PyTorch, (C, H, W); sums are taken in double precision.
 */

import { checkContent, DataError } from "../shared/data.js";
import { argmax, softmax } from "../shared/logits.js";

/** Side of the square maps, and their number. */
export const SIZES = { input: 28, conv1: 26, conv2: 24, pool: 12 };
export const MAPS = { input: 1, conv1: 32, conv2: 64, pool: 64 };

const SHAPES = {
  "0.weight": [32, 1, 3, 3],
  "0.bias": [32],
  "2.weight": [64, 32, 3, 3],
  "2.bias": [64],
  "7.weight": [128, 9216],
  "7.bias": [128],
  "10.weight": [10, 128],
  "10.bias": [10],
};

/**
 * The parameters by their names in the state_dict, as Float32Arrays.
 *
 * @param {object} manifest content of weights.json
 * @param {ArrayBuffer} buffer content of weights.bin, half-precision numbers, little-endian
 */
export function readWeights(manifest, buffer) {
  checkContent(manifest, buffer);
  const tensors = Array.isArray(manifest.tensors) ? manifest.tensors : [];
  const found = Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]));
  if (JSON.stringify(found) !== JSON.stringify(SHAPES) || !manifest.test) {
    throw new DataError("weights.json describes another network than that of the lesson on training");
  }
  const values = fromHalf(buffer);
  const weights = {};
  let start = 0;
  for (const [name, shape] of Object.entries(SHAPES)) {
    const length = shape.reduce((a, b) => a * b);
    weights[name] = values.subarray(start, start + length);
    start += length;
  }
  return weights;
}

/** Half-precision numbers (IEEE 754 binary16, little-endian) as a Float32Array. */
export function fromHalf(buffer) {
  const view = new DataView(buffer);
  return Float32Array.from({ length: buffer.byteLength / 2 }, (_, i) => {
    const half = view.getUint16(2 * i, true);
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction) : sign * 2 ** -14 * fraction;
  });
}

/**
 * All stages of the network for one image.
 *
 * @param {object} weights from readWeights
 * @param {Float32Array} input (784), values in [0, 1]
 * @returns conv1 (32, 26, 26), conv2 (64, 24, 24) and hidden (128) after their ReLU, pool
 *   (64, 12, 12), logits (10), probabilities (10), and the input itself
 */
export function forward(weights, input) {
  const conv1 = relu(convolve(input, 28, weights["0.weight"], weights["0.bias"]));
  const conv2 = relu(convolve(conv1, 26, weights["2.weight"], weights["2.bias"]));
  const pool = maxPool(conv2, 24);
  const hidden = relu(dense(pool, weights["7.weight"], weights["7.bias"]));
  const logits = dense(hidden, weights["10.weight"], weights["10.bias"]);
  return { input, conv1, conv2, pool, hidden, logits, probabilities: softmax(logits) };
}

/**
 * 3 × 3 convolution, stride 1, no padding.
 *
 * @param {Float32Array} X maps (C, N, N)
 * @param {number} N their side
 * @param {Float32Array} weight (K, C, 3, 3)
 * @param {Float32Array} bias (K)
 * @returns {Float32Array} maps (K, N - 2, N - 2)
 */
export function convolve(X, N, weight, bias) {
  const M = N - 2;
  const C = X.length / (N * N);
  const sums = new Float64Array(M * M);
  const output = new Float32Array(bias.length * M * M);
  for (let k = 0; k < bias.length; k++) {
    sums.fill(bias[k]);
    for (let c = 0; c < C; c++) addChannel(sums, M, X, c * N * N, N, weight, 9 * (k * C + c));
    output.set(sums, k * M * M);
  }
  return output;
}

/** Add one channel's share. The window moves right, so six of its nine pixels are kept. */
function addChannel(sums, M, X, start, N, weight, first) {
  const [w0, w1, w2, w3, w4, w5, w6, w7, w8] = weight.subarray(first, first + 9);
  for (let row = 0; row < M; row++) {
    let top = start + row * N;
    let middle = top + N;
    let bottom = middle + N;
    let x0 = X[top++];
    let x1 = X[top++];
    let x3 = X[middle++];
    let x4 = X[middle++];
    let x6 = X[bottom++];
    let x7 = X[bottom++];
    for (let i = row * M; i < (row + 1) * M; i++) {
      const x2 = X[top++];
      const x5 = X[middle++];
      const x8 = X[bottom++];
      sums[i] +=
        w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4 + w5 * x5 + w6 * x6 + w7 * x7 + w8 * x8;
      x0 = x1;
      x1 = x2;
      x3 = x4;
      x4 = x5;
      x6 = x7;
      x7 = x8;
    }
  }
}

/** max(0, x), in place. */
export function relu(values) {
  for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] = 0;
  return values;
}

/** 2 × 2 max-pooling with stride 2: maps (C, N, N) to (C, N / 2, N / 2). */
export function maxPool(X, N) {
  const M = N / 2;
  const output = new Float32Array(X.length / 4);
  for (let i = 0; i < output.length; i++) {
    const line = Math.floor(i / M); // counts the rows of all maps
    const top = 2 * line * N + 2 * (i % M);
    output[i] = Math.max(X[top], X[top + 1], X[top + N], X[top + N + 1]);
  }
  return output;
}

/** A dense layer: x (M), weight (K, M), bias (K) to (K). */
export function dense(x, weight, bias) {
  return Float32Array.from(bias, (sum, k) => {
    const row = k * x.length;
    for (let i = 0; i < x.length; i++) sum += weight[row + i] * x[i];
    return sum;
  });
}

/**
 * How one pixel of a convolution comes about.
 *
 * @returns channels: for each input channel its patch, kernel and products (9 each) and their sum;
 *   bias; sum: of all products and the bias; value: after the ReLU
 */
export function explainConvolution(X, N, weight, bias, map, row, column) {
  const C = X.length / (N * N);
  const channels = Array.from({ length: C }, (_, c) => {
    const patch = Array.from({ length: 9 }, (_, i) => {
      return X[c * N * N + (row + Math.floor(i / 3)) * N + column + (i % 3)];
    });
    const first = 9 * (map * C + c);
    const kernel = Array.from(weight.subarray(first, first + 9));
    const products = patch.map((x, i) => x * kernel[i]);
    return { channel: c, patch, kernel, products, sum: add(products) };
  });
  const sum = add(channels.map((channel) => channel.sum)) + bias[map];
  return { channels, bias: bias[map], sum, value: Math.max(0, sum) };
}

/** How one pixel of max-pooling comes about: the four values, and which of them is taken. */
export function explainPool(X, N, map, row, column) {
  const top = map * N * N + 2 * row * N + 2 * column;
  const patch = [X[top], X[top + 1], X[top + N], X[top + N + 1]];
  return { patch, taken: argmax(patch), value: Math.max(...patch) };
}

/** How one unit of a dense layer comes about; sum is before any ReLU. */
export function explainDense(x, weight, bias, unit) {
  const products = Float64Array.from(x, (value, i) => value * weight[unit * x.length + i]);
  const positive = add(products.map((p) => Math.max(0, p)));
  const negative = add(products.map((p) => Math.min(0, p)));
  return { products, positive, negative, bias: bias[unit], sum: positive + negative + bias[unit] };
}

function add(values) {
  return values.reduce((a, b) => a + b, 0);
}
