// The answer: ten logits and probabilities as bars, and what to make of them in words.

import { $ } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";

const RESTED = 700; // milliseconds after which a screen reader says the answer

export class Answer {
  #speaker;

  /** picked(place, keep): a logit is chosen. */
  constructor(picked) {
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

  /** How well the network reads, from weights.json. */
  set quality(quality) {
    this.sure = quality.sure;
    $("honest").textContent = honestText(quality);
  }

  /** drawn: whether there is any ink; tooSmall: too little; example: the test digit, or null. */
  show({ logits, probabilities }, { drawn, tooSmall, example }) {
    const order = Array.from(probabilities.keys()).sort(
      (a, b) => probabilities[b] - probabilities[a],
    );
    const [first, second] = order.map((digit) => ({ digit, percent: percent(probabilities[digit]) }));
    const sure = probabilities[first.digit] >= this.sure;
    const readable = drawn && !tooSmall;
    this.#showBars(logits, probabilities, first.digit);
    if (readable) showVerdict(first, second, sure, exampleText(example, first.digit));
    else showNoDigit(drawn ? "Too small to read: draw it larger." : "Nothing is drawn yet.", first);
    $("verdict").classList.toggle("guess", !readable || !sure);
    const says = sure ? "reads" : "guesses";
    $("brief").innerHTML = readable ? `${says} <strong>${first.digit}</strong>` : "";
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

function showNoDigit(why, first) {
  $("verdict").textContent = why;
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
