// The normalisation of demos/shared/drawing.js against MNIST itself.

import assert from "node:assert/strict";
import test from "node:test";
import { drawLine, normalise, resize } from "../../demos/shared/drawing.js";
import { testDigit } from "./files.mjs";

const difference = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
const total = (values) => values.reduce((a, b) => a + b);

/** A digit (784) drawn `scale` times as large, with its corner at (left, top), on side × side. */
function enlarge(digit, scale, side, left, top) {
  const ink = new Float32Array(side * side);
  for (let i = 0; i < 784 * scale * scale; i++) {
    const [row, column] = [Math.floor(i / (28 * scale)), i % (28 * scale)];
    const [y, x] = [top + row, left + column];
    const value = digit[Math.floor(row / scale) * 28 + Math.floor(column / scale)];
    if (value) ink[y * side + x] = value;
  }
  return ink;
}

test("MNIST's own digits come out as they are", () => {
  for (let i = 0; i < 1000; i++) {
    const digit = testDigit(i);
    assert.ok(difference(normalise(digit, 28).image, digit) < 1e-6, `digit ${i}`);
  }
});

test("so they do at another size and place", () => {
  for (let i = 0; i < 50; i++) {
    const digit = testDigit(i);
    for (const [scale, left, top] of [
      [10, 0, 0],
      [5, 3, 120],
      [7, 80, 11],
    ]) {
      const { image } = normalise(enlarge(digit, scale, 280, left, top), 280);
      assert.ok(difference(image, digit) < 1e-5, `digit ${i}, ${scale} times as large`);
    }
  }
});

test("the steps: box, scale, mass", () => {
  const ink = new Float32Array(100 * 100);
  for (let row = 10; row < 90; row++) ink.fill(1, row * 100 + 5, row * 100 + 25); // 80 high, 20 wide
  const steps = normalise(ink, 100);
  assert.deepEqual(steps.box, { left: 5, top: 10, width: 20, height: 80 });
  assert.deepEqual([steps.scaled.width, steps.scaled.height], [5, 20]);
  assert.deepEqual(steps.mass, { x: 2.5, y: 10 });
  assert.deepEqual([steps.left, steps.top], [12, 4]);
  assert.equal(total(steps.image), 100);
});

test("nothing drawn, a dot, and ink in the corner", () => {
  const ink = new Float32Array(50 * 50);
  assert.equal(normalise(ink, 50), null);
  drawLine(ink, 50, { x: 0, y: 0 }, { x: 0, y: 0 }, 6);
  const { image, box } = normalise(ink, 50);
  assert.deepEqual([box.left, box.top], [0, 0]);
  assert.ok(image.every((value) => value >= 0 && value <= 1.000001));
  assert.ok(total(image) > 100);
});

test("a line covers its length times its width, and drawing it twice changes nothing", () => {
  const ink = new Float32Array(100 * 100);
  const [from, to] = [
    { x: 20, y: 30 },
    { x: 70, y: 65 },
  ];
  drawLine(ink, 100, from, to, 8);
  const area = 8 * Math.hypot(50, 35) + Math.PI * 16;
  assert.ok(Math.abs(total(ink) - area) < 0.02 * area, `${total(ink)} and ${area}`);
  const once = ink.slice();
  drawLine(ink, 100, to, from, 8);
  assert.ok(difference(ink, once) < 1e-6);
  drawLine(ink, 100, { x: -50, y: 50 }, { x: 150, y: 50 }, 8); // beyond both sides
  assert.equal(ink[50 * 100], 1);
  assert.equal(ink[50 * 100 + 99], 1);
});

test("scaling keeps the mean", () => {
  const pixels = Float32Array.from({ length: 30 * 17 }, (_, i) => (i * 37) % 11);
  for (const [width, height] of [
    [20, 20],
    [7, 3],
    [30, 17],
    [61, 40],
  ]) {
    const scaled = resize({ pixels, width: 30, height: 17 }, width, height);
    const ratio = total(scaled) / (width * height) / (total(pixels) / (30 * 17));
    assert.ok(Math.abs(ratio - 1) < 1e-5);
  }
});
