// Many values at once as pixels of a canvas, quickly enough for every frame.

import { pixelColour, signedColour } from "./colours.js";

/** 256 colours as a canvas stores them. */
function palette(colour) {
  const channels = new Uint8Array(1024);
  for (let i = 0; i < 256; i++) channels.set([...colour(i / 255), 255], 4 * i);
  return new Uint32Array(channels.buffer);
}

const GREY = palette(pixelColour);
const SIGNED = palette((t) => signedColour(2 * t - 1));

const screens = new WeakMap();

/** Where a canvas is painted; made once for each size of it. */
function screenOf(canvas) {
  let screen = screens.get(canvas);
  if (screen?.image.width !== canvas.width || screen.image.height !== canvas.height) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    screen = { context, image, pixels: new Uint32Array(image.data.buffer) };
    screens.set(canvas, screen);
  }
  return screen;
}

/**
 * Paint maps side by side, `gap` pixels apart.
 *
 * values: (count, height, width), flat; columns: maps in a row; reach: the value that is black, or
 * with `signed` the size of the values that are darkest purple and orange; one for all maps, or a
 * list with one for each.
 */
export function paintMaps(
  canvas,
  values,
  { height, width, columns = 1, gap = 0, reach = 1, signed = false },
) {
  const count = values.length / (height * width);
  const rows = Math.ceil(count / columns);
  const fullWidth = columns * (width + gap) + gap;
  const fullHeight = rows * (height + gap) + gap;
  if (canvas.width !== fullWidth || canvas.height !== fullHeight) {
    [canvas.width, canvas.height] = [fullWidth, fullHeight];
  }
  const { context, image, pixels } = screenOf(canvas);
  const colours = signed ? SIGNED : GREY;
  pixels.fill(0);
  const [half, zero] = signed ? [127.5, 127.5] : [255, 0];
  for (let line = 0; line < count * height; line++) {
    const map = Math.floor(line / height);
    const scale = half / ((reach[map] ?? reach) || 1);
    const top = gap + Math.floor(map / columns) * (height + gap) + (line % height);
    const start = top * fullWidth + gap + (map % columns) * (width + gap);
    for (let column = 0; column < width; column++) {
      const level = values[line * width + column] * scale + zero + 0.5;
      pixels[start + column] = colours[level < 0 ? 0 : level > 255 ? 255 : level | 0];
    }
  }
  context.putImageData(image, 0, 0);
}

/** Lay an element over a canvas of width × height pixels, as a frame of some of them. */
export function frame(element, { left, top, width, height }, full) {
  element.hidden = false;
  element.style.left = `${(100 * left) / full.width}%`;
  element.style.top = `${(100 * top) / full.height}%`;
  element.style.width = `${(100 * width) / full.width}%`;
  element.style.height = `${(100 * height) / full.height}%`;
}

/** The largest value of each of `count` maps, but not less than a part of the largest of all. */
export function largestOfEach(values, count, least) {
  const size = values.length / count;
  const each = Float32Array.from({ length: count }, (_, map) =>
    largest(values.subarray(map * size, (map + 1) * size)),
  );
  const floor = least * largest(each);
  return each.map((value) => Math.max(value, floor));
}

/** The largest value, or 0 if all are negative. */
export function largest(values) {
  let found = 0;
  for (let i = 0; i < values.length; i++) if (values[i] > found) found = values[i];
  return found;
}
