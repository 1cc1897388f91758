// The forward pass of demos/draw/network.js against PyTorch's logits, and its parts against small numbers.

import assert from "node:assert/strict";
import test from "node:test";
import {
  convolve,
  dense,
  explainConvolution,
  explainDense,
  explainPool,
  forward,
  fromHalf,
  maxPool,
  readWeights,
  relu,
} from "../../demos/draw/network.js";
import { argmax, softmax } from "../../demos/shared/logits.js";
import { crc32, DataError, readDigits } from "../../demos/shared/data.js";
import { json, bytes, testDigit, testLabels } from "./files.mjs";

const manifest = json("demos/draw/weights.json");
const weights = readWeights(manifest, bytes("demos/draw/weights.bin"));
const [stored, exact] = storedLogits();

/** PyTorch's logits: with the weights in half precision, and with those before rounding. */
function storedLogits() {
  const { shape, crc32: sum } = json("tests/vectors/network.json");
  const content = bytes("tests/vectors/network.bin");
  assert.equal(crc32(new Uint8Array(content)), sum);
  const values = new Float32Array(content);
  const row = (i) => values.subarray(i * shape[2], (i + 1) * shape[2]);
  const part = (first) => Array.from({ length: shape[1] }, (_, i) => row(first + i));
  return [part(0), part(shape[1])];
}

const ours = stored.map((_, i) => forward(weights, testDigit(i)).logits);
const largestDifference = (a, b) => Math.max(...a.map((z, i) => Math.abs(z - b[i])));
const differences = (theirs) => ours.map((logits, i) => largestDifference(logits, theirs[i]));

/** The distance of the two largest logits. */
function lead(logits) {
  const [first, second] = Array.from(logits).sort((a, b) => b - a);
  return first - second;
}

test("1,000 digits: the logits are PyTorch's with the same weights", (t) => {
  assert.equal(stored.length, 1000);
  const largest = Math.max(...differences(stored));
  t.diagnostic(`largest difference ${largest.toExponential(1)}`);
  // PyTorch sums in float32, in an order of its own: 9,216 products with a rounding of 2^-24 each.
  assert.ok(largest < 2e-5, `${largest}`);
  const other = ours.filter((logits, i) => argmax(logits) !== argmax(stored[i]));
  assert.deepEqual(
    other.filter((logits) => lead(logits) > 4e-5),
    [],
    "the same class but for ties",
  );
});

test("1,000 digits: half precision moves the logits little", (t) => {
  const largest = Math.max(...differences(exact));
  t.diagnostic(`largest difference ${largest.toExponential(1)}`);
  // Rounding a weight to half precision changes it by up to 2^-11, one part in 2,048.
  assert.ok(largest < 0.02, `${largest}`);
  assert.ok(largest > Math.max(...differences(stored)), "the two sets of logits are not the same");
  ours.forEach((logits, i) => {
    if (lead(logits) > 0.04) assert.equal(argmax(logits), argmax(exact[i]), `digit ${i}`);
  });
});

test(
  "the accuracy on 10,000 digits is the one that the page states",
  { skip: !process.env.ALL_DIGITS && "set ALL_DIGITS=1" },
  (t) => {
    const labels = testLabels();
    const answers = Array.from(labels, (_, i) => forward(weights, testDigit(i)).probabilities);
    const wrong = answers.filter((p, i) => argmax(p) !== labels[i]);
    const unsure = answers.filter((p) => Math.max(...p) < manifest.test.sure);
    t.diagnostic(
      `${(100 - wrong.length / 100).toFixed(2)} %, ${wrong.length} wrong, ${unsure.length} unsure`,
    );
    assert.ok(Math.abs(wrong.length - manifest.test.wrong) <= 1, "one tie may fall the other way");
    assert.ok(Math.abs(unsure.length - manifest.test.unsure) <= 1);
  },
);

test("the digits of the page are the test set's, and the wrong ones are wrong", () => {
  const digits = readDigits(json("demos/shared/digits.json"), bytes("demos/shared/digits.bin"));
  const labels = testLabels();
  for (const { index, label, prediction, pixels } of digits) {
    assert.deepEqual(pixels, testDigit(index));
    assert.equal(label, labels[index]);
    assert.equal(argmax(forward(weights, pixels).logits), prediction, `digit ${index}`);
  }
  assert.ok(digits.filter((d) => d.label !== d.prediction).length >= 30);
});

test("a pixel that is explained is the pixel of the map", () => {
  const stages = forward(weights, testDigit(3));
  const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-4, `${a} and ${b}`);
  for (const [map, row, column] of [
    [0, 0, 0],
    [5, 12, 9],
    [31, 23, 23],
  ]) {
    const first = explainConvolution(
      stages.input,
      28,
      weights["0.weight"],
      weights["0.bias"],
      map,
      row,
      column,
    );
    close(first.value, stages.conv1[(map * 26 + row) * 26 + column]);
    close(first.channels[0].products.reduce((a, b) => a + b) + first.bias, first.sum);
    const second = explainConvolution(
      stages.conv1,
      26,
      weights["2.weight"],
      weights["2.bias"],
      map,
      row,
      column,
    );
    assert.equal(second.channels.length, 32);
    close(second.value, stages.conv2[(map * 24 + row) * 24 + column]);
    const pooled = explainPool(stages.conv2, 24, map, row >> 1, column >> 1);
    assert.equal(pooled.value, stages.pool[(map * 12 + (row >> 1)) * 12 + (column >> 1)]);
    assert.equal(pooled.patch[pooled.taken], pooled.value);
  }
  for (const unit of [0, 77, 127]) {
    close(
      relu([explainDense(stages.pool, weights["7.weight"], weights["7.bias"], unit).sum])[0],
      stages.hidden[unit],
    );
  }
  const last = explainDense(stages.hidden, weights["10.weight"], weights["10.bias"], 9);
  close(last.sum, stages.logits[9]);
  assert.ok(last.positive > 0 && last.negative < 0);
});

test("a convolution by hand", () => {
  const X = Float32Array.from({ length: 32 }, (_, i) => i); // (2, 4, 4)
  const weight = new Float32Array(18);
  weight[4] = 1; // the centre of channel 0
  weight[9 + 2] = 10; // the top right corner of channel 1
  assert.deepEqual(convolve(X, 4, weight, [0.5]), Float32Array.of(185.5, 196.5, 229.5, 240.5));
});

test("ReLU, pooling, a dense layer and softmax by hand", () => {
  assert.deepEqual(relu(Float32Array.of(-1, 0, 2)), Float32Array.of(0, 0, 2));
  const X = Float32Array.of(1, 2, 5, 6, 4, 3, 8, 7, 0, 0, 0, -1, 0, 9, -2, -3);
  assert.deepEqual(maxPool(X, 4), Float32Array.of(4, 8, 9, 0));
  assert.deepEqual(dense([1, 2], [1, 1, 3, -1], [0.5, 0]), Float32Array.of(3.5, 1));
  const probabilities = softmax([1000, 1000 + Math.log(3)]);
  assert.ok(Math.abs(probabilities[0] - 0.25) < 1e-9 && Math.abs(probabilities[1] - 0.75) < 1e-9);
});

test("half-precision numbers", () => {
  const codes = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x3555, 0x0400, 0x7c00];
  const numbers = [1, -2, 65504, 2 ** -24, -0, 0.333251953125, 2 ** -14, Infinity];
  assert.deepEqual(Array.from(fromHalf(Uint16Array.from(codes).buffer)), numbers);
});

test("a checksum as zlib computes it", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("files that don't fit are refused", () => {
  const content = bytes("demos/draw/weights.bin");
  const refused = (message, change, buffer = content) =>
    assert.throws(
      () => readWeights({ ...manifest, ...change }, buffer),
      (error) => {
        return error instanceof DataError && message.test(error.message);
      },
    );
  refused(/has 1000 bytes instead of 2399764/, {}, content.slice(0, 1000));
  const damaged = content.slice();
  new Uint8Array(damaged)[12345] ^= 1;
  refused(/is damaged/, {}, damaged);
  refused(/another network/, { tensors: manifest.tensors.slice(1) });
});
