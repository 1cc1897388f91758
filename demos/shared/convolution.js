// Convolution and max-pooling of one square image, in plain loops, as torch.nn.functional has them.
// Images and kernels are arrays of rows. Settings: K kernel size, P padding on each side, S stride,
// D dilation, all in pixels. Source of the size formula: V. Dumoulin, K. Visin, A guide to
// convolution arithmetic for deep learning, 2016.

const range = (n) => Array.from({ length: n }, (_, i) => i);
const matrix = (n, value) => range(n).map((row) => range(n).map((column) => value(row, column)));

/** How many pixels a kernel spans along one axis. */
export const span = (K, D = 1) => D * (K - 1) + 1;

/** Length of one axis after a convolution or pooling; a RangeError where the kernel does not fit. */
export function outputSize(N, K, P = 0, S = 1, D = 1) {
  if (span(K, D) > N + 2 * P) {
    throw new RangeError(`a kernel that spans ${span(K, D)} pixels does not fit into ${N + 2 * P}`);
  }
  return Math.floor((N + 2 * P - span(K, D)) / S) + 1;
}

/** The largest padding that torch.nn.functional.max_pool2d allows. */
export const largestPoolPadding = (K) => Math.floor(K / 2);

/** An image (N × N) inside a ring of P pixels of one value. */
export function padded(image, P, value = 0) {
  const N = image.length;
  return matrix(N + 2 * P, (row, column) => image[row - P]?.[column - P] ?? value);
}

/** The K × K values that the window of output pixel (row, column) reads from a padded image. */
export function windowOf(paddedImage, row, column, { K, S = 1, D = 1 }) {
  return matrix(K, (a, b) => paddedImage[row * S + a * D][column * S + b * D]);
}

/** One window times the kernel, number by number. */
export function products(values, kernel) {
  return values.map((line, a) => line.map((value, b) => value * kernel[a][b]));
}

export const sum = (values) => values.flat().reduce((total, value) => total + value, 0);
export const largest = (values) => Math.max(...values.flat());

/** The convolution of an image (N × N) with a kernel (K × K), as F.conv2d: the kernel isn't flipped. */
export function conv2d(image, kernel, { P = 0, S = 1, D = 1 } = {}) {
  const K = kernel.length;
  const size = outputSize(image.length, K, P, S, D);
  const source = padded(image, P, 0);
  return matrix(size, (row, column) => sum(products(windowOf(source, row, column, { K, S, D }), kernel)));
}

/** The largest value of each window, as F.max_pool2d: what is padded is -∞, and P at most K / 2. */
export function maxPool2d(image, { K, P = 0, S = 1, D = 1 }) {
  if (P > largestPoolPadding(K)) {
    throw new RangeError(
      `max-pooling allows a padding of at most half the kernel, ${largestPoolPadding(K)}, not ${P}`,
    );
  }
  const size = outputSize(image.length, K, P, S, D);
  const source = padded(image, P, -Infinity);
  return matrix(size, (row, column) => largest(windowOf(source, row, column, { K, S, D })));
}

/** How many windows read each of the N × N pixels of the image (not of its padding). */
export function timesRead(N, { K, P = 0, S = 1, D = 1 }) {
  const size = outputSize(N, K, P, S, D);
  const times = matrix(N, () => 0);
  for (const row of range(size).flatMap((i) => range(K).map((a) => i * S + a * D - P))) {
    for (const column of range(size).flatMap((j) => range(K).map((b) => j * S + b * D - P))) {
      if (times[row]?.[column] !== undefined) times[row][column] += 1;
    }
  }
  return times;
}

/** Kernels of any size that people wrote before anybody learned them. */
export const KERNELS = {
  blur: (K) => matrix(K, () => 1 / K ** 2),
  vertical: (K) => matrix(K, (_, column) => Math.sign(2 * column - (K - 1))),
  horizontal: (K) => matrix(K, (row) => Math.sign(2 * row - (K - 1))),
  all: (K) => {
    const middle = Math.floor((K - 1) / 2);
    return matrix(K, (row, column) => (row === middle && column === middle ? K ** 2 - 1 : -1));
  },
};

/** A kernel with another size: zeros around it, or its middle. */
export function resized(kernel, K) {
  const shift = Math.floor((kernel.length - K) / 2);
  return matrix(K, (row, column) => kernel[row + shift]?.[column + shift] ?? 0);
}

/** The part of an image of N × N pixels that begins at (row, column). */
export const cropped = (image, N, [row, column]) => matrix(N, (i, j) => image[row + i][column + j]);
