// Reads drawings, each a list of strokes on a square of side 1, and prints the probabilities of the
// ten digits for each: from its lines drawn again at full size, and from its ink made larger.

import { readFileSync } from "node:fs";
import { forward, readWeights } from "../../demos/draw/network.js";
import { atFullSize, inkOf, normalise } from "../../demos/shared/drawing.js";
import { bytes, json } from "./files.mjs";

const SIDE = 280;
const PEN = 24;
const weights = readWeights(json("demos/draw/weights.json"), bytes("demos/draw/weights.bin"));
const probabilities = (strokes) =>
  Array.from(forward(weights, normalise(inkOf(strokes, SIDE), SIDE).image).probabilities);

/** Points as a pointer gives them: whole pixels of the screen. */
const lines = (drawing) =>
  drawing.map((points) => ({
    points: points.map(([x, y]) => ({ x: Math.round(x * SIDE), y: Math.round(y * SIDE) })),
    width: PEN,
  }));

const answers = JSON.parse(readFileSync(0, "utf8")).map((drawing) => {
  const strokes = lines(drawing);
  return { again: probabilities(atFullSize(strokes, SIDE)), enlarged: probabilities(strokes) };
});
console.log(JSON.stringify(answers));
