// The page "Train it": settings and mistakes in, one or two trainings side by side out.

import { DataError } from "../shared/data.js";
import { $ } from "../shared/dom.js";
import { pytorchCell } from "./cell.js";
import { Curves, showFacts, showLegend } from "./curves.js";
import { readDigits } from "./digits.js";
import { listenToGame } from "./game.js";
import { saveCurves } from "./picture.js";
import { Panel, Run } from "./run.js";
import { firstSettings, MISTAKES, readAddress, SETTINGS, writeAddress } from "./settings.js";

const BETWEEN = 150; // milliseconds between two pictures

let { settings, mistakes, problems } = readAddress(location.search);
let digits; // a promise, once they were asked for
let runs = [];
let panels = [];
let curves;
let asked = false; // a new picture is due
let shown = 0; // when the last one was drawn
let digit = 0; // of the validation images, whose maps are shown

build();

function build() {
  $("app").hidden = false;
  $("mistakes").innerHTML = Object.entries(MISTAKES)
    .map(
      ([key, { name, what }]) =>
        `<label class="switch"><input type="checkbox" name="mistake" value="${key}" aria-describedby="what-${key}"> ${name}</label>` +
        `<p class="small what" id="what-${key}">${what}</p>`,
    )
    .join("");
  $("choices").innerHTML = Object.entries(SETTINGS)
    .map(([key, { label, choices }]) => {
      const options = choices.map((choice) => `<option value="${choice}">${names(key, choice)}</option>`);
      return `<label class="choice"><span>${label}</span><select id="${key}">${options.join("")}</select></label>`;
    })
    .join("");
  curves = new Curves($("charts"));
  curves.show([], 1);
  fill();
  tell(problems);
  listen();
  listenToGame(theDigits);
}

function names(key, choice) {
  if (key === "optimizer") return { sgd: "SGD", momentum: "SGD with momentum", adam: "Adam" }[choice];
  return Number(choice).toLocaleString("en-GB", { maximumFractionDigits: 6 });
}

/** Show the settings in the controls, in the address and in the cell. */
function fill() {
  for (const key of Object.keys(SETTINGS)) $(key).value = String(settings[key]);
  for (const box of document.getElementsByName("mistake")) box.checked = mistakes.includes(box.value);
  $("beside").disabled = !mistakes.length;
  $("cell").textContent = pytorchCell(settings, mistakes);
  const query = writeAddress(settings, mistakes);
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function tell(texts) {
  $("problems").hidden = !texts.length;
  $("problems").innerHTML = "";
  for (const text of texts) $("problems").append(Object.assign(document.createElement("p"), { textContent: text }));
}

function listen() {
  for (const [key, { choices }] of Object.entries(SETTINGS)) {
    $(key).onchange = ({ target }) => {
      settings = { ...settings, [key]: choices.find((choice) => String(choice) === target.value) };
      fill();
    };
  }
  for (const box of document.getElementsByName("mistake")) {
    box.onchange = () => {
      mistakes = Object.keys(MISTAKES).filter(
        (key) => document.querySelector(`[name="mistake"][value="${key}"]`).checked,
      );
      if (mistakes.includes("train") && !settings.dropout) settings = { ...settings, dropout: 0.25 };
      fill();
    };
  }
  $("settings").onsubmit = (event) => {
    event.preventDefault();
    train();
  };
  $("pause").onclick = pauseOrGoOn;
  $("reset").onclick = () => {
    stopAll();
    [settings, mistakes] = [firstSettings(), []];
    fill();
    tell([]);
    $("status").textContent = "Everything is as at first.";
  };
  $("save").onclick = () => saveCurves(runs, writeAddress(settings, mistakes));
  $("copy").onclick = copyCell;
}

async function copyCell() {
  try {
    await navigator.clipboard.writeText(pytorchCell(settings, mistakes));
    $("kept").textContent = "Copied: paste it into a cell of a notebook.";
  } catch {
    $("kept").textContent = "The browser does not let this page copy. The code stands below.";
    document.querySelector("#keep-title ~ details").open = true;
  }
}

/** The digits, fetched when they are first asked for; after a failure they are fetched again. */
function theDigits() {
  digits ??= fetchDigits().catch((error) => {
    digits = undefined;
    throw error;
  });
  return digits;
}

async function fetchDigits() {
  $("loading").hidden = false;
  try {
    return await readDigits(new URL("./", import.meta.url), (bytes, of) => {
      if (of) $("progress").value = bytes / of;
      $("loading-text").textContent = `The digits are on their way: ${Math.round(bytes / 1000)} kB.`;
    });
  } finally {
    $("loading").hidden = true;
  }
}

async function train() {
  stopAll();
  tell([]);
  let data;
  try {
    data = await theDigits();
  } catch (error) {
    const problem = error instanceof DataError ? error.message : `${error}`;
    return tell([`The digits could not be loaded: ${problem}. Press “Train” to try again.`]);
  }
  const one = { settings, data, digit, changed: ask, failed };
  const wrong = mistakes.map((key) => MISTAKES[key].name.toLowerCase()).join(", ");
  const alone = !mistakes.length;
  runs = [];
  if (alone || $("beside").checked) runs.push(new Run("right", "without mistakes", { ...one, mistakes: [] }));
  if (!alone) runs.push(new Run("wrong", wrong, { ...one, mistakes }));
  panels = runs.map(({ title, name }) => new Panel(title, name));
  $("runs").replaceChildren(...panels.map(({ element }) => element));
  for (const { element } of panels) element.querySelector(".digit").onclick = nextDigit;
  showLegend(runs);
  $("sign").hidden = true;
  $("pause").disabled = false;
  $("pause").textContent = "Pause";
  $("start").textContent = "Train again";
  $("save").disabled = false;
}

function nextDigit() {
  digit = (digit + 1) % 1000;
  for (const run of runs) run.look(digit);
}

function stopAll() {
  for (const run of runs) run.stop();
  $("pause").disabled = true;
}

function failed(problem) {
  stopAll();
  tell([`The training stopped: ${problem}. Press “Train” to try again.`]);
}

function pauseOrGoOn() {
  const paused = $("pause").textContent === "Pause";
  for (const run of runs) paused ? run.pause() : run.resume();
  $("pause").textContent = paused ? "Go on" : "Pause";
}

/** Ask for a new picture: some in a second are enough, so that the page stays fluent. */
function ask() {
  if (asked) return;
  asked = true;
  const wait = Math.max(0, shown + BETWEEN - performance.now());
  setTimeout(() => requestAnimationFrame(draw), wait);
}

function draw() {
  asked = false;
  shown = performance.now();
  show();
}

function show() {
  const { epochs, images, batch } = runs[0].settings;
  const to = epochs * Math.ceil(images / batch);
  curves.show(runs, to);
  showFacts(runs);
  runs.forEach((run, i) => panels[i].show(run));
  $("status").textContent = runs.map(progress).join(" ");
  if (runs.every(({ isDone }) => isDone)) {
    $("pause").disabled = true;
    const broken = runs.find(({ name }) => name === "wrong");
    $("sign").hidden = !broken;
    if (broken) $("sign").textContent = broken.mistakes.map((key) => `${MISTAKES[key].name}: ${MISTAKES[key].sign}`).join(" ");
  }
}

function progress({ title, latest, isDone, seconds, steps }) {
  const accuracy = latest ? `, ${(100 * latest.validation.accuracy).toFixed(1)} % of the validation images` : "";
  const when = isDone ? `done in ${seconds.toFixed(0)} s` : `step ${steps ?? 0}`;
  return `${title[0].toUpperCase()}${title.slice(1)}: ${when}${accuracy}.`;
}
