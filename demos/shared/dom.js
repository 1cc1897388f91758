// What every page needs of the document.

/** The element with an id. */
export const $ = (id) => document.getElementById(id);

/** The step of each arrow key, in rows and columns. */
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** A number, or the nearest of 0 to size - 1. */
export const clipped = (value, size) => Math.min(Math.max(value, 0), size - 1);
