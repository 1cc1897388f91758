// Cases of convolution and max-pooling as JSON on the standard input; what demos/shared/convolution.js
// makes of each on the standard output: its output, how often each pixel is read, or the error; with the sizes,
// the kernels and the colours that were asked for. JSON has no infinity: "-inf" stands for it.

import { readFileSync } from "node:fs";
import { pixelColour, signedColour } from "../../demos/shared/colours.js";
import { conv2d, KERNELS, maxPool2d, outputSize, timesRead } from "../../demos/shared/convolution.js";

const { cases, sizes, K, places } = JSON.parse(readFileSync(0, "utf8"));

function attempt(compute) {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { error: error.message };
  }
}

const result = ({ op, image, kernel, settings }) =>
  attempt(() => ({
    output: op === "pool" ? maxPool2d(image, settings) : conv2d(image, kernel, settings),
    times: timesRead(image.length, settings),
  }));

const answer = {
  cases: cases.map(result),
  sizes: sizes.map((numbers) => attempt(() => outputSize(...numbers))),
  kernels: Object.fromEntries(Object.entries(KERNELS).map(([name, make]) => [name, K.map(make)])),
  colours: { Greys: places.map((t) => pixelColour(t)), PuOr_r: places.map((t) => signedColour(2 * t - 1)) },
};
console.log(JSON.stringify(answer, (_, value) => (value === -Infinity ? "-inf" : value)));
