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

start();

async function start() {
  let quality;
  try {
    quality = await read();
  } catch (error) {
    console.warn(error);
    $("still").insertAdjacentHTML("afterend", $("still").textContent);
    return window.trouble(explain(error));
  }
  $("demo").hidden = false;
  build(quality);
  listen();
  showExample("first");
}

/** Read the network and the digits; returns how well the network reads. */
async function read() {
  const [network, examples] = await Promise.all([
    load(new URL("./", import.meta.url), "weights"),
    load(new URL("../shared/", import.meta.url), "digits"),
  ]);
  weights = readWeights(...network);
  const digits = readDigits(...examples);
  waiting = {
    first: digits.filter(({ index }, i) => index === i),
    wrong: digits.filter(({ label, prediction }) => label !== prediction),
  };
  return network[0].test;
}

function explain(error) {
  const problem = error instanceof DataError ? error.message : `${error}`;
  return (
    `The network could not be loaded: ${problem}. Reload the page. If that doesn’t help and the ` +
    "page is yours: run the lesson on training, then “make export”."
  );
}

function build(quality) {
  const pick = (chosen, keep) => place.pick(chosen, keep);
  answer = new Answer(quality, pick);
  views = STAGES.filter((stage) => stage.columns).map((stage) => new Stage(stage, pick));
  place = new Place(weights, views, answer);
  pad = new Pad($("pad"), $("paper"), $("pen"), {
    changed: ask,
    finished: () => answer.speakSoon(),
  });
  $("stages").append(...views.map((view) => view.element));
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
  const raw = $("raw").checked;
  const steps = normalise(pad.ink, SIDE);
  const stages = forward(weights, raw ? shrunk(pad.ink) : (steps?.image ?? EMPTY));
  pad.paint();
  showSteps(steps, stages.input, raw);
  answer.show(stages, Boolean(steps), pad.example);
  for (const view of views) view.paint(stages[view.key]);
  place.show(stages);
  $("undo").disabled = !pad.canUndo;
}

const shrunk = (ink) => resize({ pixels: ink, width: SIDE, height: SIDE }, 28, 28);
