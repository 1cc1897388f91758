// From a picture to what the network takes: resized as in the lesson, cut, and brought to about -1 to 1.

export const SIDE = 224;
const SHORTER = 256;

/** Weight of a neighbour at a distance, for cubic interpolation (a = -0.5, as Pillow and PyTorch do). */
export function cubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** For each pixel of the result: the first pixel that it reads, and the weights from there on. */
export function taps(from, to) {
  const scale = from / to;
  const stretch = Math.max(scale, 1); // wider when the picture shrinks: no aliasing
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.floor(centre - 2 * stretch + 0.5), 0);
    const last = Math.min(Math.floor(centre + 2 * stretch + 0.5), from);
    const weights = [];
    for (let k = first; k < last; k++) weights.push(cubic((k - centre + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

const toByte = (value) => Math.min(Math.max(Math.round(value), 0), 255);

/** A picture { data (RGBA bytes), width, height } as RGB bytes of another size. */
export function resized({ data, width, height }, newWidth, newHeight) {
  const across = taps(width, newWidth);
  const half = new Uint8ClampedArray(height * newWidth * 3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < newWidth; column++) {
      const { first, weights } = across[column];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * data[(row * width + first + k) * 4 + c];
        half[(row * newWidth + column) * 3 + c] = toByte(sum);
      }
    }
  }
  const down = taps(height, newHeight);
  const result = new Uint8ClampedArray(newHeight * newWidth * 3);
  for (let row = 0; row < newHeight; row++) {
    const { first, weights } = down[row];
    for (let i = 0; i < newWidth * 3; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * half[(first + k) * newWidth * 3 + i];
      result[row * newWidth * 3 + i] = toByte(sum);
    }
  }
  return result;
}

/** The middle of a picture as the network sees it: RGB bytes, SIDE × SIDE × 3. */
export function middle(picture) {
  const { width, height } = picture;
  const [newWidth, newHeight] =
    width <= height
      ? [SHORTER, Math.trunc((SHORTER * height) / width)]
      : [Math.trunc((SHORTER * width) / height), SHORTER];
  const all = resized(picture, newWidth, newHeight);
  const [left, top] = [Math.round((newWidth - SIDE) / 2), Math.round((newHeight - SIDE) / 2)];
  const cut = new Uint8ClampedArray(SIDE * SIDE * 3);
  for (let row = 0; row < SIDE; row++) {
    const start = ((row + top) * newWidth + left) * 3;
    cut.set(all.subarray(start, start + SIDE * 3), row * SIDE * 3);
  }
  return cut;
}

/** RGB bytes SIDE × SIDE × 3 as the network takes them: (1, 3, SIDE, SIDE), about -1 to 1. */
export function asInput(bytes) {
  const size = SIDE * SIDE;
  const input = new Float32Array(3 * size);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) input[c * size + i] = (bytes[3 * i + c] - 127) / 128;
  return input;
}
