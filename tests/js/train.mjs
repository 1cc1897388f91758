// What demos/train computes, for a test that compares it with PyTorch. Reads one question as JSON.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parts } from "../../demos/train/digits.js";
import { backward, crossEntropy, crossEntropyOfSoftmax, forward, zerosLike } from "../../demos/train/network.js";
import { pytorchCell } from "../../demos/train/cell.js";
import { firstSettings, MISTAKES } from "../../demos/train/settings.js";
import { Training } from "../../demos/train/training.js";
import { json } from "./files.mjs";

const packed = readFileSync(new URL("../../demos/train/digits.bin.gz", import.meta.url));
const data = parts(json("demos/train/digits.json"), gunzipSync(packed));

const plain = (parameters) =>
  Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, Array.from(values)]));
const arrays = (lists) =>
  Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, Float32Array.from(values)]));

const ANSWERS = {
  /** Logits, losses and mean gradients of the first n training digits. */
  gradients({ parameters, n, softmax, mask }) {
    const weights = arrays(parameters);
    const gradients = zerosLike(weights);
    const results = { logits: [], losses: [] };
    for (let i = 0; i < n; i++) {
      const cache = forward(weights, data.train.images[i], mask && Float32Array.from(mask));
      const { loss, dLogits } = (softmax ? crossEntropyOfSoftmax : crossEntropy)(cache.logits, data.train.labels[i]);
      backward(weights, cache, dLogits.map((d) => d / n), gradients);
      results.logits.push(Array.from(cache.logits));
      results.losses.push(loss);
    }
    return { ...results, gradients: plain(gradients) };
  },

  /** The weights after one epoch from given weights in a given order. */
  epoch({ parameters, order, settings, mistakes }) {
    const training = new Training({ ...firstSettings(), ...settings }, mistakes, data);
    training.parameters = arrays(parameters);
    training.order = Int32Array.from(order);
    while (training.epoch < 1) training.step();
    return plain(training.parameters);
  },

  /** Trainings with each mistake and none: losses of all steps, and what each epoch ends with. */
  mistakes({ settings, seeds }) {
    return ["", ...Object.keys(MISTAKES)].flatMap((key) =>
      seeds.map((seed) => {
        const own = { ...firstSettings(), ...settings, seed };
        const training = new Training(own, key ? [key] : [], data);
        const result = { key, seed, losses: [], validation: [], again: [], test: [] };
        while (!training.isDone) {
          const before = training.epoch;
          result.losses.push(training.step().loss);
          if (training.epoch === before) continue;
          result.validation.push(training.evaluate("validation").accuracy);
          result.again.push(training.evaluate("validation").accuracy);
          result.test.push(training.evaluate("test").accuracy);
        }
        return { ...result, cell: pytorchCell(own, key ? [key] : []) };
      }),
    );
  },
};

const { ask, ...question } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(ANSWERS[ask](question)));
