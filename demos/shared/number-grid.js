// A grid of numbers in their colours, which can be typed into or pointed at.

import { contrasting, css, pixelColour } from "./colours.js";
import { ARROWS, clipped } from "./dom.js";
import { formatNumber } from "./numbers.js";

const plain = (value) => formatNumber(value);
const placeInWords = (row, column) => `row ${Number(row) + 1}, column ${Number(column) + 1}`;

/**
 * A matrix as a square of cells in their colours, with the numbers in them.
 *
 * const grid = new NumberGrid(element, { name: "kernel", ring: "var(--kernel)" });
 * grid.show([[1, 2], [3, 4]], { colour: pixelColour });
 *
 * With `edit`, cells are text fields in which arrow keys move: edit(row, column, text) is called when
 * one was changed, and returns false where the text is no number. With `pick`, the grid takes the focus
 * and pick(row, column) is called for the cell that the pointer is over or that arrow keys lead to.
 */
export class NumberGrid {
  constructor(element, { name, ring, edit, pick }) {
    Object.assign(this, { element, name, edit, pick, cells: [], rows: 0, columns: 0, current: [0, 0] });
    element.classList.add("grid");
    if (ring) element.style.setProperty("--ring", ring);
    if (edit) this.#listenToTyping();
    if (pick) this.#listenToPicking();
  }

  /**
   * values: rows of numbers; null leaves a cell empty.
   * colour: from a value to [red, green, blue]; text: from (value, row, column) to what is written;
   * marks: from (row, column) to class names; small: no numbers, the cells are too small;
   * fixed: from (row, column) to whether a cell can't be edited; label: what the grid shows; describe:
   * from (row, column) to the name of a cell that can be edited.
   */
  show(values, { colour = pixelColour, text = plain, marks, small = false, fixed, label, describe } = {}) {
    const [rows, columns] = [values.length, values[0].length];
    const editable = Boolean(this.edit) && !small;
    if (rows !== this.rows || columns !== this.columns || editable !== this.editable) {
      this.#build(rows, columns, editable);
    }
    this.element.classList.toggle("small", small);
    this.element.setAttribute("aria-label", label ?? `${this.name}, ${rows} by ${columns}`);
    values.forEach((line, row) =>
      line.forEach((value, column) => {
        const cell = this.cells[row][column];
        const written = value === null ? "" : text(value, row, column);
        this.#fill(cell, value === null ? [255, 255, 255] : colour(value));
        cell.className = `cell ${written.length > 4 ? "long" : ""} ${marks?.(row, column) ?? ""}`;
        if (cell.tagName === "INPUT") {
          this.#writeField(cell, written, fixed?.(row, column), describe?.(row, column));
        } else {
          this.#write(cell, written, small);
        }
      }),
    );
  }

  #fill(cell, background) {
    cell.style.backgroundColor = css(background);
    cell.style.color = contrasting(background);
  }

  #write(cell, written, small) {
    const { row, column } = cell.dataset;
    if (!small) cell.textContent = written;
    if (this.pick) cell.ariaLabel = `${placeInWords(row, column)}: ${written || "not computed yet"}`;
  }

  /** A field that is being typed into stays as it is. */
  #writeField(cell, written, fixed, description) {
    if (cell === document.activeElement) return;
    const { row, column } = cell.dataset;
    cell.value = written;
    cell.readOnly = Boolean(fixed);
    cell.ariaLabel = description ?? `${this.name}, ${placeInWords(row, column)}`;
  }

  /** Say which cell is the current one. */
  point(row, column) {
    this.current = [row, column];
    if (this.pick) this.element.setAttribute("aria-activedescendant", this.cells[row]?.[column]?.id ?? "");
  }

  #build(rows, columns, editable) {
    Object.assign(this, { rows, columns, editable });
    const { element } = this;
    element.style.setProperty("--columns", columns);
    element.setAttribute("role", this.pick ? "grid" : editable ? "group" : "img");
    if (this.pick) element.tabIndex = 0;
    this.cells = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => this.#cell(row, column)),
    );
    element.replaceChildren(
      ...this.cells.map((cells) => {
        const line = document.createElement("div");
        if (this.pick) line.setAttribute("role", "row");
        line.style.display = "contents";
        line.append(...cells);
        return line;
      }),
    );
  }

  #cell(row, column) {
    const cell = document.createElement(this.editable ? "input" : "div");
    Object.assign(cell.dataset, { row, column });
    if (this.editable) {
      Object.assign(cell, { type: "text", inputMode: "text", autocomplete: "off", spellcheck: false });
      cell.tabIndex = row + column ? -1 : 0;
    } else if (this.pick) {
      cell.setAttribute("role", "gridcell");
      cell.id = `${this.element.id}-${row}-${column}`;
    }
    return cell;
  }

  #placeOf(target) {
    const cell = target?.closest?.(".cell");
    return cell && this.element.contains(cell)
      ? [Number(cell.dataset.row), Number(cell.dataset.column)]
      : null;
  }

  #moved(key, [row, column]) {
    if (!ARROWS[key]) return null;
    const [down, right] = ARROWS[key];
    return [clipped(row + down, this.rows), clipped(column + right, this.columns)];
  }

  #listenToTyping() {
    const { element } = this;
    element.addEventListener("focusin", ({ target }) => {
      if (target.tagName !== "INPUT") return;
      this.cells.flat().forEach((cell) => (cell.tabIndex = cell === target ? 0 : -1));
      target.select();
    });
    element.addEventListener("keydown", (event) => {
      const { target, key } = event;
      const whole = target.selectionEnd - target.selectionStart === target.value.length;
      const atEdge =
        key === "ArrowLeft" ? target.selectionEnd === 0 : target.selectionStart === target.value.length;
      if (key === "Enter") (target.blur(), target.focus());
      if (["ArrowLeft", "ArrowRight"].includes(key) && !whole && !atEdge) return;
      const place = this.#moved(key, this.#placeOf(target));
      if (!place) return;
      event.preventDefault();
      this.cells[place[0]][place[1]].focus();
    });
    element.addEventListener("change", ({ target }) => {
      const accepted = this.edit(...this.#placeOf(target), target.value);
      target.ariaInvalid = accepted === false ? "true" : null;
    });
  }

  #listenToPicking() {
    const { element } = this;
    const pick = (place) => place && this.pick(...place);
    let last = "";
    element.addEventListener("pointermove", (event) => {
      const under =
        event.pointerType === "touch"
          ? document.elementFromPoint(event.clientX, event.clientY)
          : event.target;
      const place = this.#placeOf(under);
      if (String(place) === last) return;
      last = String(place);
      pick(place);
    });
    element.addEventListener("pointerleave", () => (last = ""));
    element.addEventListener("click", ({ target }) => pick(this.#placeOf(target)));
    element.addEventListener("keydown", (event) => {
      const place = this.#moved(event.key, this.current);
      if (!place) return;
      event.preventDefault();
      pick(place);
    });
  }
}
