// Numbers as text, kernels of another size, and text on colours.

import assert from "node:assert/strict";
import test from "node:test";
import { contrasting, pixelColour, signedColour } from "../../demos/shared/colours.js";
import { resized } from "../../demos/shared/convolution.js";
import { formatNumber, parseNumber } from "../../demos/shared/numbers.js";

test("numbers as people type them", () => {
  const pairs = {
    0.5: 0.5,
    " -1 ": -1,
    "−1": -1,
    "0,5": 0.5,
    "1/9": 1 / 9,
    "-1 / 4": -0.25,
    ".5": 0.5,
    "+2": 2,
  };
  for (const [text, value] of Object.entries(pairs)) assert.equal(parseNumber(text), value, text);
  for (const text of ["", "x", "1e9", "1/0", "--1", "1 2", "Infinity", "1/"]) {
    assert.ok(Number.isNaN(parseNumber(text)), text);
  }
});

test("numbers as they are shown", () => {
  assert.deepEqual(
    [-1.5, 0, -0.001, 0.25, 1 / 3, 12].map((x) => formatNumber(x)),
    ["−1.5", "0", "0", "0.25", "0.33", "12"],
  );
  assert.equal(formatNumber(-Infinity), "−∞");
});

test("a kernel keeps its middle when its size changes", () => {
  assert.deepEqual(resized([[5]], 3), [
    [0, 0, 0],
    [0, 5, 0],
    [0, 0, 0],
  ]);
  assert.deepEqual(
    resized(
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
      1,
    ),
    [[5]],
  );
});

test("text on any colour of both scales has a contrast of 4.5", () => {
  const luminance = (colour) =>
    colour
      .map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((total, c, i) => total + c * [0.2126, 0.7152, 0.0722][i], 0);
  for (let t = -1; t <= 1; t += 0.01) {
    for (const colour of [pixelColour(t, -1, 1), signedColour(t)]) {
      const ground = luminance(colour);
      const contrast = contrasting(colour) === "#ffffff" ? 1.05 / (ground + 0.05) : (ground + 0.05) / 0.05;
      assert.ok(contrast >= 4.5, `${colour}: ${contrast}`);
    }
  }
});
