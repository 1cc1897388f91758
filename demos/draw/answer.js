// The answer: ten logits and probabilities as bars, and what to make of them in words.

import { $ } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";

const RESTED = 700; // milliseconds after which a screen reader says the answer

export class Answer {
  #speaker;

  /** quality: how well the network reads, from weights.json; picked(place, keep): a logit is chosen. */
  constructor(quality, picked) {
    this.quality = quality;
    $("honest").textContent = honestText(quality);
    $("bars").innerHTML = Array.from({ length: 10 }, (_, digit) => {
      return (
        `<tr><th scope="row">${digit}</th><td class="logit"></td>` +
        `<td class="track"><i></i></td><td class="percent"></td></tr>`
      );
    }).join("");
    this.rows = [...$("bars").rows];
    this.rows.forEach((row, digit) => {
      const logit = { key: "logits", map: digit, row: 0, column: 0 };
      row.onclick = () => picked(logit, true);
      row.onpointermove = () => picked(logit, false);
    });
  }

  /** drawn: whether there is any ink; example: the test digit that is shown, or null. */
  show({ logits, probabilities }, drawn, example) {
    const order = Array.from(probabilities.keys()).sort(
      (a, b) => probabilities[b] - probabilities[a],
    );
    const [first, second] = order.map((digit) => ({ digit, percent: percent(probabilities[digit]) }));
    const sure = probabilities[first.digit] >= this.quality.sure;
    this.#showBars(logits, probabilities, first.digit);
    if (drawn) showVerdict(first, second, sure, exampleText(example, first.digit));
    else showNothing(first);
    $("verdict").classList.toggle("guess", !drawn || !sure);
    const says = sure ? "reads" : "guesses";
    $("brief").innerHTML = drawn ? `${says} <strong>${first.digit}</strong>` : "";
  }

  #showBars(logits, probabilities, first) {
    this.rows.forEach((row, digit) => {
      row.classList.toggle("first", digit === first);
      row.cells[1].textContent = logits[digit].toFixed(1).replace("-", "−");
      row.querySelector("i").style.transform = `scaleX(${Math.max(0.01, probabilities[digit])})`;
      row.cells[3].textContent = percent(probabilities[digit]);
    });
  }

  /** Mark the logit at a place, or none. */
  mark({ key, map }) {
    this.rows.forEach((row, digit) =>
      row.classList.toggle("looked-at", key === "logits" && digit === map),
    );
  }

  /** Say the answer to a screen reader, when the pen has rested. */
  speakSoon() {
    clearTimeout(this.#speaker);
    this.#speaker = setTimeout(() => {
      $("spoken").textContent = `${$("verdict").textContent} ${$("reason").textContent}`;
    }, RESTED);
  }
}

function showVerdict(first, second, sure, about) {
  const one = `<strong class="digit">${first.digit}</strong> <span>${first.percent}</span>`;
  const other = `${second.digit} (${second.percent})`;
  $("verdict").innerHTML = sure ? `It reads ${one}` : `It is guessing: ${one}`;
  $("reason").textContent = sure ? `${about} Next comes ${other}.` : `Perhaps ${other}. ${about}`;
}

function showNothing(first) {
  $("verdict").innerHTML = "Nothing is drawn yet.";
  $("reason").textContent =
    `The network answers all the same: ${first.digit}, with ${first.percent}. ` +
    "It cannot say “no digit”.";
}

function exampleText(example, answer) {
  if (!example) return "";
  const { index, label } = example;
  return `Test digit ${index}; its label is ${label}: ${label === answer ? "right" : "wrong"}.`;
}

function honestText({ digits, wrong, unsure, unsure_and_wrong: unsureAndWrong, sure }) {
  const all = digits.toLocaleString("en-GB");
  return (
    `Below ${100 * sure} % we call it guessing. So it is for ${unsure} of ${all} test digits, and ` +
    `${unsureAndWrong} of these are wrong; of all others ${wrong - unsureAndWrong} are. It always ` +
    "answers with a digit, also to a letter or a scribble, and then it can be sure and wrong."
  );
}
