// The window moves: step by step, by itself, or to a place.

import { $ } from "../shared/dom.js";
import { remember } from "./address.js";
import { place, state, total } from "./state.js";
import { showStep } from "./view.js";
import { spoken } from "./words.js";

const WALK = 20_000; // milliseconds for a walk over all windows, within the limits of one step
const STEP = [30, 700];

let timer;

/** Stop, and go to a window if it exists. */
export function move(index) {
  stop();
  if (index < 0 || index >= total()) return;
  goTo(index);
  $("live").textContent = spoken();
  remember(state.settings);
}

/** Stop, and go to the window of an output pixel. */
export function jump(row, column) {
  if (state.now.output) move(row * state.now.size + column);
}

/** Stop, and begin again at the first window, with an empty output. */
export function restart() {
  stop();
  startOver();
  remember(state.settings);
}

/** Walk over all windows, from here on, or from the first one where all are computed. */
export function play() {
  if (state.filled === total()) startOver();
  const [shortest, longest] = STEP;
  timer = setInterval(goOn, Math.min(Math.max(WALK / total(), shortest), longest));
  state.walking = true;
  showStep();
}

export function stop() {
  if (!state.walking) return;
  clearInterval(timer);
  state.walking = false;
  showStep();
  remember(state.settings);
}

function goOn() {
  if (place() + 1 < total()) goTo(place() + 1);
  if (place() + 1 === total()) stop();
}

function startOver() {
  state.filled = 0;
  goTo(0);
}

/** Show a window; the output is shown up to it at least. */
function goTo(index) {
  const { size } = state.now;
  state.settings.at = [Math.floor(index / size), index % size];
  state.filled = Math.max(state.filled, index + 1);
  showStep();
}
