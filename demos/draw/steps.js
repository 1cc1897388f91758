// From the drawing to the input of the network, step by step.

import { $ } from "../shared/dom.js";
import { inkBox } from "../shared/drawing.js";
import { SIDE } from "./pad.js";
import { frame, paintMaps } from "../shared/paint.js";

/**
 * Show the steps of `normalise`, null if there is no ink, and the input (784) that comes out.
 *
 * pad: where the ink is; raw: the steps are left out.
 */
export function showSteps(pad, steps, input, raw) {
  const shown = raw ? null : steps;
  $("step-drawn").getContext("2d").drawImage($("paper"), 0, 0, 140, 140);
  paintMaps($("step-scaled"), inBox(shown?.scaled), { height: 20, width: 20 });
  paintMaps($("step-centred"), input, { height: 28, width: 28 });
  $("step-box").hidden = $("cross").hidden = !shown;
  if (shown) describe(shown, inkBox(pad.ink, SIDE), pad.strokes.length > 0 && !pad.isTooSmall);
  else describeNone(raw);
}

function describe({ scaled, mass, left, top }, box, drawnAgain) {
  const centre = [mass.x + left, mass.y + top].map((value) => value.toFixed(1)).join(", ");
  frame($("step-box"), box, { width: SIDE, height: SIDE });
  $("step-drawn-text").textContent = `${box.width} × ${box.height} of ${SIDE} × ${SIDE}`;
  const lines = drawnAgain ? "; the lines are drawn again, as wide as the pen" : "";
  $("step-scaled-text").textContent =
    `to ${scaled.width} × ${scaled.height}, in a box of 20 × 20${lines}`;
  $("step-centred-text").textContent = `in 28 × 28: centre of mass at (${centre})`;
}

function describeNone(raw) {
  const none = raw ? "left out" : "nothing yet";
  $("step-drawn-text").textContent = $("step-scaled-text").textContent = none;
  $("step-centred-text").textContent = raw ? "left out: the drawing in 28 × 28" : none;
}

/** The scaled picture in the corner of its box of 20 × 20. */
function inBox(scaled) {
  const box = new Float32Array(400);
  for (let row = 0; row < (scaled?.height ?? 0); row++) {
    box.set(scaled.pixels.subarray(row * scaled.width, (row + 1) * scaled.width), row * 20);
  }
  return box;
}
