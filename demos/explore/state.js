// The one state of the page. Only this module, and the walk of the window, write into it.

import { readQuery } from "./address.js";
import { compute } from "./result.js";
import { DEFAULTS } from "./settings.js";

/**
 * data: digits and learned kernels; settings; now: all that follows from them, see result.js;
 * filled: how many output pixels are shown, in reading order; walking: whether the window moves by itself.
 */
export const state = { data: null, settings: { ...DEFAULTS }, now: null, filled: 0, walking: false };

/** How many windows there are. */
export const total = () => (state.now.output ? state.now.size ** 2 : 0);

/** The window that is looked at, counted from 0 in reading order. */
export const place = () => state.settings.at[0] * state.now.size + state.settings.at[1];

/** Change settings and compute anew; the whole output is shown. */
export function set(changes) {
  const { settings, data } = state;
  Object.assign(settings, changes);
  state.now = compute(settings, data);
  if (state.now.output) settings.at = settings.at.map((at) => Math.min(at, state.now.size - 1));
  state.filled = total();
}

/** Begin with the settings of an address; returns a sentence for each that can't be used. */
export function begin(data, query) {
  const { settings, problems } = readQuery(query, data);
  state.data = data;
  set(settings);
  if (String(state.settings.at) !== String(settings.at)) {
    const size = `${state.now.size} × ${state.now.size}`;
    problems.push(
      `at=${settings.at} in the address is outside the output of ${size}; at=0,0 is shown instead.`,
    );
    state.settings.at = [0, 0];
  }
  return problems;
}
