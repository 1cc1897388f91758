// The maps of every stage, and which of their pixels is looked at.

import { frame, largest, largestOfEach, paintMaps } from "../shared/paint.js";

const GAP = 2; // pixels between maps
const PALEST = 0.05; // of the stage's largest value: what a map needs at least to be shown black
const UNIT = 8; // pixels of the side of a dense unit

/** columns: maps in a row, in a wide place and in a narrow one. */
export const STAGES = [
  {
    key: "conv1",
    name: "Convolution 1",
    title: "Convolution 1, ReLU",
    shape: "32 maps of 26 × 26",
    maps: 32,
    side: 26,
    columns: [8, 4],
  },
  {
    key: "conv2",
    name: "Convolution 2",
    title: "Convolution 2, ReLU",
    shape: "64 maps of 24 × 24",
    maps: 64,
    side: 24,
    columns: [8, 8],
  },
  {
    key: "pool",
    name: "Max-pooling",
    title: "Max-pooling",
    shape: "64 maps of 12 × 12",
    maps: 64,
    side: 12,
    columns: [16, 8],
  },
  {
    key: "hidden",
    name: "Dense layer",
    title: "Dense layer, ReLU",
    shape: "128 units",
    maps: 128,
    side: 1,
    columns: [32, 32],
  },
  { key: "logits", name: "Logit", title: "Logits", shape: "10 logits", maps: 10, side: 1 },
];

const narrow = matchMedia("(max-width: 40rem)");

let isNarrowNow = narrow.matches; // to ask for it in each frame would cost a layout
narrow.addEventListener("change", () => (isNarrowNow = narrow.matches));

/** Whether the page is as narrow as a phone, so that fewer maps stand in a row. */
export const isNarrow = () => isNarrowNow;

/** One stage on the page: a heading and a canvas with all of its maps. */
export class Stage {
  /** picked({key, map, row, column}, keep): a pixel is pointed at, or with `keep` chosen. */
  constructor(definition, picked) {
    Object.assign(this, definition, { picked });
    this.element = document.createElement("div");
    this.element.className = "stage";
    this.element.innerHTML = `
      <h3>${this.title} <span class="shape">${this.shape}</span></h3>
      <div class="maps" tabindex="0" role="application" aria-roledescription="maps"
        aria-label="${this.title}: ${this.shape}" aria-describedby="stages-help">
        <canvas class="pixels"></canvas>
        <div class="map-mark" hidden></div>
        <div class="pixel-mark" hidden></div>
      </div>`;
    this.area = this.element.querySelector(".maps");
    this.canvas = this.element.querySelector("canvas");
    this.mapMark = this.element.querySelector(".map-mark");
    this.pixelMark = this.element.querySelector(".pixel-mark");
    this.area.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") this.#point(event, false); // a finger scrolls, then taps
    });
    this.area.addEventListener("click", (event) => this.#point(event, true));
    this.area.addEventListener("keydown", (event) => this.#key(event));
  }

  get columnsNow() {
    return this.columns[isNarrow() ? 1 : 0];
  }

  get drawnSide() {
    return this.side === 1 ? UNIT : this.side;
  }

  paint(values) {
    const drawn = this.side === 1 ? enlarged(values) : values;
    paintMaps(this.canvas, drawn, {
      height: this.drawnSide,
      width: this.drawnSide,
      columns: this.columnsNow,
      gap: GAP,
      reach: this.side === 1 ? largest(values) : largestOfEach(values, this.maps, PALEST),
    });
  }

  /** Mark a pixel, or none of this stage. */
  mark(place) {
    const here = place.key === this.key;
    this.mapMark.hidden = this.pixelMark.hidden = !here;
    if (!here) return;
    this.place = place;
    const side = this.drawnSide;
    const left = GAP + (place.map % this.columnsNow) * (side + GAP);
    const top = GAP + Math.floor(place.map / this.columnsNow) * (side + GAP);
    frame(this.mapMark, { left, top, width: side, height: side }, this.canvas);
    if (this.side === 1) this.pixelMark.hidden = true;
    else
      frame(
        this.pixelMark,
        { left: left + place.column, top: top + place.row, width: 1, height: 1 },
        this.canvas,
      );
  }

  #point(event, keep) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.canvas.width - GAP;
    const y = ((event.clientY - box.top) / box.height) * this.canvas.height - GAP;
    const pitch = this.drawnSide + GAP;
    const inside = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value)));
    const mapColumn = inside(x / pitch, this.columnsNow);
    const map = inside(y / pitch, this.maps / this.columnsNow) * this.columnsNow + mapColumn;
    const row = inside(y - Math.floor(y / pitch) * pitch, this.side);
    const column = inside(x - mapColumn * pitch, this.side);
    this.picked({ key: this.key, map, row, column }, keep);
  }

  #key(event) {
    const place = this.place ?? { key: this.key, map: 0, row: 0, column: 0 };
    const move = (name, by, size) => ({
      ...place,
      [name]: Math.min(size - 1, Math.max(0, place[name] + by)),
    });
    const units = this.side === 1;
    const moved = {
      ArrowLeft: () => (units ? move("map", -1, this.maps) : move("column", -1, this.side)),
      ArrowRight: () => (units ? move("map", 1, this.maps) : move("column", 1, this.side)),
      ArrowUp: () =>
        units ? move("map", -this.columnsNow, this.maps) : move("row", -1, this.side),
      ArrowDown: () =>
        units ? move("map", this.columnsNow, this.maps) : move("row", 1, this.side),
      PageUp: () => move("map", -1, this.maps),
      PageDown: () => move("map", 1, this.maps),
      Enter: () => place,
    }[event.key];
    if (!moved) return;
    event.preventDefault();
    this.picked(moved(), true);
  }
}

/** Each value as a square of UNIT × UNIT. */
function enlarged(values) {
  const squares = new Float32Array(values.length * UNIT * UNIT);
  values.forEach((value, i) => squares.fill(value, i * UNIT * UNIT, (i + 1) * UNIT * UNIT));
  return squares;
}
