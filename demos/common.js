// What the pages that compute share: colours and number formats of the figures, images of values,
// and grids of numbers. The colours are those of notebooks/cnn/plotting.py.

// Matplotlib's Greys and PuOr_r (C. Brewer's scales), at equal distances; linear in between.
const GREYS = ["ffffff", "f0f0f0", "d9d9d9", "bdbdbd", "969696", "737373", "525252", "252525", "000000"];
const PURPLE_ORANGE = [
  "2d004b",
  "542788",
  "8073ac",
  "b2abd2",
  "d8daeb",
  "f7f7f7",
  "fee0b6",
  "fdb863",
  "e08214",
  "b35806",
  "7f3b08",
];

const channels = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
const SCALES = { greys: GREYS.map(channels), purpleOrange: PURPLE_ORANGE.map(channels) };

/** The colour [red, green, blue], 0 to 255, at place t in [0, 1] of a scale; t outside is clipped. */
function colourAt(scale, t) {
  const place = Math.min(Math.max(t, 0), 1) * (scale.length - 1);
  const i = Math.min(Math.floor(place), scale.length - 2);
  return scale[i].map((low, c) => Math.round(low + (scale[i + 1][c] - low) * (place - i)));
}

/** The colour of a pixel value: white is `low`, black is `high`. */
export function pixelColour(value, low = 0, high = 1) {
  return colourAt(SCALES.greys, (value - low) / (high - low || 1));
}

/** The colour of a value around zero: purple at -reach, orange at +reach. */
export function signedColour(value, reach = 1) {
  return colourAt(SCALES.purpleOrange, (value / (reach || 1) + 1) / 2);
}

/** A colour [red, green, blue] as CSS. */
export const css = (colour) => `rgb(${colour.join(" ")})`;

/** Black or white, whichever reads better on a colour: at least 4.5:1 (WCAG 2.2). */
export function contrasting(colour) {
  const linear = colour
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return luminance < 0.179 ? "#ffffff" : "#000000";
}

/** A number as text: at most `digits` decimals, no trailing zeros, a real minus sign. */
export function formatNumber(value, digits = 2) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return String(Number(value.toFixed(digits)) || 0).replace("-", "−");
}

const plain = (value) => formatNumber(value);

/**
 * Draw one value per canvas pixel; CSS makes them larger (class "pixels").
 *
 * values: height × width numbers, flat; colour: from a value to [red, green, blue].
 */
export function paint(canvas, values, height, width, colour = pixelColour) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = colour(values[i]);
    image.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

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
        const background = value === null ? [255, 255, 255] : colour(value);
        cell.className = `cell ${written.length > 4 ? "long" : ""} ${marks?.(row, column) ?? ""}`;
        cell.style.backgroundColor = css(background);
        cell.style.color = contrasting(background);
        if (cell.tagName !== "INPUT") {
          if (!small) cell.textContent = written;
          if (this.pick)
            cell.ariaLabel = `row ${row + 1}, column ${column + 1}: ${written || "not computed yet"}`;
        } else if (cell !== document.activeElement) {
          cell.value = written;
          cell.readOnly = Boolean(fixed?.(row, column));
          cell.ariaLabel = describe?.(row, column) ?? `${this.name}, row ${row + 1}, column ${column + 1}`;
        }
      }),
    );
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
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!steps[key]) return null;
    const clip = (value, size) => Math.min(Math.max(value, 0), size - 1);
    return [clip(row + steps[key][0], this.rows), clip(column + steps[key][1], this.columns)];
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
