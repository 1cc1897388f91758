// The settings as controls: what there is to choose, and what is chosen.

import { paint, signedColour } from "../shared/colours.js";
import { $ } from "../shared/dom.js";
import { learnedIndex, RANGES } from "./settings.js";
import { state } from "./state.js";

const KERNEL_NAMES = {
  blur: "blur",
  vertical: "vertical edges",
  horizontal: "horizontal edges",
  all: "all edges",
};

/** Fill the lists; chooseKernel(name) is called by the pictures of the learned kernels. */
export function fillChoices(chooseKernel) {
  const { digits, learned } = state.data;
  const group = document.createElement("optgroup");
  group.label = "learned in the lesson on training";
  group.append(...learned.map((_, i) => new Option(`learned kernel ${i}`, `learned-${i}`)));
  $("kernel-choice").append(
    ...Object.entries(KERNEL_NAMES).map(([name, words]) => new Option(words, name)),
    group,
    new Option("your own weights", "own"),
  );
  $("learned").append(...learned.map((kernel, i) => kernelButton(kernel, i, chooseKernel)));
  $("input-choice").append(
    ...digits.map(({ digit }) => new Option(`the digit ${digit}`, digit)),
    new Option("one dark pixel", "pixel"),
    new Option("your own numbers", "own"),
  );
  for (const [name, [min, max]] of Object.entries(RANGES)) Object.assign($(name), { min, max });
}

/** A button with the picture of a learned kernel (K × K). */
function kernelButton(kernel, i, choose) {
  const [button, canvas] = ["button", "canvas"].map((tag) => document.createElement(tag));
  const weights = kernel.flat();
  const reach = Math.max(...weights.map(Math.abs));
  const name = `learned kernel ${i}`;
  canvas.className = "pixels";
  paint(canvas, weights, kernel.length, kernel.length, (weight) => signedColour(weight, reach));
  Object.assign(button, { type: "button", ariaLabel: name, title: name });
  button.append(canvas);
  button.addEventListener("click", () => choose(`learned-${i}`));
  return button;
}

/** What is chosen. */
export function showControls() {
  const { op, input, kernel } = state.settings;
  const { pool } = state.now;
  for (const name of Object.keys(RANGES)) {
    $(name).value = state.settings[name];
    $(`${name}-value`).textContent = state.settings[name];
  }
  for (const radio of document.getElementsByName("op")) radio.checked = radio.value === op;
  choose($("input-choice"), input);
  choose($("kernel-choice"), kernel);
  [...$("learned").children].forEach((button, i) => {
    button.ariaPressed = String(learnedIndex(kernel) === i);
  });
  $("kernel-field").hidden = pool;
  $("K-text").textContent = pool ? "window size" : "kernel size";
}

/** Choose by name; numbers that the reader typed are the choice "own", which is not there otherwise. */
function choose(select, value) {
  const own = [...select.options].find((option) => option.value === "own");
  own.hidden = own.disabled = typeof value === "string";
  select.value = typeof value === "string" ? value : "own";
}
