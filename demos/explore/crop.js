// The part of a digit that is shown: a frame on the whole digit, which the reader moves.

import { paint } from "../shared/colours.js";
import { $, ARROWS } from "../shared/dom.js";
import { drawFrames } from "./overlay.js";
import { cornerOf, isDigit, SIZE, wholeDigit } from "./settings.js";
import { state } from "./state.js";

export function showCrop() {
  const { settings, data } = state;
  const shown = isDigit(settings) && settings.N < SIZE;
  $("crop").hidden = !shown;
  if (!shown) return;
  const [row, column] = cornerOf(settings, data);
  paint($("crop-image"), wholeDigit(settings, data).flat(), SIZE, SIZE);
  drawFrames($("crop-frame"), SIZE, [{ row, column, size: settings.N }]);
  $("crop").ariaLabel =
    `the part of the digit that is shown begins at row ${row + 1}, column ${column + 1}; arrow keys move it`;
}

/** change({ corner }) is called when the reader moves the frame. */
export function listenToCrop(change) {
  const moveTo = (row, column) => {
    const corner = cornerOf({ ...state.settings, corner: [row, column] }, state.data);
    if (String(corner) !== String(cornerOf(state.settings, state.data))) change({ corner });
  };
  const follow = (event) => moveTo(...cornerUnder(event));
  $("crop").addEventListener("keydown", (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const [row, column] = cornerOf(state.settings, state.data);
    const [down, right] = ARROWS[event.key];
    moveTo(row + down, column + right);
  });
  $("crop").addEventListener("pointerdown", (event) => {
    $("crop").setPointerCapture(event.pointerId);
    follow(event);
  });
  $("crop").addEventListener("pointermove", (event) => event.buttons && follow(event));
}

/** Where the frame begins if its middle is under the pointer. */
function cornerUnder({ clientX, clientY }) {
  const box = $("crop").getBoundingClientRect();
  const corner = (offset, length) => Math.round((SIZE * offset) / length - state.settings.N / 2);
  return [corner(clientY - box.y, box.height), corner(clientX - box.x, box.width)];
}
