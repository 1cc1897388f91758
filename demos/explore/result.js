// What follows from the settings. Nothing here knows of a page.

import { conv2d, largestPoolPadding, maxPool2d, padded, span, timesRead } from "../shared/convolution.js";
import { imageOf, kernelOf } from "./settings.js";

/**
 * Image, kernel, source (the image with its padding), and the output with its size, how many times each
 * pixel is read and how many are unread; or `problem`, a sentence, where no output is possible.
 */
export function compute(settings, data) {
  const { N, K, S, P, D } = settings;
  const pool = settings.op === "pool";
  const image = imageOf(settings, data);
  const kernel = kernelOf(settings, data);
  const inputs = { pool, image, kernel, source: padded(image, P, pool ? -Infinity : 0) };
  try {
    const output = pool ? maxPool2d(image, { K, P, S, D }) : conv2d(image, kernel, { P, S, D });
    const times = timesRead(N, { K, P, S, D });
    const unread = times.flat().filter((n) => n === 0).length;
    return { ...inputs, output, size: output.length, times, unread };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ...inputs, problem: explain(error.message, settings) };
  }
}

function explain(message, { op, N, K, P, D }) {
  if (op === "pool" && P > largestPoolPadding(K)) {
    return `No output: ${message}. PyTorch refuses more, too. Choose a smaller P or a larger K.`;
  }
  const padding = P ? `, ${N} and ${P} on each side` : "";
  const spread = D > 1 ? ` (with D = ${D}, ${K} pixels spread over ${span(K, D)})` : "";
  return `No output: ${message}${padding}${spread}. Choose a larger N or P, or a smaller K or D.`;
}
