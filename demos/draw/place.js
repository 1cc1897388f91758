// The place that is looked at: {key, map, row, column} of the number that is explained.

import { $ } from "../shared/dom.js";
import { argmax } from "../shared/logits.js";
import { Inspector } from "./inspector.js";
import { STAGES } from "./stages.js";

const NARROW = "(max-width: 70rem)";

const stageOf = (key) => STAGES.find((stage) => stage.key === key);

export class Place {
  #kept = false; // it stays where it is when the pointer moves

  weights = null; // of the network, once it is there

  /** views: the stages on the page; answer: the bars of the logits. Both mark the place. */
  constructor(views, answer) {
    Object.assign(this, { views, answer });
    this.inspector = new Inspector($("formula"), $("explanation"));
    this.#build();
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#keep(false);
    });
    matchMedia(NARROW).addEventListener("change", () => this.#settle());
  }

  #build() {
    const options = STAGES.map(({ key, name }) => `<option value="${key}">${name}</option>`).join("");
    $("places").innerHTML = `
    <label>Stage <select id="place-key">${options}</select></label>
    <label><span id="place-map-name">Map</span> <input id="place-map" type="number" min="0"></label>
    <label class="pixel-place">Row <input id="place-row" type="number" min="0"></label>
    <label class="pixel-place">Column <input id="place-column" type="number" min="0"></label>
    <button id="release" type="button" hidden>Follow the pointer</button>`;
    $("release").onclick = () => this.#keep(false);
    $("place-key").onchange = () => this.pick(this.#strongest($("place-key").value), true);
    for (const name of ["map", "row", "column"]) {
      $(`place-${name}`).oninput = ({ target }) => {
        if (target.value !== "" && target.checkValidity())
          this.pick({ ...this.place, [name]: Number(target.value) }, true);
      };
    }
  }

  /** Explain a number in the stages of another picture: the place that is kept, or the strongest. */
  show(stages) {
    this.stages = stages;
    if (!this.#kept) this.place = this.#strongest(this.place?.key ?? "conv1");
    this.#show();
  }

  /** Look at another place; with keepIt it stays when the pointer moves on. */
  pick(place, keepIt) {
    if (this.#kept && !keepIt) return;
    this.place = place;
    if (keepIt) this.#keep(true);
    this.#show();
    if (keepIt) this.#settle();
  }

  #strongest(key) {
    const { side } = stageOf(key);
    const i = argmax(this.stages[key]);
    return {
      key,
      map: Math.floor(i / side ** 2),
      row: Math.floor(i / side) % side,
      column: i % side,
    };
  }

  #keep(value) {
    this.#kept = value;
    $("release").hidden = !value;
  }

  #show() {
    if (!this.stages) return;
    for (const one of [...this.views, this.answer]) one.mark(this.place);
    this.inspector.show(this.weights, this.stages, this.place);
    this.#showControls();
  }

  #showControls() {
    const { key, map, row, column } = this.place;
    const { side, maps } = stageOf(key);
    $("place-key").value = key;
    $("place-map-name").textContent = { hidden: "Unit", logits: "Digit" }[key] ?? "Map";
    for (const label of document.querySelectorAll(".pixel-place")) label.hidden = side === 1;
    for (const [name, value, size] of [
      ["map", map, maps],
      ["row", row, side],
      ["column", column, side],
    ]) {
      const input = $(`place-${name}`);
      input.max = size - 1;
      if (input !== document.activeElement) input.value = value;
    }
  }

  /** Where there is one column only, the explanation stands below the stage that it is about. */
  #settle() {
    const view = this.views.find((one) => one.key === this.place.key);
    const card = $("inspector");
    if (!matchMedia(NARROW).matches || !view) return void $("demo").append(card);
    if (card.previousElementSibling === view.element) return;
    const focused = document.activeElement;
    const before = view.element.getBoundingClientRect().top;
    view.element.after(card);
    focused.focus({ preventScroll: true });
    scrollBy(0, view.element.getBoundingClientRect().top - before);
  }
}
