// The page as the state says: all of it, or what belongs to one window.

import { products, span, windowOf } from "../shared/convolution.js";
import { $ } from "../shared/dom.js";
import { showControls } from "./controls.js";
import { showCrop } from "./crop.js";
import { formula, sizeInWords } from "./formula.js";
import { fitOutput, showInput, showKernel, showOutput, showParts } from "./grids.js";
import { drawBeams, drawFrames } from "./overlay.js";
import { place, state, total } from "./state.js";
import { showSum, spoken } from "./words.js";

/** Everything. */
export function show() {
  showControls();
  showCrop();
  showSize();
  showTitles();
  showProblem();
  if (state.now.output) showStep();
  else showNoStep();
}

function showSize() {
  const { settings, now } = state;
  $("formula").innerHTML = formula(settings);
  $("size-text").textContent = now.problem ?? sizeInWords(settings, now.size, now.unread);
}

function showTitles() {
  const { N, K, P } = state.settings;
  const { pool, output, size, problem } = state.now;
  $("input-size").textContent = `${N} × ${N}` + (P ? `, padded ${N + 2 * P} × ${N + 2 * P}` : "");
  $("kernel-size").textContent = `${K} × ${K}`;
  $("output-size").textContent = output ? `${size} × ${size}` : "";
  $("products-title").textContent = pool ? "Window" : K === 1 ? "1 product" : `${K ** 2} products`;
  document.querySelector(".middle").classList.toggle("large", K > 4);
  $("kernel-part").hidden = pool;
  $("sign").hidden = pool || Boolean(problem);
}

/** Why there is no output, instead of all that belongs to one. */
function showProblem() {
  const { problem } = state.now;
  $("no-output").textContent = problem ?? "";
  $("no-output").hidden = !problem;
  for (const id of ["output", "output-frames", "products-part", "sum"]) $(id).hidden = Boolean(problem);
  for (const id of ["start", "back", "play", "step", "place"]) $(id).disabled = Boolean(problem);
}

/** What belongs to one window. */
export function showStep() {
  const { now, settings } = state;
  const { K, S, D } = settings;
  const [row, column] = settings.at;
  const values = windowOf(now.source, row, column, { K, S, D });
  const parts = now.pool ? values : products(values, now.kernel);
  fitOutput();
  showInput(row * S, column * S);
  showKernel();
  showParts(parts, values);
  showOutput();
  showSum(parts, now.output[row][column]);
  showOverlay();
  showTransport();
}

/** Frames around the window and its pixel, and the beams that join them. */
function showOverlay() {
  const { source, size } = state.now;
  const { K, S, D, at } = state.settings;
  const [row, column] = at;
  const window = { row: row * S, column: column * S, size: span(K, D) };
  const pixel = { row, column, size: 1 };
  drawFrames($("input-frames"), source.length, [...borderOfImage(), window]);
  drawFrames($("output-frames"), size, [pixel]);
  const joined = [
    [$("input"), source.length, window],
    [$("products"), K, { row: 0, column: 0, size: K }],
    [$("output"), size, pixel],
  ];
  drawBeams($("shades"), $("beams"), joined, ["var(--kernel)", "var(--output)"]);
}

/** The border of the image inside its padding, if there is any. */
function borderOfImage() {
  const { P, N } = state.settings;
  return P ? [{ row: P, column: P, size: N, kind: "image" }] : [];
}

function showTransport() {
  $("place").max = total();
  $("place").value = place() + 1;
  $("place").setAttribute("aria-valuetext", spoken());
  $("place-text").textContent = `Window ${place() + 1} of ${total()}`;
  $("back").disabled = place() === 0;
  $("step").disabled = place() + 1 === total();
  $("play").textContent = state.walking ? "Pause" : "Play";
}

/** The input and the kernel where nothing can be computed. */
function showNoStep() {
  showInput();
  showKernel();
  drawFrames($("input-frames"), state.now.source.length, borderOfImage());
  $("output-note").textContent = "";
  $("place-text").textContent = "No window fits";
  $("shades").replaceChildren();
  $("beams").replaceChildren();
}

/** Show everything anew when the width of the page changes. */
export function followWidth() {
  let width = $("stage").clientWidth;
  const look = () => {
    if ($("stage").clientWidth === width) return;
    width = $("stage").clientWidth;
    show();
  };
  new ResizeObserver(look).observe($("stage"));
}

/** Say what is wrong with the address or with what the reader typed; an empty list takes it away. */
export function tell(problems) {
  const line = (text) => Object.assign(document.createElement("p"), { textContent: text });
  $("problems").hidden = problems.length === 0;
  $("problems").replaceChildren(...problems.map(line));
}
