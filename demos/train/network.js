/**
 * A small CNN with its gradients, in plain JavaScript. Nothing here knows of a page.
 *
 * Layers: 3 × 3 convolution to `width` maps, ReLU, 2 × 2 max-pooling; the same to 2 · width maps;
 * dropout; a dense layer to ten logits. Maps are Float32Arrays in the order of PyTorch, (C, H, W).
 * Sides: 28 → 26 → 13 → 11 → 5, as max_pool2d rounds down.
 */

import { softmax } from "../shared/logits.js";

const SIDES = { input: 28, conv1: 26, pool1: 13, conv2: 11, pool2: 5 };

/** Names, shapes and inputs of a unit (fan-in) of the parameters, as in PyTorch's state_dict. */
export function shapes(width) {
  const dense = 2 * width * SIDES.pool2 ** 2;
  return {
    "conv1.weight": { shape: [width, 1, 3, 3], fanIn: 9 },
    "conv1.bias": { shape: [width], fanIn: 9 },
    "conv2.weight": { shape: [2 * width, width, 3, 3], fanIn: 9 * width },
    "conv2.bias": { shape: [2 * width], fanIn: 9 * width },
    "dense.weight": { shape: [10, dense], fanIn: dense },
    "dense.bias": { shape: [10], fanIn: dense },
  };
}

export const sizeOf = (shape) => shape.reduce((a, b) => a * b);

/**
 * Parameters by name, uniform in ±1/√fan-in: what PyTorch's layers begin with.
 *
 * deadStart: the biases of both convolutions begin at −3 instead, so that every ReLU gives 0.
 */
export function initialise(width, random, { deadStart = false } = {}) {
  const parameters = {};
  for (const [name, { shape, fanIn }] of Object.entries(shapes(width))) {
    const bound = 1 / Math.sqrt(fanIn);
    parameters[name] = Float32Array.from({ length: sizeOf(shape) }, () => bound * (2 * random() - 1));
    if (deadStart && name.startsWith("conv") && name.endsWith("bias")) parameters[name].fill(-3);
  }
  return parameters;
}

/** Zeros for the gradient of each parameter. */
export const zerosLike = (parameters) =>
  Object.fromEntries(Object.entries(parameters).map(([name, p]) => [name, new Float32Array(p.length)]));

/**
 * Everything that one image leaves in the network.
 *
 * image: (784); mask: what dropout multiplies each of the pooled numbers by, or null outside training.
 */
export function forward(parameters, image, mask = null) {
  const first = block(image, SIDES.input, parameters["conv1.weight"], parameters["conv1.bias"]);
  const second = block(first.pool, SIDES.pool1, parameters["conv2.weight"], parameters["conv2.bias"]);
  const kept = mask ? second.pool.map((value, i) => value * mask[i]) : second.pool;
  const logits = dense(kept, parameters["dense.weight"], parameters["dense.bias"]);
  return { image, first, second, kept, mask, logits };
}

/** Convolution, ReLU and max-pooling; `taken` holds where each maximum stood, or −1 where it is 0. */
function block(X, N, weight, bias) {
  const maps = convolve(X, N, weight, bias);
  return { maps, ...pool(maps, N - 2) };
}

/** 3 × 3 convolution of X (C, N, N) without padding, then ReLU; (K, N − 2, N − 2). */
export function convolve(X, N, weight, bias) {
  const M = N - 2;
  const C = X.length / (N * N);
  const output = new Float32Array(bias.length * M * M);
  for (let k = 0; k < bias.length; k++) {
    const map = output.subarray(k * M * M, (k + 1) * M * M).fill(bias[k]);
    for (let c = 0; c < C; c++) addChannel(map, M, X, c * N * N, N, weight, 9 * (k * C + c));
  }
  for (let i = 0; i < output.length; i++) if (output[i] < 0) output[i] = 0;
  return output;
}

function addChannel(map, M, X, start, N, weight, at) {
  const [w0, w1, w2, w3, w4, w5, w6, w7, w8] = weight.subarray(at, at + 9);
  for (let row = 0; row < M; row++) {
    const top = start + row * N;
    for (let column = 0; column < M; column++) {
      const i = top + column;
      map[row * M + column] +=
        w0 * X[i] + w1 * X[i + 1] + w2 * X[i + 2] +
        w3 * X[i + N] + w4 * X[i + N + 1] + w5 * X[i + N + 2] +
        w6 * X[i + 2 * N] + w7 * X[i + 2 * N + 1] + w8 * X[i + 2 * N + 2];
    }
  }
}

/** 2 × 2 max-pooling of maps (C, N, N): {pool (C, ⌊N/2⌋, ⌊N/2⌋), taken}. The first maximum counts. */
export function pool(maps, N) {
  const M = Math.floor(N / 2);
  const C = maps.length / (N * N);
  const result = { pool: new Float32Array(C * M * M), taken: new Int32Array(C * M * M) };
  for (let c = 0, o = 0; c < C; c++) {
    for (let row = 0; row < M; row++) {
      for (let column = 0; column < M; column++, o++) {
        const corner = c * N * N + 2 * row * N + 2 * column;
        let best = corner;
        for (const i of [corner + 1, corner + N, corner + N + 1]) if (maps[i] > maps[best]) best = i;
        result.pool[o] = maps[best];
        result.taken[o] = maps[best] > 0 ? best : -1;
      }
    }
  }
  return result;
}

function dense(x, weight, bias) {
  return Float32Array.from(bias, (b, k) => {
    let sum = b;
    for (let i = 0; i < x.length; i++) sum += weight[k * x.length + i] * x[i];
    return sum;
  });
}

/**
 * Add the gradient of one image's loss to `gradients`, by the chain rule from the logits back.
 *
 * cache: from `forward`; dLogits: (10), the derivative of the loss by each logit.
 */
export function backward(parameters, cache, dLogits, gradients) {
  const { image, first, second, kept, mask } = cache;
  const dKept = backDense(kept, parameters["dense.weight"], dLogits, gradients);
  if (mask) for (let i = 0; i < dKept.length; i++) dKept[i] *= mask[i];
  const dFirst = new Float32Array(first.pool.length);
  backBlock(second, SIDES.conv2, dKept, first.pool, SIDES.pool1, parameters, "conv2", gradients, dFirst);
  backBlock(first, SIDES.conv1, dFirst, image, SIDES.input, parameters, "conv1", gradients, null);
}

function backDense(x, weight, dLogits, gradients) {
  const dX = new Float32Array(x.length);
  const dWeight = gradients["dense.weight"];
  for (let k = 0; k < dLogits.length; k++) {
    const d = dLogits[k];
    gradients["dense.bias"][k] += d;
    for (let i = 0, j = k * x.length; i < x.length; i++, j++) {
      dWeight[j] += d * x[i];
      dX[i] += d * weight[j];
    }
  }
  return dX;
}

/**
 * Back through pooling, ReLU and convolution.
 *
 * The maximum alone has a gradient, and only where it is above 0: so most places are left out.
 */
function backBlock({ pool: pooled, taken }, M, dPool, X, N, parameters, name, gradients, dX) {
  const weight = parameters[`${name}.weight`];
  const dWeight = gradients[`${name}.weight`];
  const dBias = gradients[`${name}.bias`];
  const C = X.length / (N * N);
  for (let o = 0; o < pooled.length; o++) {
    const d = dPool[o];
    if (d === 0 || taken[o] < 0) continue;
    const k = Math.floor(taken[o] / (M * M));
    const place = taken[o] - k * M * M;
    const corner = Math.floor(place / M) * N + (place % M);
    dBias[k] += d;
    for (let c = 0; c < C; c++) {
      let w = 9 * (k * C + c);
      for (let a = 0; a < 3; a++) {
        let i = c * N * N + corner + a * N;
        for (let b = 0; b < 3; b++, i++, w++) {
          dWeight[w] += d * X[i];
          if (dX) dX[i] += d * weight[w];
        }
      }
    }
  }
}

/** Cross-entropy of logits for a label, and its derivative by each logit: {loss, dLogits}. */
export function crossEntropy(logits, label) {
  const top = Math.max(...logits);
  const powers = Float64Array.from(logits, (z) => Math.exp(z - top)); // as in softmax
  const sum = powers.reduce((a, b) => a + b);
  const dLogits = powers.map((power, k) => power / sum - (k === label ? 1 : 0));
  return { loss: top + Math.log(sum) - logits[label], dLogits };
}

/** The same after a softmax too many: cross-entropy takes the probabilities for logits. */
export function crossEntropyOfSoftmax(logits, label) {
  const p = softmax(logits);
  const { loss, dLogits: dP } = crossEntropy(p, label);
  const along = p.reduce((sum, value, k) => sum + value * dP[k], 0);
  return { loss, dLogits: Float64Array.from(p, (value, k) => value * (dP[k] - along)) };
}
