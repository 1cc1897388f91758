// The page "Draw a digit": what is drawn goes through the network, and every stage is shown.

import { DataError, load, readDigits } from "../shared/data.js";
import { $ } from "../shared/dom.js";
import { normalise, resize } from "../shared/drawing.js";
import { Answer } from "./answer.js";
import { forward, readWeights } from "./network.js";
import { Pad, SIDE } from "./pad.js";
import { Place } from "./place.js";
import { Stage, STAGES } from "./stages.js";
import { showSteps } from "./steps.js";

const EMPTY = new Float32Array(784);

let weights, waiting, pad, views, answer, place;
let asked = false; // a new picture is due

start().catch((error) => {
  console.warn(error);
  $("demo").hidden = $("loading").hidden = true;
  $("still").insertAdjacentHTML("afterend", $("still").textContent);
  window.trouble(explain(error));
});

/** The page can be drawn on at once; what is drawn is read as soon as the network is there. */
async function start() {
  build();
  listen();
  const network = load(new URL("./", import.meta.url), "weights", showProgress);
  network.catch(() => {}); // told below, even if the digits fail first
  readExamples(...(await load(new URL("../shared/", import.meta.url), "digits")));
  if (!pad.canUndo) showExample("first");
  readNetwork(...(await network));
  ask();
}

function readExamples(manifest, buffer) {
  const digits = readDigits(manifest, buffer);
  waiting = {
    first: digits.filter(({ index }, i) => index === i),
    wrong: digits.filter(({ label, prediction }) => label !== prediction),
  };
  $("next").disabled = $("wrong").disabled = false;
}

function readNetwork(manifest, buffer) {
  weights = readWeights(manifest, buffer);
  answer.quality = manifest.test;
  place.weights = weights;
  $("loading").hidden = true;
  $("loading-text").textContent = "";
}

function showProgress(bytes, of) {
  const mega = (count) => (count / 1e6).toFixed(1);
  if (of) $("progress").value = bytes / of;
  $("loading-text").textContent =
    `The network is on its way: ${mega(bytes)}${of ? ` of ${mega(of)}` : ""} MB.`;
}

function explain(error) {
  const problem = error instanceof DataError ? error.message : `${error}`;
  return (
    `The network could not be loaded: ${problem}. Reload the page. If that doesn’t help and the ` +
    "page is yours: run the lesson on training, then “make export”."
  );
}

function build() {
  const pick = (chosen, keep) => place.pick(chosen, keep);
  answer = new Answer(pick);
  views = STAGES.filter((stage) => stage.columns).map((stage) => new Stage(stage, pick));
  place = new Place(views, answer);
  pad = new Pad($("pad"), $("paper"), $("pen"), {
    changed: ask,
    finished: () => answer.speakSoon(),
  });
  $("stages").append(...views.map((view) => view.element));
  $("next").disabled = $("wrong").disabled = true;
  $("demo").hidden = $("loading").hidden = false;
  pad.paint();
}

function listen() {
  $("clear").onclick = () => pad.clear();
  $("undo").onclick = () => pad.undo();
  $("next").onclick = () => showExample("first");
  $("wrong").onclick = () => showExample("wrong");
  $("width").oninput = setWidth;
  $("raw").onchange = ask;
  setWidth();
  matchMedia("(max-width: 40rem)").addEventListener("change", ask);
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
  pad.paint();
  $("undo").disabled = !pad.canUndo;
  $("draw-here").hidden = pad.strokes.length > 0;
  if (!weights) return;
  const raw = $("raw").checked;
  const steps = normalise(pad.inkAtFullSize, SIDE);
  const stages = forward(weights, raw ? shrunk(pad.ink) : (steps?.image ?? EMPTY));
  showSteps(pad, steps, stages.input, raw);
  answer.show(stages, { drawn: Boolean(steps), tooSmall: pad.isTooSmall, example: pad.example });
  for (const view of views) view.paint(stages[view.key]);
  place.show(stages);
}

const shrunk = (ink) => resize({ pixels: ink, width: SIDE, height: SIDE }, 28, 28);
