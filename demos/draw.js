// The page "Draw a digit": what is drawn goes through the network, and every stage is shown.

import { normalise, resize } from "./drawing.js";
import { Inspector, percent } from "./draw-inspector.js";
import { Pad, SIDE } from "./draw-pad.js";
import { frame, paintMaps } from "./draw-paint.js";
import { Stage, STAGES } from "./draw-stages.js";
import { argmax, DataError, forward, readDigits, readWeights } from "./network.js";

const $ = (id) => document.getElementById(id);
const EMPTY = new Float32Array(784);

let weights, quality, waiting, pad, inspector, views, rows;
let stages; // the result of the latest forward pass
let place; // the number that is explained: {key, map, row, column}
let kept = false; // the place stays where it is when the pointer moves
let asked = false; // a new picture is due
let speaker;

start();

async function start() {
  try {
    const [first, second] = await Promise.all([load("weights"), load("digits")]);
    weights = readWeights(...first);
    quality = first[0].test;
    const digits = readDigits(...second);
    waiting = {
      first: digits.filter(({ index }, i) => index === i),
      wrong: digits.filter(({ label, prediction }) => label !== prediction),
    };
  } catch (error) {
    console.warn(error);
    $("still").insertAdjacentHTML("afterend", $("still").textContent);
    return window.trouble(explain(error));
  }
  $("demo").hidden = false;
  build();
  showExample("first");
}

/** The manifest and the content of one of the two data files. */
async function load(name) {
  const responses = await Promise.all(
    [`${name}.json`, `${name}.bin`].map(async (file) => {
      const response = await fetch(new URL(file, import.meta.url)).catch(() => null);
      if (!response) throw new DataError(`${file} could not be reached`);
      if (!response.ok)
        throw new DataError(`${file} is missing (the server says ${response.status})`);
      return response;
    }),
  );
  try {
    return [await responses[0].json(), await responses[1].arrayBuffer()];
  } catch {
    throw new DataError(`${name}.json or ${name}.bin is damaged or incomplete`);
  }
}

function explain(error) {
  const problem = error instanceof DataError ? error.message : `${error}`;
  return (
    `The network could not be loaded: ${problem}. Reload the page. If that doesn’t help and the ` +
    "page is yours: run the lesson on training, then “python -m cnn.export” in the folder notebooks."
  );
}

function build() {
  pad = new Pad($("pad"), $("paper"), $("pen"), { changed: ask, finished: speakSoon });
  inspector = new Inspector($("formula"), $("explanation"));
  views = STAGES.filter((stage) => stage.columns).map((stage) => new Stage(stage, pick));
  $("stages").append(...views.map((view) => view.element));
  $("bars").innerHTML = Array.from({ length: 10 }, (_, digit) => {
    return (
      `<tr><th scope="row">${digit}</th><td class="logit"></td>` +
      `<td class="track"><i></i></td><td class="percent"></td></tr>`
    );
  }).join("");
  rows = [...$("bars").rows];
  rows.forEach((row, digit) => {
    const logit = { key: "logits", map: digit, row: 0, column: 0 };
    row.onclick = () => pick(logit, true);
    row.onpointermove = () => pick(logit, false);
  });
  $("honest").textContent = honestText();
  $("clear").onclick = () => pad.clear();
  $("undo").onclick = () => pad.undo();
  $("next").onclick = () => showExample("first");
  $("wrong").onclick = () => showExample("wrong");
  $("width").oninput = setWidth;
  $("raw").onchange = ask;
  setWidth();
  buildPlaces();
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep(false);
  });
  matchMedia("(max-width: 40rem)").addEventListener("change", ask);
  matchMedia("(max-width: 70rem)").addEventListener("change", settle);
}

function honestText() {
  const { digits, wrong, unsure, unsure_and_wrong: unsureAndWrong, sure } = quality;
  const all = digits.toLocaleString("en-GB");
  return (
    `Below ${100 * sure} % we call it guessing. So it is for ${unsure} of ${all} test digits, and ` +
    `${unsureAndWrong} of these are wrong; of all others ${wrong - unsureAndWrong} are. It always ` +
    "answers with a digit, also to a letter or a scribble, and then it can be sure and wrong."
  );
}

function setWidth() {
  pad.width = Number($("width").value);
  $("width-text").textContent = `${(pad.width / 10).toFixed(1)} of 28`;
}

/** Show the next digit of a row, "first" or "wrong"; after the last comes the first again. */
function showExample(row) {
  const digit = waiting[row].shift();
  waiting[row].push(digit);
  pad.show(digit);
}

/** Ask for a new picture: computed once, before the next frame. */
function ask() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    update();
  });
}

function update() {
  const steps = normalise(pad.ink, SIDE);
  const input = $("raw").checked ? shrunk(pad.ink) : (steps?.image ?? EMPTY);
  stages = forward(weights, input);
  place ??= strongestPixel("conv1");
  pad.paint();
  showSteps($("raw").checked ? null : steps);
  showAnswer(Boolean(steps));
  for (const view of views) view.paint(stages[view.key]);
  showPlace();
  $("undo").disabled = !pad.canUndo;
}

const shrunk = (ink) => resize({ pixels: ink, width: SIDE, height: SIDE }, 28, 28);

function showSteps(steps) {
  $("step-drawn").getContext("2d").drawImage($("paper"), 0, 0, 140, 140);
  paintMaps($("step-scaled"), inBox(steps?.scaled), { height: 20, width: 20 });
  paintMaps($("step-centred"), stages.input, { height: 28, width: 28 });
  $("step-box").hidden = $("cross").hidden = !steps;
  if (!steps) {
    const none = $("raw").checked ? "left out" : "nothing yet";
    $("step-drawn-text").textContent = $("step-scaled-text").textContent = none;
    $("step-centred-text").textContent = $("raw").checked
      ? "left out: the drawing in 28 × 28"
      : none;
    return;
  }
  const { box, scaled, mass, left, top } = steps;
  const centre = [mass.x + left, mass.y + top].map((value) => value.toFixed(1)).join(", ");
  frame($("step-box"), box, { width: SIDE, height: SIDE });
  $("step-drawn-text").textContent = `${box.width} × ${box.height} of ${SIDE} × ${SIDE}`;
  $("step-scaled-text").textContent = `to ${scaled.width} × ${scaled.height}, in a box of 20 × 20`;
  $("step-centred-text").textContent = `in 28 × 28: centre of mass at (${centre})`;
}

/** The scaled picture in the corner of its box of 20 × 20. */
function inBox(scaled) {
  const box = new Float32Array(400);
  for (let row = 0; row < (scaled?.height ?? 0); row++) {
    box.set(scaled.pixels.subarray(row * scaled.width, (row + 1) * scaled.width), row * 20);
  }
  return box;
}

function showAnswer(drawn) {
  const { logits, probabilities } = stages;
  const order = Array.from(probabilities.keys()).sort(
    (a, b) => probabilities[b] - probabilities[a],
  );
  const [first, second] = order;
  const sure = probabilities[first] >= quality.sure;
  rows.forEach((row, digit) => {
    row.classList.toggle("first", digit === first);
    row.cells[1].textContent = logits[digit].toFixed(1).replace("-", "−");
    row.querySelector("i").style.transform = `scaleX(${Math.max(0.01, probabilities[digit])})`;
    row.cells[3].textContent = percent(probabilities[digit]);
  });
  const one = `<strong class="digit">${first}</strong> <span>${percent(probabilities[first])}</span>`;
  if (!drawn) {
    $("verdict").innerHTML = "Nothing is drawn yet.";
    $("reason").textContent =
      `The network answers all the same: ${first}, with ${percent(probabilities[first])}. ` +
      "It cannot say “no digit”.";
  } else if (sure) {
    $("verdict").innerHTML = `It reads ${one}`;
    $("reason").textContent =
      `${exampleText(first)} Next comes ${second} (${percent(probabilities[second])}).`;
  } else {
    $("verdict").innerHTML = `It is guessing: ${one}`;
    $("reason").textContent =
      `Perhaps ${second} (${percent(probabilities[second])}). ${exampleText(first)}`;
  }
  $("verdict").classList.toggle("guess", !drawn || !sure);
  $("brief").innerHTML = drawn ? `${sure ? "reads" : "guesses"} <strong>${first}</strong>` : "";
}

function exampleText(answer) {
  if (!pad.example) return "";
  const { index, label } = pad.example;
  return `Test digit ${index}; its label is ${label}: ${label === answer ? "right" : "wrong"}.`;
}

/** Say the answer to a screen reader, when the pen has rested. */
function speakSoon() {
  clearTimeout(speaker);
  speaker = setTimeout(() => {
    $("spoken").textContent = `${$("verdict").textContent} ${$("reason").textContent}`;
  }, 700);
}

// --- the place that is looked at ------------------------------------------------------------------

function buildPlaces() {
  const options = STAGES.map(({ key, name }) => `<option value="${key}">${name}</option>`).join("");
  $("places").innerHTML = `
    <label>Stage <select id="place-key">${options}</select></label>
    <label><span id="place-map-name">Map</span> <input id="place-map" type="number" min="0"></label>
    <label class="pixel-place">Row <input id="place-row" type="number" min="0"></label>
    <label class="pixel-place">Column <input id="place-column" type="number" min="0"></label>
    <button id="release" type="button" hidden>Follow the pointer</button>`;
  $("release").onclick = () => keep(false);
  $("place-key").onchange = () => {
    pick(strongestPixel($("place-key").value), true);
  };
  for (const name of ["map", "row", "column"]) {
    $(`place-${name}`).oninput = ({ target }) => {
      if (target.value !== "" && target.checkValidity())
        pick({ ...place, [name]: Number(target.value) }, true);
    };
  }
}

function strongestPixel(key) {
  const { side } = STAGES.find((stage) => stage.key === key);
  const i = argmax(stages[key]);
  return {
    key,
    map: Math.floor(i / side ** 2),
    row: Math.floor(i / side) % side,
    column: i % side,
  };
}

function pick(chosen, keepIt) {
  if (kept && !keepIt) return;
  place = chosen;
  if (keepIt) keep(true);
  showPlace();
  if (keepIt) settle();
}

function keep(value) {
  kept = value;
  $("release").hidden = !kept;
}

function showPlace() {
  if (!stages) return;
  const { key, map, row, column } = place;
  const stage = STAGES.find((one) => one.key === key);
  for (const view of views) view.mark(place);
  rows.forEach((line, digit) =>
    line.classList.toggle("looked-at", key === "logits" && digit === map),
  );
  inspector.show(weights, stages, place);
  $("place-key").value = key;
  $("place-map-name").textContent = { hidden: "Unit", logits: "Digit" }[key] ?? "Map";
  for (const label of document.querySelectorAll(".pixel-place")) label.hidden = stage.side === 1;
  for (const [name, value, size] of [
    ["map", map, stage.maps],
    ["row", row, stage.side],
    ["column", column, stage.side],
  ]) {
    const input = $(`place-${name}`);
    input.max = size - 1;
    if (input !== document.activeElement) input.value = value;
  }
}

/** Where there is one column only, the explanation stands below the stage that it is about. */
function settle() {
  const narrow = matchMedia("(max-width: 70rem)").matches;
  const view = views.find((one) => one.key === place.key);
  const card = $("inspector");
  if (!narrow || !view) return void $("demo").append(card);
  if (card.previousElementSibling === view.element) return;
  const focused = document.activeElement;
  const before = view.element.getBoundingClientRect().top;
  view.element.after(card);
  focused.focus({ preventScroll: true });
  scrollBy(0, view.element.getBoundingClientRect().top - before);
}
