// The size of the output: the formula, the formula with numbers, and the result in words.

import { span } from "../shared/convolution.js";
import { formatNumber } from "../shared/numbers.js";

/** A part of a formula as MathML: numbers, letters (with their letter as class) and signs, by spaces. */
function row(text) {
  const forms = { "(": "prefix", ")": "postfix" };
  const one = (token) => {
    if (/^−?\d/.test(token)) return `<mn>${token}</mn>`;
    return /^[A-Z]$/.test(token)
      ? `<mi class="${token}">${token}</mi>`
      : `<mo form="${forms[token] ?? "infix"}">${token}</mo>`;
  };
  return `<mrow>${text.split(" ").map(one).join("")}</mrow>`;
}

const fraction = (top, bottom) => `<mfrac>${top}${bottom}</mfrac>`;
const roundedDownPlusOne = (value) => `<mrow><mo>⌊</mo>${value}<mo>⌋</mo></mrow><mo>+</mo><mn>1</mn>`;
const line = (content) => `<math display="block"><mrow>${content}</mrow></math>`;

/** The letters of a part of MathML replaced by the settings' numbers, in the colours of the letters. */
const withNumbers = (mathml, settings) =>
  mathml.replace(
    /<mi class="([A-Z])">.<\/mi>/g,
    (_, letter) => `<mn class="${letter}">${settings[letter]}</mn>`,
  );

/** Three lines of MathML: the formula, the settings in it, and what comes out. */
export function formula(settings) {
  const { N, K, P, S, D } = settings;
  const general = roundedDownPlusOne(fraction(row("N + 2 · P − D · ( K − 1 ) − 1"), row("S")));
  const left = N + 2 * P - span(K, D);
  const short = roundedDownPlusOne(fraction(row(formatNumber(left)), row(String(S))));
  const size = formatNumber(Math.floor(left / S) + 1);
  return (
    line(general) +
    line(`<mo>=</mo>${withNumbers(general, settings)}`) +
    line(`<mo>=</mo>${short}<mo>=</mo><mn class="out">${size}</mn>`)
  );
}

/** What the formula says of an output of size × size pixels, and how many input pixels are unread. */
export function sizeInWords({ N, K, P, S, D }, size, unread) {
  const left = N + 2 * P - span(K, D);
  const same = size === N ? ", as large as the input" : "";
  const remainder = left % S ? ` ${left} / ${S} leaves ${left % S}: one more window would not fit.` : "";
  const lost = unread
    ? ` ${unread} of the ${N ** 2} input pixels are never read.`
    : " Every input pixel is read.";
  return `The output has ${size} × ${size} = ${size ** 2} ${size === 1 ? "pixel" : "pixels"}${same}.${remainder}${lost}`;
}
