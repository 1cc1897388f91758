// Numbers as text: as the pages show them, and as people type them.

/** A number as text: at most `digits` decimals, no trailing zeros, a real minus sign. */
export function formatNumber(value, digits = 2) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return String(Number(value.toFixed(digits)) || 0).replace("-", "−");
}

/** A probability in percent, never rounded to a false 0 or 100. */
export function percent(probability) {
  if (probability > 0.9999) return "> 99.99 %";
  if (probability < 0.0001) return "< 0.01 %";
  return `${(100 * probability).toFixed(2)} %`;
}

/** The number that a text stands for: 0.5, −1, 1/9 or 0,5; NaN if it is none. */
export function parseNumber(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  const number = String.raw`\d+(?:\.\d*)?|\.\d+`;
  const [, top, bottom = "1"] =
    plain.match(new RegExp(`^([+-]?(?:${number}))(?:\\s*/\\s*(${number}))?$`)) ?? [];
  const value = Number(top) / Number(bottom);
  return Number.isFinite(value) ? value : NaN;
}
