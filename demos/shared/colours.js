// Values as colours, and images of them. The colours are those of notebooks/cnn/plotting.py.

// Matplotlib's Greys and PuOr_r (C. Brewer's scales), at equal distances; linear in between.
const GREYS = ["ffffff", "f0f0f0", "d9d9d9", "bdbdbd", "969696", "737373", "525252", "252525", "000000"];
const PURPLE_ORANGE = [
  "2d004b",
  "542788",
  "8073ac",
  "b2abd2",
  "d8daeb",
  "f7f7f7",
  "fee0b6",
  "fdb863",
  "e08214",
  "b35806",
  "7f3b08",
];

const channels = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
const SCALES = { greys: GREYS.map(channels), purpleOrange: PURPLE_ORANGE.map(channels) };

/** The colour [red, green, blue], 0 to 255, at place t in [0, 1] of a scale; t outside is clipped. */
function colourAt(scale, t) {
  const place = Math.min(Math.max(t, 0), 1) * (scale.length - 1);
  const i = Math.min(Math.floor(place), scale.length - 2);
  return scale[i].map((low, c) => Math.round(low + (scale[i + 1][c] - low) * (place - i)));
}

/** The colour of a pixel value: white is `low`, black is `high`. */
export function pixelColour(value, low = 0, high = 1) {
  return colourAt(SCALES.greys, (value - low) / (high - low || 1));
}

/** The colour of a value around zero: purple at -reach, orange at +reach. */
export function signedColour(value, reach = 1) {
  return colourAt(SCALES.purpleOrange, (value / (reach || 1) + 1) / 2);
}

/** A colour [red, green, blue] as CSS. */
export const css = (colour) => `rgb(${colour.join(" ")})`;

/** Black or white, whichever reads better on a colour: at least 4.5:1 (WCAG 2.2). */
export function contrasting(colour) {
  const linear = colour
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return luminance < 0.179 ? "#ffffff" : "#000000";
}

/**
 * Draw one value per canvas pixel; CSS makes them larger (class "pixels").
 *
 * values: height × width numbers, flat; colour: from a value to [red, green, blue].
 */
export function paint(canvas, values, height, width, colour = pixelColour) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = colour(values[i]);
    image.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
