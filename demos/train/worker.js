// Trains in the background: {start: {settings, mistakes, data, digit}}, {pause}, {resume}, {look: digit}.

import { forward } from "./network.js";
import { Training } from "./training.js";

const SLICE = 40; // milliseconds of work between two looks at what the page asks for
const PICTURE = 250; // milliseconds between two pictures of the network
const BINS = 25; // of the histogram of gradients
const [SMALLEST, LARGEST] = [-7, 1]; // powers of ten that it reaches from and to

let training, digit, paused, losses, lastPicture, best, timer;

addEventListener("message", ({ data: { start, pause, resume, look } }) => {
  if (start) begin(start);
  if (pause) paused = true;
  if (look !== undefined) {
    digit = look;
    if (training) postMessage({ picture: picture() });
  }
  if (resume && paused) {
    paused = false;
    work();
  }
});

function begin({ settings, mistakes, data, digit: chosen }) {
  clearTimeout(timer);
  training = new Training(settings, mistakes, data);
  [digit, paused, losses, lastPicture, best] = [chosen, false, [], 0, null];
  work();
}

function work() {
  const until = performance.now() + SLICE;
  while (!paused && !training.isDone && performance.now() < until) {
    const before = training.epoch;
    const { loss, right, count } = training.step();
    losses.push({ step: training.steps, loss, accuracy: right / count, lengths: lengths() });
    if (training.epoch > before) report();
  }
  send();
  if (!paused && !training.isDone) timer = setTimeout(work);
}

/** Length of the gradient of each layer's weights. */
function lengths() {
  const of = (name) => Math.sqrt(training.gradients[`${name}.weight`].reduce((sum, g) => sum + g * g, 0));
  return [of("conv1"), of("conv2"), of("dense")];
}

function report() {
  const validation = training.evaluate("validation");
  const again = training.has("train") ? training.evaluate("validation") : validation;
  const test = training.evaluate("test");
  const judge = training.has("test") ? test : validation;
  if (!best || judge.accuracy > best.judge) {
    best = { epoch: training.epoch, judge: judge.accuracy, test: test.accuracy };
  }
  postMessage({ epoch: { epoch: training.epoch, step: training.steps, validation, again, best } });
}

function send() {
  const now = performance.now();
  const due = now - lastPicture > PICTURE || training.isDone || paused;
  if (due) lastPicture = now;
  const { steps, epoch, isDone } = training;
  postMessage({ losses, steps, epoch, isDone, ...(due && { picture: picture() }) });
  losses = [];
}

/** What the network looks like now, with the maps of the chosen digit. */
function picture() {
  const { parameters, gradients, settings } = training;
  const image = training.data.validation.images[digit];
  const { first, second, logits } = forward(parameters, image);
  return {
    width: settings.width,
    kernels: parameters["conv1.weight"].slice(),
    image: image.map((x) => (training.has("scale") ? x / 255 : x)),
    label: training.data.validation.labels[digit],
    maps: [first.maps, second.maps],
    logits,
    histograms: ["conv1", "conv2", "dense"].map((name) => histogram(gradients[`${name}.weight`])),
  };
}

/** How many gradients have each order of size; those that are exactly 0 are counted apart. */
function histogram(values) {
  const bins = new Int32Array(BINS);
  let zeros = 0;
  for (const value of values) {
    if (value === 0) zeros++;
    else {
      const place = ((Math.log10(Math.abs(value)) - SMALLEST) / (LARGEST - SMALLEST)) * BINS;
      bins[Math.min(BINS - 1, Math.max(0, Math.floor(place)))]++;
    }
  }
  return { bins, zeros, count: values.length };
}
