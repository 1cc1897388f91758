// The area to draw in: mouse, finger, pen and keyboard put ink on it.

import { atFullSize, drawLine, extent, inkOf } from "../shared/drawing.js";
import { paintMaps } from "../shared/paint.js";

export const SIDE = 280; // pixels of ink; ten for each of a digit's 28
const SMALLEST = 12; // pixels that a drawing must extend to be read
const STEP = 4; // pixels that one press of an arrow key moves the pen
const REMEMBERED = 40; // strokes that can be undone
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export class Pad {
  ink = new Float32Array(SIDE * SIDE);
  strokes = []; // [{points: [{x, y}], width}], what the ink was drawn with
  width = 24; // of the pen, in pixels
  example = null; // the test digit that is shown, until someone draws

  #history = [];
  #pointer = null; // id of the pointer that draws
  #pointerType = null; // "mouse", "touch" or "pen"
  #last = null; // where it was
  #pen = { x: SIDE / 2, y: SIDE / 4, down: false }; // moved by the keyboard
  #held = new Set();

  /** changed(): ink was added or taken away; finished(): a stroke is complete. */
  constructor(element, canvas, penMark, { changed, finished }) {
    Object.assign(this, { element, canvas, penMark, changed, finished });
    element.addEventListener("pointerdown", (event) => this.#press(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      element.addEventListener(name, (event) => this.#release(event));
    }
    element.addEventListener("pointerleave", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) this.#release(event);
    });
    element.addEventListener("keydown", (event) => this.#keyDown(event));
    element.addEventListener("keyup", (event) => this.#held.delete(event.key));
    element.addEventListener("focus", () => this.#showPen());
    element.addEventListener("blur", () => this.#leave());
  }

  get canUndo() {
    return this.#history.length > 0;
  }

  /** Whether something is drawn, but too small to be read. */
  get isTooSmall() {
    return this.strokes.length > 0 && extent(this.strokes) < SMALLEST;
  }

  /** Ink (SIDE, SIDE) of the drawing at the size of a digit, with lines as wide as the pen. */
  get inkAtFullSize() {
    if (!this.strokes.length || this.isTooSmall) return this.ink;
    return inkOf(atFullSize(this.strokes, SIDE), SIDE);
  }

  /** Show a test digit: {pixels (784), ...}. The first stroke wipes it off. */
  show(example) {
    this.#stop();
    this.#history = [];
    this.strokes = [];
    this.example = example;
    this.ink = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [row, column] = [Math.floor(i / SIDE), i % SIDE];
      return example.pixels[Math.floor(row / 10) * 28 + Math.floor(column / 10)];
    });
    this.changed();
    this.finished();
  }

  clear() {
    this.#stop();
    this.#remember();
    this.#wipe();
    this.changed();
    this.finished();
  }

  undo() {
    if (!this.canUndo) return;
    this.#stop();
    Object.assign(this, this.#history.pop());
    this.changed();
    this.finished();
  }

  paint() {
    paintMaps(this.canvas, this.ink, { height: SIDE, width: SIDE });
  }

  #remember() {
    const { ink, strokes, example } = this;
    this.#history.push({ ink: ink.slice(), strokes: [...strokes], example });
    if (this.#history.length > REMEMBERED) this.#history.shift();
  }

  #wipe() {
    this.ink = new Float32Array(SIDE * SIDE);
    this.strokes = [];
    this.example = null;
  }

  #begin(point) {
    this.#remember();
    if (this.example) this.#wipe();
    this.strokes = [...this.strokes, { points: [], width: this.width }];
    this.#drawTo(point, point);
  }

  #drawTo(point, from = this.#last) {
    const stroke = this.strokes.at(-1);
    drawLine(this.ink, SIDE, from, point, stroke.width);
    stroke.points.push(point);
    this.#last = point;
    this.changed();
  }

  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = SIDE / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  #press(event) {
    if (event.button !== 0) return;
    if (this.#pointer !== null && !this.#gives(event)) return;
    this.#lift();
    this.penMark.hidden = true;
    this.#pointer = event.pointerId;
    this.#pointerType = event.pointerType;
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      // without it a line ends where the pointer leaves the paper
    }
    this.#begin(this.#pointOf(event));
  }

  /** Whether the pointer that draws gives way to another: a palm to a pen, and one that was lost. */
  #gives({ pointerType, isPrimary }) {
    if (pointerType === "pen" && this.#pointerType === "touch") {
      Object.assign(this, this.#history.pop()); // what the palm has drawn
      return true;
    }
    return isPrimary && pointerType === this.#pointerType;
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const part of between.length ? between : [event]) this.#drawTo(this.#pointOf(part));
  }

  #release(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.finished();
  }

  #keyDown(event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === " ") {
      if (!event.repeat) this.#pen.down ? this.#lift() : this.#lower();
    } else if (key === "Escape") {
      this.#lift();
    } else if (ARROWS[key]) {
      this.#held.add(key);
      this.#movePen();
    } else {
      return;
    }
    event.preventDefault();
    this.#showPen();
  }

  #movePen() {
    const steps = [...this.#held].map((key) => ARROWS[key]);
    const inside = (value) => Math.min(SIDE, Math.max(0, value));
    this.#pen.x = inside(this.#pen.x + STEP * steps.reduce((sum, [x]) => sum + x, 0));
    this.#pen.y = inside(this.#pen.y + STEP * steps.reduce((sum, [, y]) => sum + y, 0));
    if (this.#pen.down) this.#drawTo({ x: this.#pen.x, y: this.#pen.y });
  }

  #lower() {
    this.#pen.down = true;
    this.#begin({ x: this.#pen.x, y: this.#pen.y });
  }

  #lift() {
    if (!this.#pen.down) return;
    this.#pen.down = false;
    this.#showPen();
    this.finished();
  }

  /** End the stroke that is being drawn. */
  #stop() {
    this.#pointer = null;
    this.#lift();
  }

  #showPen() {
    const { x, y, down } = this.#pen;
    const mark = this.penMark;
    mark.hidden = !this.element.matches(":focus-visible");
    mark.classList.toggle("down", down);
    mark.style.left = `${(100 * x) / SIDE}%`;
    mark.style.top = `${(100 * y) / SIDE}%`;
  }

  #leave() {
    this.#held.clear();
    this.#lift();
    this.penMark.hidden = true;
  }
}
