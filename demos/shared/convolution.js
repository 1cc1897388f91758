// Convolution and max-pooling of one square image, in plain loops, as torch.nn.functional has them.
// Images and kernels are arrays of rows. Settings: F kernel size, P padding on each side, S stride,
// D dilation, all in pixels. Source of the size formula: V. Dumoulin, F. Visin, A guide to
// convolution arithmetic for deep learning, 2016.

const range = (n) => Array.from({ length: n }, (_, i) => i);
const matrix = (n, value) => range(n).map((row) => range(n).map((column) => value(row, column)));

/** How many pixels a kernel spans along one axis. */
export const span = (F, D = 1) => D * (F - 1) + 1;

/** Length of one axis after a convolution or pooling; a RangeError where the kernel does not fit. */
export function outputSize(N, F, P = 0, S = 1, D = 1) {
  if (span(F, D) > N + 2 * P) {
    throw new RangeError(`a kernel that spans ${span(F, D)} pixels does not fit into ${N + 2 * P}`);
  }
  return Math.floor((N + 2 * P - span(F, D)) / S) + 1;
}

/** The largest padding that torch.nn.functional.max_pool2d allows. */
export const largestPoolPadding = (F) => Math.floor(F / 2);

/** An image (N × N) inside a ring of P pixels of one value. */
export function padded(image, P, value = 0) {
  const N = image.length;
  return matrix(N + 2 * P, (row, column) => image[row - P]?.[column - P] ?? value);
}

/** The F × F values that the window of output pixel (row, column) reads from a padded image. */
export function windowOf(paddedImage, row, column, { F, S = 1, D = 1 }) {
  return matrix(F, (a, b) => paddedImage[row * S + a * D][column * S + b * D]);
}

/** One window times the kernel, number by number. */
export function products(values, kernel) {
  return values.map((line, a) => line.map((value, b) => value * kernel[a][b]));
}

export const sum = (values) => values.flat().reduce((total, value) => total + value, 0);
export const largest = (values) => Math.max(...values.flat());

/** The convolution of an image (N × N) with a kernel (F × F), as F.conv2d: the kernel isn't flipped. */
export function conv2d(image, kernel, { P = 0, S = 1, D = 1 } = {}) {
  const F = kernel.length;
  const size = outputSize(image.length, F, P, S, D);
  const source = padded(image, P, 0);
  return matrix(size, (row, column) => sum(products(windowOf(source, row, column, { F, S, D }), kernel)));
}

/** The largest value of each window, as F.max_pool2d: what is padded is -∞, and P at most F / 2. */
export function maxPool2d(image, { F, P = 0, S = 1, D = 1 }) {
  if (P > largestPoolPadding(F)) {
    throw new RangeError(
      `max-pooling allows a padding of at most half the kernel, ${largestPoolPadding(F)}, not ${P}`,
    );
  }
  const size = outputSize(image.length, F, P, S, D);
  const source = padded(image, P, -Infinity);
  return matrix(size, (row, column) => largest(windowOf(source, row, column, { F, S, D })));
}

/** How many windows read each of the N × N pixels of the image (not of its padding). */
export function timesRead(N, { F, P = 0, S = 1, D = 1 }) {
  const size = outputSize(N, F, P, S, D);
  const times = matrix(N, () => 0);
  for (const row of range(size).flatMap((i) => range(F).map((a) => i * S + a * D - P))) {
    for (const column of range(size).flatMap((j) => range(F).map((b) => j * S + b * D - P))) {
      if (times[row]?.[column] !== undefined) times[row][column] += 1;
    }
  }
  return times;
}

/** Kernels of any size that people wrote before anybody learned them. */
export const KERNELS = {
  blur: (F) => matrix(F, () => 1 / F ** 2),
  vertical: (F) => matrix(F, (_, column) => Math.sign(2 * column - (F - 1))),
  horizontal: (F) => matrix(F, (row) => Math.sign(2 * row - (F - 1))),
  all: (F) => {
    const middle = Math.floor((F - 1) / 2);
    return matrix(F, (row, column) => (row === middle && column === middle ? F ** 2 - 1 : -1));
  },
};

/** A kernel with another size: zeros around it, or its middle. */
export function resized(kernel, F) {
  const shift = Math.floor((kernel.length - F) / 2);
  return matrix(F, (row, column) => kernel[row + shift]?.[column + shift] ?? 0);
}

/** The part of an image of N × N pixels that begins at (row, column). */
export const cropped = (image, N, [row, column]) => matrix(N, (i, j) => image[row + i][column + j]);
