/** A training, step by step, with the mistakes that are switched on. Nothing here knows of a page. */

import { argmax } from "../shared/logits.js";
import { backward, crossEntropy, crossEntropyOfSoftmax, forward, initialise, zerosLike } from "./network.js";
import { OPTIMIZERS } from "./optimizers.js";
import { permutation, randomNumbers } from "./random.js";

const RATE_TOO_HIGH = 30;

export class Training {
  /**
   * settings: as in settings.js; mistakes: their keys; data: {train, validation, test}, each
   * {images: [Float32Array (784)], labels: [number]}.
   */
  constructor(settings, mistakes, data) {
    const has = (key) => mistakes.includes(key);
    Object.assign(this, { settings, has, epoch: 0, steps: 0 });
    this.random = randomNumbers(settings.seed);
    this.parameters = initialise(settings.width, this.random, { deadStart: has("dead") });
    this.gradients = zerosLike(this.parameters);
    const rate = settings.rate * (has("rate") ? RATE_TOO_HIGH : 1);
    this.update = OPTIMIZERS[settings.optimizer](rate);
    this.loss = has("softmax") ? crossEntropyOfSoftmax : crossEntropy;
    this.data = {
      train: this.#prepared(first(data.train, settings.images)),
      validation: this.#prepared(data.validation),
      test: this.#prepared(data.test),
    };
    if (has("labels")) {
      const order = permutation(settings.images, this.random);
      const labels = this.data.train.labels;
      this.data.train = { ...this.data.train, labels: Array.from(order, (i) => labels[i]) };
    }
    this.#startEpoch();
  }

  get stepsPerEpoch() {
    return Math.ceil(this.settings.images / this.settings.batch);
  }

  get isDone() {
    return this.epoch >= this.settings.epochs;
  }

  #prepared({ images, labels }) {
    const factor = this.has("scale") ? 255 : 1;
    return { images: factor === 1 ? images : images.map((image) => image.map((x) => factor * x)), labels };
  }

  #startEpoch() {
    const n = this.settings.images;
    this.order = this.has("sorted") ? sortedByLabel(this.data.train.labels) : permutation(n, this.random);
    this.next = 0;
  }

  /** One batch: returns {loss, right, count} of its images, before the weights change. */
  step() {
    const { images, labels } = this.data.train;
    const batch = this.order.slice(this.next, this.next + this.settings.batch);
    if (!this.has("accumulate")) for (const g of Object.values(this.gradients)) g.fill(0);
    const result = { loss: 0, right: 0, count: batch.length };
    for (const i of batch) {
      const cache = forward(this.parameters, images[i], this.#mask());
      const { loss, dLogits } = this.loss(cache.logits, labels[i]);
      backward(this.parameters, cache, dLogits.map((d) => d / batch.length), this.gradients);
      result.loss += loss / batch.length;
      result.right += argmax(cache.logits) === labels[i];
    }
    this.update(this.parameters, this.gradients);
    this.steps++;
    this.next += batch.length;
    if (this.next >= this.settings.images) {
      this.epoch++;
      this.#startEpoch();
    }
    return result;
  }

  /** What dropout multiplies the pooled numbers by: 0, or 1 / (1 − p); null without dropout. */
  #mask() {
    const p = this.settings.dropout;
    if (!p) return null;
    return Float32Array.from({ length: 50 * this.settings.width }, () =>
      this.random() < p ? 0 : 1 / (1 - p),
    );
  }

  /** {loss, accuracy, confusion (10, 10): label by answer} on the images of a part of the data. */
  evaluate(part) {
    const { images, labels } = this.data[part];
    const confusion = new Int32Array(100);
    let loss = 0;
    images.forEach((image, i) => {
      const { logits } = forward(this.parameters, image, this.has("train") ? this.#mask() : null);
      loss += this.loss(logits, labels[i]).loss;
      confusion[10 * labels[i] + argmax(logits)]++;
    });
    const right = confusion.filter((_, i) => i % 11 === 0).reduce((a, b) => a + b);
    return { loss: loss / images.length, accuracy: right / images.length, confusion };
  }
}

function first({ images, labels }, n) {
  return { images: images.slice(0, n), labels: labels.slice(0, n) };
}

function sortedByLabel(labels) {
  return Int32Array.from(labels.keys()).sort((a, b) => labels[a] - labels[b] || a - b);
}
