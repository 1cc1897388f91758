// A line chart in SVG, drawn anew in a frame.

const SHAPE = 0.55; // height of a chart, as a part of its width
const EDGE = { left: 46, right: 10, top: 12, bottom: 34 };
const POINTS = 300; // at most, in a line

/**
 * series: [{name, points: [[x, y]], dots, dashed}]; y: {from, to, label, ticks, log}; to: the last x.
 *
 * What is not a number, or beyond the range, ends the line or is drawn at the edge.
 */
export function drawChart(svg, { series, y, to, label }) {
  const width = Math.max(svg.clientWidth, 240); // so that text has its own size in every place
  const box = { width, height: Math.round(SHAPE * width) };
  const place = scale(y, Math.max(to, 1), box);
  svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.innerHTML = axes(y, Math.max(to, 1), place, box) + series.map((one) => drawn(one, place)).join("");
}

function scale({ from, to, log }, last, { width, height }) {
  const f = log ? Math.log10 : (value) => value;
  const inside = (value) => Math.min(Math.max(value, from), to);
  return {
    x: (step) => EDGE.left + ((width - EDGE.left - EDGE.right) * step) / last,
    y: (value) =>
      height - EDGE.bottom -
      ((height - EDGE.top - EDGE.bottom) * (f(inside(value)) - f(from))) / (f(to) - f(from)),
  };
}

function axes({ ticks, label }, last, place, { width, height }) {
  const lines = ticks.map(
    ([value, text]) =>
      `<line class="grid-line" x1="${EDGE.left}" x2="${width - EDGE.right}" y1="${place.y(value)}" y2="${place.y(value)}"/>` +
      `<text x="${EDGE.left - 6}" y="${place.y(value) + 4}" text-anchor="end">${text}</text>`,
  );
  const steps = [0, Math.round(last / 2), last].map(
    (step, i) =>
      `<text x="${place.x(step)}" y="${height - EDGE.bottom + 16}" text-anchor="${["start", "middle", "end"][i]}">${step.toLocaleString("en-GB")}</text>`,
  );
  const names =
    `<text x="${(width + EDGE.left) / 2}" y="${height - 4}" text-anchor="middle">step</text>` +
    `<text x="${EDGE.left}" y="9" class="axis-name">${label}</text>`;
  return lines.join("") + steps.join("") + names;
}

function drawn({ name, points, dots, dashed }, place) {
  if (dots) {
    const dot = ([x, y]) =>
      dashed
        ? `<rect x="${place.x(x) - 4}" y="${place.y(y) - 4}" width="8" height="8"/>`
        : `<circle cx="${place.x(x)}" cy="${place.y(y)}" r="4.5"/>`;
    return `<g class="dots ${name}">${points.filter(([, y]) => Number.isFinite(y)).map(dot).join("")}</g>`;
  }
  const path = [];
  let pen = "M";
  for (const [x, y] of thinned(points)) {
    if (Number.isFinite(y)) {
      path.push(`${pen}${place.x(x).toFixed(1)} ${place.y(y).toFixed(1)}`);
      pen = "L";
    } else pen = "M";
  }
  return `<path class="line ${name}${dashed ? " dashed" : ""}" d="${path.join("")}"/>`;
}

/** Means of neighbours, so that a long line has few points. */
function thinned(points) {
  const size = Math.ceil(points.length / POINTS);
  if (size <= 1) return points;
  const result = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    const mean = (k) => part.reduce((sum, point) => sum + point[k], 0) / part.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}
