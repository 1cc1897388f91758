// The pictures of the page: the photograph with what speaks for a class, and the maps of a stage.

import { SIDE } from "./image.js";

const ORANGE = [196, 78, 0];
const PURPLE = [94, 52, 140];
const MOST = 32; // maps that are shown

/** The value of a map (side × side) between its places, at row and column in 0 to 1. */
function between(map, side, row, column) {
  const place = (at) => Math.min(Math.max(at * side - 0.5, 0), side - 1);
  const [y, x] = [place(row), place(column)];
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [bottom, right] = [Math.min(top + 1, side - 1), Math.min(left + 1, side - 1)];
  const [dy, dx] = [y - top, x - left];
  const line = (r) => map[r * side + left] * (1 - dx) + map[r * side + right] * dx;
  return line(top) * (1 - dy) + line(bottom) * dy;
}

/** The photograph, RGB bytes; with a map of what speaks for a class (7 × 7) light grey and orange. */
export function paintPicture(canvas, bytes, map) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  const side = map && Math.sqrt(map.length);
  const highest = map && Math.max(...map, 1e-6);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const pixel = [bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]];
    if (map) {
      const grey = 153 + 0.4 * (pixel[0] + pixel[1] + pixel[2]) / 3;
      const [row, column] = [(Math.floor(i / SIDE) + 0.5) / SIDE, ((i % SIDE) + 0.5) / SIDE];
      const strength = 0.8 * Math.max(between(map, side, row, column), 0) / highest;
      for (let c = 0; c < 3; c++) pixel[c] = grey * (1 - strength) + ORANGE[c] * strength;
    }
    image.data.set([...pixel, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** Maps { data, dims (1, C, H, W) } side by side: orange positive, purple negative, each by itself. */
export function paintMaps(canvas, { data, dims }) {
  const [, channels, height, width] = dims;
  const shown = Math.min(channels, MOST);
  const columns = canvas.clientWidth < 480 ? 4 : 8;
  const rows = Math.ceil(shown / columns);
  canvas.width = columns * (width + 1) + 1;
  canvas.height = rows * (height + 1) + 1;
  const context = canvas.getContext("2d");
  context.fillStyle = "#7b8491";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let k = 0; k < shown; k++) {
    const channel = Math.floor((k * channels) / shown);
    const map = data.subarray(channel * height * width, (channel + 1) * height * width);
    const reach = map.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
    const image = context.createImageData(width, height);
    for (let i = 0; i < map.length; i++) {
      const colour = map[i] < 0 ? PURPLE : ORANGE;
      const share = Math.abs(map[i]) / reach;
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 + share * (colour[c] - 255);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 1 + (k % columns) * (width + 1), 1 + Math.floor(k / columns) * (height + 1));
  }
  return shown;
}
