/**
 * A drawing as a square of ink, and its normalisation as in MNIST. Nothing here knows of a page.
 *
 * Ink is a Float32Array (side, side), 0 for paper and 1 for ink. It is computed here instead of
 * being read back from a canvas, which some browsers blur on purpose.
 */

/** Draw a round pen along a line, in pixels; a line of length 0 is a dot. Ink stays ink. */
export function drawLine(ink, side, from, to, width) {
  const radius = width / 2;
  const reach = radius + 1;
  const [left, right] = range(from.x, to.x, reach, side);
  const [top, bottom] = range(from.y, to.y, reach, side);
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const distance = distanceToLine({ x: column + 0.5, y: row + 0.5 }, from, to);
      const cover = Math.min(1, Math.max(0, radius + 0.5 - distance));
      const i = row * side + column;
      if (cover > ink[i]) ink[i] = cover;
    }
  }
}

function range(a, b, reach, side) {
  const start = Math.max(0, Math.floor(Math.min(a, b) - reach));
  return [start, Math.min(side, Math.ceil(Math.max(a, b) + reach))];
}

function distanceToLine(point, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const along = length ? ((point.x - from.x) * dx + (point.y - from.y) * dy) / length : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - from.x - t * dx, point.y - from.y - t * dy);
}

/**
 * Draw strokes on clean paper.
 *
 * @param {Array<{points: Array<{x: number, y: number}>, width: number}>} strokes in pixels
 * @returns {Float32Array} ink (side, side)
 */
export function inkOf(strokes, side) {
  const ink = new Float32Array(side * side);
  for (const { points, width } of strokes) {
    let from = points[0];
    for (const to of points) {
      drawLine(ink, side, from, to, width);
      from = to;
    }
  }
  return ink;
}

/** The longer side of the box around the lines of strokes, in pixels, without their width. */
export function extent(strokes) {
  const { width, height } = boxOf(strokes);
  return Math.max(width, height);
}

function boxOf(strokes) {
  const points = strokes.flatMap((stroke) => stroke.points);
  const range = (name) => {
    const values = points.map((point) => point[name]);
    return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  };
  const [[left, right], [top, bottom]] = [range("x"), range("y")];
  return { left, top, width: right - left, height: bottom - top };
}

/**
 * The same lines at the size of MNIST's digits: the longer side of their ink is 20 of 28 parts of
 * the paper. The pen keeps its width, so that a small drawing does not become a thick one.
 */
export function atFullSize(strokes, side) {
  const box = boxOf(strokes);
  const pen = strokes.reduce((width, stroke) => Math.max(width, stroke.width), 0);
  const scale = ((20 / 28) * side - pen) / (Math.max(box.width, box.height) || 1);
  const move = ({ x, y }) => ({
    x: side / 2 + scale * (x - box.left - box.width / 2),
    y: side / 2 + scale * (y - box.top - box.height / 2),
  });
  return strokes.map(({ points, width }) => ({ points: points.map(move), width }));
}

/**
 * Make a drawing what MNIST's digits are: cropped to its ink, scaled so that the longer side is 20
 * pixels, and placed so that its centre of mass is in the central pixel (14, 14) of 28 × 28.
 * Source: LeCun, Bottou, Bengio and Haffner, 1998, section III-A.
 *
 * @returns null if there is no ink; else box: {left, top, width, height} of the ink; cropped and
 *   scaled: {pixels, width, height}; mass: {x, y}, the centre of mass in the scaled picture; left
 *   and top: where the scaled picture stands in image (784)
 */
export function normalise(ink, side) {
  const box = inkBox(ink, side);
  if (!box) return null;
  const cropped = crop(ink, side, box);
  const longer = Math.max(box.width, box.height);
  const width = Math.max(1, Math.round((20 * box.width) / longer));
  const height = Math.max(1, Math.round((20 * box.height) / longer));
  const scaled = { pixels: resize(cropped, width, height), width, height };
  const mass = centreOfMass(scaled);
  const left = place(mass.x, width);
  const top = place(mass.y, height);
  const image = new Float32Array(784);
  for (let row = 0; row < height; row++) {
    const line = scaled.pixels.subarray(row * width, (row + 1) * width);
    image.set(line, (top + row) * 28 + left);
  }
  return { box, cropped, scaled, mass, left, top, image };
}

/** Shift by whole pixels until the mass is in pixel 14, as in MNIST; the picture stays inside. */
function place(mass, length) {
  return Math.min(28 - length, Math.max(0, Math.ceil(14 - mass)));
}

/** The box {left, top, width, height} around all ink, or null. */
export function inkBox(ink, side) {
  let [left, top, right, bottom] = [side, side, -1, -1];
  for (let i = 0; i < ink.length; i++) {
    if (ink[i] === 0) continue;
    const [row, column] = [Math.floor(i / side), i % side];
    left = Math.min(left, column);
    right = Math.max(right, column);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
  }
  if (right < 0) return null;
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function crop(ink, side, { left, top, width, height }) {
  const pixels = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = (top + row) * side + left;
    pixels.set(ink.subarray(start, start + width), row * width);
  }
  return { pixels, width, height };
}

/** Scale by area: a new pixel is the mean of what it covers, so edges become grey. */
export function resize({ pixels, width, height }, newWidth, newHeight) {
  const columns = shares(width, newWidth);
  const rows = shares(height, newHeight);
  const lines = new Float32Array(height * newWidth);
  for (let row = 0; row < height; row++) {
    for (const { from, to, share } of columns) {
      lines[row * newWidth + to] += share * pixels[row * width + from];
    }
  }
  const result = new Float32Array(newWidth * newHeight);
  for (const { from, to, share } of rows) {
    for (let column = 0; column < newWidth; column++) {
      result[to * newWidth + column] += share * lines[from * newWidth + column];
    }
  }
  return result;
}

/** Which part of each new pixel lies on which old one, along one axis. */
function shares(length, newLength) {
  const size = length / newLength;
  const parts = [];
  for (let to = 0; to < newLength; to++) {
    const [start, end] = [to * size, (to + 1) * size];
    for (let from = Math.floor(start); from < Math.min(length, Math.ceil(end)); from++) {
      const overlap = Math.min(end, from + 1) - Math.max(start, from);
      if (overlap > 0) parts.push({ from, to, share: overlap / size });
    }
  }
  return parts;
}

function centreOfMass({ pixels, width }) {
  let [x, y, total] = [0, 0, 0];
  pixels.forEach((value, i) => {
    x += value * ((i % width) + 0.5);
    y += value * (Math.floor(i / width) + 0.5);
    total += value;
  });
  return { x: x / total, y: y / total };
}
