// What is drawn over and between the grids: frames and beams.

/** Frames, each { row, column, size, kind }, over a grid with so many columns. */
export function drawFrames(box, columns, frames) {
  const percent = (pixels) => `${(100 * pixels) / columns}%`;
  box.replaceChildren(
    ...frames.map(({ row, column, size, kind = "window" }) => {
      const frame = document.createElement("i");
      frame.className = kind;
      const side = percent(size);
      Object.assign(frame.style, { left: percent(column), top: percent(row), width: side, height: side });
      return frame;
    }),
  );
}

/** Where some pixels of a grid stand: its edges in pixels from the corner of another element. */
function edges(grid, columns, { row, column, size }, origin) {
  const [box, corner] = [grid.getBoundingClientRect(), origin.getBoundingClientRect()];
  const border = grid.clientLeft;
  const cell = (box.width - 2 * border) / columns;
  const left = box.x - corner.x - origin.clientLeft + border + column * cell;
  const top = box.y - corner.y - origin.clientTop + border + row * cell;
  return { left, right: left + size * cell, top, bottom: top + size * cell };
}

/**
 * Join parts of grids by beams, from left to right: shaded in one SVG element and with lines in another.
 *
 * parts: [grid, columns, { row, column, size }] each; colours: one for each beam.
 */
export function drawBeams(shades, lines, parts, colours) {
  const places = parts.map((part) => edges(...part, lines.parentElement));
  const pairs = colours.map((colour, i) => [places[i], places[i + 1], colour]);
  shades.replaceChildren(...pairs.map((pair) => shade(...pair)));
  lines.replaceChildren(...pairs.flatMap((pair) => [line("top", ...pair), line("bottom", ...pair)]));
}

function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  return element;
}

function shade(from, to, fill) {
  const corners = [
    [from.right, from.top],
    [to.left, to.top],
    [to.left, to.bottom],
    [from.right, from.bottom],
  ];
  return shape("polygon", { points: corners.join(" "), fill });
}

const line = (edge, from, to, stroke) =>
  shape("line", { x1: from.right, y1: from[edge], x2: to.left, y2: to[edge], stroke });
