// Vectors as strips of coloured cells with their numbers.

import { css, mix, parseColour } from "./palette.js";
import { cellNumber } from "./steps_words.js";

const SMALLEST_CELL = 12;
const UPRIGHT_HEIGHT = 40;
const LYING_HEIGHT = 32;
const LYING_CELL = 38;
const LINE_GAP = 3;

/** Lines, cells and height of a strip of `length` numbers in a width. */
export function stripLayout(length, width) {
  const lines = Math.max(1, Math.ceil((length * SMALLEST_CELL) / width));
  const perLine = Math.ceil(length / lines);
  const cell = Math.min(width / perLine, 46);
  const isUpright = cell < LYING_CELL;
  const line = isUpright ? UPRIGHT_HEIGHT : LYING_HEIGHT;
  return { length, perLine, cell, isUpright, line, height: lines * (line + LINE_GAP) - LINE_GAP };
}

/** Where cell `i` of a strip stands. */
export function stripCell({ x, y, perLine, cell, line }, i) {
  return [x + (i % perLine) * cell, y + Math.floor(i / perLine) * (line + LINE_GAP)];
}

/** The cell under a point, or −1. */
export function stripHit(strip, [px, py]) {
  for (let i = 0; i < strip.length; i += 1) {
    const [x, y] = stripCell(strip, i);
    if (px >= x && px < x + strip.cell && py >= y && py < y + strip.line) return i;
  }
  return -1;
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Text colour that reads best on a colour (WCAG contrast). */
export function inkOn(rgb, theme) {
  const contrast = (text) => {
    const [a, b] = [luminance(parseColour(text)), luminance(rgb)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  return contrast(theme.text) >= contrast(theme.card) ? theme.text : theme.card;
}

/** Paint the first `count` numbers, the rest as empty cells. */
export function paintStrip(context, theme, strip, numbers, { count = numbers.length, peak = 0 } = {}) {
  const top = peak || numbers.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-12);
  const gap = strip.cell > 8 ? 1 : 0.4;
  context.font = `${strip.isUpright ? Math.min(11, strip.cell - 2) : 11}px ${theme.mono}`;
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (let i = 0; i < strip.length; i += 1) {
    const [x, y] = stripCell(strip, i);
    const colour = i < count ? mix(theme.diverging, 0.5 + numbers[i] / top / 2) : null;
    context.fillStyle = colour ? css(colour) : theme.track;
    context.fillRect(x, y, strip.cell - gap, strip.line);
    if (!colour) continue;
    context.fillStyle = inkOn(colour, theme);
    const middle = [x + (strip.cell - gap) / 2, y + strip.line / 2];
    if (strip.isUpright) paintUpright(context, cellNumber(numbers[i]), middle);
    else context.fillText(cellNumber(numbers[i]), ...middle);
  }
}

function paintUpright(context, text, [x, y]) {
  context.save();
  context.translate(x, y + 0.5);
  context.rotate(-Math.PI / 2);
  context.fillText(text, 0, 0);
  context.restore();
}

/** A vector too small for numbers: colours alone. */
export function paintMini(context, theme, box, numbers, { peak, alpha = 1 }) {
  const cell = box.width / numbers.length;
  context.globalAlpha = alpha;
  numbers.forEach((value, i) => {
    context.fillStyle = css(mix(theme.diverging, 0.5 + value / peak / 2));
    context.fillRect(box.x + i * cell, box.y, cell + 0.3, box.height);
  });
  context.globalAlpha = 1;
}
