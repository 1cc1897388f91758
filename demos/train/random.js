/** Numbers in [0, 1) that depend on the seed alone: xorshift (G. Marsaglia, Xorshift RNGs, 2003). */
export function randomNumbers(seed) {
  let state = (Math.imul(seed, 2654435761) ^ 0x5bd1e995) >>> 0 || 1; // neighbouring seeds differ
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next();
  return next;
}

/** The whole numbers below n in a random order (Fisher and Yates). */
export function permutation(n, random) {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
