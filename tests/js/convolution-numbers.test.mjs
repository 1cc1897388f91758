// What readers type, kernels of another size, and colours.

import assert from "node:assert/strict";
import test from "node:test";
import { contrasting, formatNumber, pixelColour, signedColour } from "../../demos/common.js";
import { parseNumber, resized } from "../../demos/convolution.js";
import { DEFAULTS, readQuery, writeQuery } from "../../demos/explore-settings.js";

const data = { digits: [{ corner: [6, 11] }], learned: [[[1]]] };

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

test("settings go through the address and back", () => {
  const own = { ...DEFAULTS, op: "conv", N: 3, F: 2, S: 3, P: 4, D: 2, at: [1, 2] };
  const grids = {
    input: [
      [0, 1, 0.5],
      [-1, 2, 3],
      [4, 5, 6],
    ],
    kernel: [
      [1, -1],
      [0.25, 0],
    ],
  };
  const named = { input: "0", kernel: "learned-0", corner: [3, 4] };
  for (const settings of [
    { ...own, ...grids },
    { ...own, ...named },
    { ...own, input: "pixel", kernel: "blur" },
  ]) {
    assert.deepEqual(readQuery(writeQuery(settings), data), { settings, problems: [] });
  }
});

test("sizes follow from numbers in the address", () => {
  const { settings, problems } = readQuery("?input=1,2,3,4,5,6,7,8,9&kernel=1,0,0,1", data);
  assert.deepEqual([settings.N, settings.F, problems], [3, 2, []]);
});

test("what is wrong in the address is named, and the default is used", () => {
  const wrong = [
    "op=average",
    "N=2",
    "N=3.5",
    "F=8",
    "S=0",
    "P=-1",
    "D=x",
    "input=1,2,3",
    "input=ten",
    "input=1,2,x,4,5,6,7,8,9",
    "kernel=toString",
    "kernel=learned-1",
    "corner=99,0",
    "at=1",
  ];
  for (const part of wrong) {
    const { settings, problems } = readQuery(`?${part}`, data);
    assert.deepEqual(settings, DEFAULTS, part);
    assert.equal(problems.length, 1, part);
    assert.ok(problems[0].startsWith(`${part} in the address is not`), problems[0]);
  }
  assert.match(readQuery("?M=3", data).problems[0], /doesn't know: M/);
});
