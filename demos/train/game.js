// The game: two trainings, one of them broken; which, and how?

import { DataError } from "../shared/data.js";
import { $ } from "../shared/dom.js";
import { Curves } from "./curves.js";
import { permutation, randomNumbers } from "./random.js";
import { Run } from "./run.js";
import { firstSettings, MISTAKES } from "./settings.js";

const ROUNDS = Object.keys(MISTAKES).filter((key) => key !== "test"); // that one leaves no sign
const ANSWERS = 4; // names to choose from

let digits, rounds, round, score, random, runs;

/** theDigits(): a promise of the digits. */
export function listenToGame(theDigits) {
  digits = theDigits;
  $("play").onclick = begin;
}

function begin() {
  random = randomNumbers(Date.now() % 2 ** 31);
  rounds = Array.from(permutation(ROUNDS.length, random), (i) => ROUNDS[i]);
  [round, score] = [0, 0];
  play();
}

async function play() {
  $("game-answer").textContent = "";
  $("game-choices").replaceChildren();
  $("game-text").textContent = `Round ${round + 1} of ${rounds.length}: both train …`;
  let data;
  try {
    data = await digits();
  } catch (error) {
    $("game-answer").textContent = `The digits could not be loaded: ${error instanceof DataError ? error.message : error}.`;
    return offer("Play", begin);
  }
  const broken = rounds[round];
  const second = random() < 0.5; // the broken one stands on the right
  const settings = { ...firstSettings(), images: 1000, epochs: 4, dropout: 0.5, seed: Math.floor(1000 * random()) };
  const both = second ? [[], [broken]] : [[broken], []];
  $("game-place").innerHTML = '<div class="two"></div><div class="two-facts"></div>';
  const places = both.map((_, i) => {
    const place = document.createElement("div");
    place.innerHTML = `<h3>${"AB"[i]}</h3>`;
    $("game-place").firstChild.append(place);
    return { curves: new Curves(place, { small: true }), facts: place.appendChild(document.createElement("dl")) };
  });
  const to = settings.epochs * Math.ceil(settings.images / settings.batch);
  let left = 2;
  runs = both.map((mistakes, i) => {
    let done = false;
    return new Run("right", "AB"[i], {
      settings, mistakes, data, digit: 0,
      changed: (run) => {
        places[i].curves.show([run], to);
        if (!run.isDone || done) return;
        done = true;
        places[i].facts.innerHTML = run.facts
          .filter(([what]) => !what.startsWith("Test accuracy"))
          .map(([what, value]) => `<dt>${what}</dt><dd>${value}</dd>`)
          .join("");
        run.stop();
        if (--left === 0) askWhich(broken, second ? 1 : 0);
      },
      failed: (problem) => {
        $("game-answer").textContent = `The training stopped: ${problem}.`;
        offer("Play again", begin);
      },
    });
  });
}

function askWhich(broken, place) {
  $("game-text").textContent = `Round ${round + 1} of ${rounds.length}: which one is broken?`;
  const buttons = ["A", "B"].map((name, i) => button(name, () => askHow(broken, i === place, "AB"[place])));
  $("game-choices").replaceChildren(...buttons);
  buttons[0].focus({ preventScroll: true });
}

function askHow(broken, found, name) {
  $("game-answer").textContent = found ? `Yes, ${name} is broken.` : `No, it is ${name} that is broken.`;
  $("game-text").textContent = "And how?";
  const others = ROUNDS.filter((key) => key !== broken);
  const wrong = Array.from(permutation(others.length, random), (i) => others[i]).slice(0, ANSWERS - 1);
  const names = [broken, ...wrong];
  const order = Array.from(permutation(names.length, random), (i) => names[i]);
  const buttons = order.map((key) => button(MISTAKES[key].name, () => answer(broken, key, found)));
  $("game-choices").replaceChildren(...buttons);
  buttons[0].focus({ preventScroll: true });
}

function answer(broken, key, found) {
  const right = found && key === broken;
  if (right) score++;
  const { name, sign } = MISTAKES[broken];
  const verdict = key === broken ? "Right" : `It is not “${MISTAKES[key].name}”`;
  $("game-answer").textContent = `${verdict}: ${name}. ${sign}`;
  round++;
  const over = round === rounds.length;
  $("game-text").textContent = over
    ? `The end: ${score} of ${rounds.length} found and named.`
    : `${score} of ${round} found and named so far.`;
  offer(over ? "Play again" : "Next round", over ? begin : play);
}

function offer(text, act) {
  const one = button(text, act);
  one.className = "main";
  $("game-choices").replaceChildren(one);
  one.focus({ preventScroll: true });
}

function button(text, act) {
  return Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick: act });
}
