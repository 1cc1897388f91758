// The convolution explorer: reads the data and the address, and joins the controls to what they do.

import { $ } from "../shared/dom.js";
import { change, chooseKernel, reset, slide, typePixel, typeWeight } from "./changes.js";
import { fillChoices } from "./controls.js";
import { listenToCrop } from "./crop.js";
import { makeGrids } from "./grids.js";
import { RANGES, unpacked } from "./settings.js";
import { begin, place, state } from "./state.js";
import { followWidth, show, tell } from "./view.js";
import { jump, move, play, restart, stop } from "./walk.js";

start().catch((error) => {
  window.trouble(
    `The digits and kernels of this page could not be read (${error.message}). Reload it; ` +
      "if that does not help, write them again: make export.",
  );
  throw error;
});

async function start() {
  const problems = begin(await load(), location.search);
  makeGrids({ typePixel, typeWeight, pick: jump });
  fillChoices(chooseKernel);
  listenToSettings();
  listenToTransport();
  listenToCrop(change);
  $("app").hidden = false;
  tell(problems);
  show();
  followWidth();
  if (state.now.output && !staysStill()) play();
}

async function load() {
  const response = await fetch(new URL("data.json", import.meta.url));
  if (!response.ok) throw new Error(`data.json: ${response.status}`);
  return unpacked(await response.json());
}

/** A reader who wants less motion, or who followed a link to a step, starts the walk by hand. */
function staysStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches || /[?&]at=/.test(location.search);
}

function on(id, kind, act) {
  $(id).addEventListener(kind, ({ target }) => act(target.value));
}

function listenToSettings() {
  for (const name of Object.keys(RANGES)) on(name, "input", (value) => slide(name, Number(value)));
  for (const radio of document.getElementsByName("op")) {
    radio.addEventListener("change", () => change({ op: radio.value }));
  }
  on("input-choice", "change", (input) => change({ input, corner: null }));
  on("kernel-choice", "change", chooseKernel);
  on("reset", "click", reset);
  $("settings").addEventListener("submit", (event) => event.preventDefault());
}

function listenToTransport() {
  on("play", "click", () => (state.walking ? stop() : play()));
  on("step", "click", () => move(place() + 1));
  on("back", "click", () => move(place() - 1));
  on("place", "input", (value) => move(Number(value) - 1));
  on("start", "click", restart);
}
