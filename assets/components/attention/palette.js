// Colours: the theme of the page, and weights to colours.

/** Red, green, blue of a colour as #rrggbb or rgb(…). */
export function parseColour(text) {
  const hex = /^#([0-9a-f]{6})$/i.exec(text.trim());
  if (hex) return [0, 2, 4].map((i) => parseInt(hex[1].slice(i, i + 2), 16));
  const numbers = text.match(/[\d.]+/g);
  return numbers && numbers.length >= 3 ? numbers.slice(0, 3).map(Number) : [255, 255, 255];
}

/** True for a background that light text stands on. */
export function isDark(colour) {
  const [red, green, blue] = parseColour(colour);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

/** The colour at a share from 0 to 1 along the stops of a palette. */
export function mix(stops, share) {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const [from, to] = [parseColour(stops[low]), parseColour(stops[low + 1])];
  return from.map((channel, i) => Math.round(channel + (to[i] - channel) * (at - low)));
}

export function css(rgb) {
  return `rgb(${rgb[0]} ${rgb[1]} ${rgb[2]})`;
}

/** 256 colours along a palette. */
export function ramp(stops) {
  return Array.from({ length: 256 }, (_, i) => mix(stops, i / 255));
}

export const LOG_DECADES = 4;

/** Where a weight stands on the colour bar, from 0 to 1. */
export function share(value, peak, scale) {
  if (value <= 0 || peak <= 0) return 0;
  if (scale === "log") return Math.max(0, 1 + Math.log10(value / peak) / LOG_DECADES);
  return Math.min(1, value / peak);
}

/** Weights that are named beside the colour bar. */
export function ticks(peak, scale) {
  if (scale === "log") {
    return Array.from({ length: LOG_DECADES + 1 }, (_, i) => peak * 10 ** -i);
  }
  return [peak, peak / 2, 0];
}

/** The colour of every code of a matrix, packed as the canvas keeps it; masked is clear. */
export function codeColours(matrix, stops, peak, scale) {
  const colours = ramp(stops);
  const packed = new Uint32Array(matrix.levels.length);
  for (let code = 1; code < packed.length; code += 1) {
    const [r, g, b] = colours[Math.round(share(matrix.levels[code], peak, scale) * 255)];
    packed[code] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return packed;
}

/** Colours and fonts as the page shows them now. */
export function readTheme(root, themes) {
  const style = getComputedStyle(root);
  const background = style.getPropertyValue("--st-background-color") || style.backgroundColor;
  const name = isDark(background) ? "dark" : "light";
  return {
    name,
    ...themes[name],
    font: style.getPropertyValue("--tw-font").trim() || "sans-serif",
    mono: style.getPropertyValue("--tw-mono").trim() || "monospace",
  };
}
