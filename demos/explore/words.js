// One step in words: the sum below the grids, and what a screen reader says.

import { $ } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";
import { place, state, total } from "./state.js";

/** The products added up, or the numbers that the largest is taken of, in one line. */
export function showSum(parts, result) {
  const { pool } = state.now;
  const numbers = parts.flat().map((value) => formatNumber(value));
  const answer = document.createElement("b");
  answer.textContent = pool
    ? formatNumber(result)
    : `${equalsOrAbout(parts, result)} ${formatNumber(result)}`;
  $("sum").replaceChildren(
    pool ? `the largest of ${numbers.join(", ")} is ` : `${numbers.map(withSign).join(" ")} `,
    answer,
  );
  $("sum").classList.toggle("many", parts.length > 3);
}

/** The terms of a sum stand there rounded, so that their sum may differ from the result. */
function equalsOrAbout(parts, result) {
  const added = parts.flat().reduce((sum, value) => sum + Number(value.toFixed(2)), 0);
  return Math.abs(added - result.toFixed(2)) < 1e-9 ? "=" : "≈";
}

function withSign(text, i) {
  if (i === 0) return text;
  return text.startsWith("−") ? `− ${text.slice(1)}` : `+ ${text}`;
}

/** The step as a sentence. */
export function spoken() {
  const [row, column] = state.settings.at;
  const n = state.settings.K ** 2;
  const how = state.now.pool ? `the largest of ${n} pixels is` : `the sum of ${n} products is`;
  const where = `Window ${place() + 1} of ${total()}, row ${row + 1}, column ${column + 1}`;
  return `${where}: ${how} ${formatNumber(state.now.output[row][column])}`;
}
