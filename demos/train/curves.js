// The charts, the legend and the table of facts for one or two runs.

import { $ } from "../shared/dom.js";
import { drawChart } from "./chart.js";

const LOSS = {
  from: 0.01, to: 30, log: true, label: "loss (line: training, marks: validation)",
  ticks: [[0.01, "0.01"], [0.1, "0.1"], [1, "1"], [10, "10"]],
};
const ACCURACY = {
  from: 0, to: 1, label: "accuracy",
  ticks: [[0, "0"], [0.5, "50 %"], [0.9, "90 %"], [1, "100 %"]],
};
const GRADIENT = {
  from: 1e-4, to: 1e4, log: true, label: "length of the gradient of convolution 1",
  ticks: [[1e-4, "10⁻⁴"], [0.01, "0.01"], [1, "1"], [100, "100"], [1e4, "10⁴"]],
};

/** Charts in a place of the page; `small`: two only. */
export class Curves {
  constructor(place, { small = false } = {}) {
    const names = small ? ["loss", "accuracy"] : ["loss", "accuracy", "gradient"];
    this.charts = Object.fromEntries(
      names.map((name) => {
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("class", "chart");
        place.append(svg);
        return [name, svg];
      }),
    );
  }

  /** runs: in the order of the legend; to: the last step. */
  show(runs, to) {
    const of = (line, dots) =>
      runs.flatMap((run) => {
        const dashed = run.name === "wrong";
        const series = [{ name: run.name, dashed, points: line(run) }];
        if (dots) series.push({ name: run.name, dashed, dots: true, points: run.validation.map((e) => [e.step, dots(e)]) });
        return series;
      });
    const draw = (name, y, series) => {
      if (this.charts[name]) drawChart(this.charts[name], { series, y, to, label: inWords(y.label, runs, series) });
    };
    draw("loss", LOSS, of((run) => run.losses, (e) => e.validation.loss));
    draw("accuracy", ACCURACY, of((run) => run.accuracies, (e) => e.validation.accuracy));
    draw("gradient", GRADIENT, of((run) => run.lengths.map(([step, [first]]) => [step, first])));
  }
}

function inWords(label, runs, series) {
  const last = ({ points }) => points.at(-1)?.[1];
  const ends = series
    .filter((one) => !one.dots && one.points.length)
    .map((one) => {
      const run = runs.find(({ name }) => name === one.name);
      const value = last(one);
      return `${run.title} ends at ${Number.isFinite(value) ? value.toPrecision(2) : "no number"}`;
    });
  return `Line chart of ${label}. ${ends.join("; ")}`;
}

export function showLegend(runs) {
  $("legend").innerHTML = runs
    .map(
      ({ name, title }) =>
        `<span><svg width="34" height="12" aria-hidden="true"><path class="line ${name}${name === "wrong" ? " dashed" : ""}" d="M0 6H34"/></svg> ${title}</span>`,
    )
    .join("");
}

export function showFacts(runs) {
  $("facts").hidden = false;
  $("facts-head").innerHTML = `<td></td>${runs.map(({ title }) => `<th scope="col">${title}</th>`).join("")}`;
  const columns = runs.map((run) => run.facts);
  $("facts-body").innerHTML = columns[0]
    .map(([what], i) => {
      const values = columns.map((facts) => `<td>${facts[i][1]}</td>`).join("");
      return `<tr><th scope="row">${what}</th>${values}</tr>`;
    })
    .join("");
}
