// The colour bar: which colour is which weight, with its unit.

import { css, mix, ramp, ticks } from "./palette.js";
import { format } from "./numbers.js";

const WIDTH = 14;
const WORD_GAP = 8;

/** Draw the bar upright at the right of a map, or lying below it; `ends` are words in place of numbers. */
export function paintColourBar(context, theme, bar) {
  const { x, y, length, isUpright, peak, scale, unit, ends } = bar;
  const colours = ramp(theme.sequential);
  for (let i = 0; i < length; i += 1) {
    const at = isUpright ? 1 - i / (length - 1) : i / (length - 1);
    context.fillStyle = css(colours[Math.round(at * 255)]);
    if (isUpright) context.fillRect(x, y + i, WIDTH, 1.5);
    else context.fillRect(x + i, y, 1.5, WIDTH - 4);
  }
  context.fillStyle = theme.muted;
  context.font = `12px ${theme.font}`;
  context.textBaseline = "middle";
  if (ends) {
    context.textAlign = "left";
    context.fillText(ends[0], x, y + WIDTH + 6);
    context.textAlign = "right";
    context.fillText(ends[1], x + length, y + WIDTH + 6);
    context.textAlign = "left";
    context.fillText(unit, x + length + WORD_GAP, y + 5);
    return;
  }
  const values = ticks(peak, scale);
  values.forEach((value, i) => {
    const at = i / (values.length - 1);
    const label = scale === "log" && i === values.length - 1 ? `≤ ${format(value, 2)}` : format(value, 2);
    if (isUpright) {
      context.textAlign = "left";
      context.fillText(label, x + WIDTH + WORD_GAP, y + 5 + at * (length - 10));
    } else {
      context.textAlign = i === 0 ? "right" : i === values.length - 1 ? "left" : "center";
      context.fillText(label, x + length * (1 - at), y + WIDTH + 6);
    }
  });
  context.textAlign = "left";
  if (isUpright) context.fillText(unit, x, y + length + 18);
  else context.fillText(unit, x + length + WORD_GAP + 4, y + 5);
}

/** The bar of signed values, from the largest below 0 to the largest above. */
export function paintSignedBar(context, theme, { x, y, length, isUpright, peak, unit }) {
  for (let i = 0; i < length; i += 1) {
    const share = i / (length - 1);
    context.fillStyle = css(mix(theme.diverging, isUpright ? 1 - share : share));
    if (isUpright) context.fillRect(x, y + i, WIDTH, 1.5);
    else context.fillRect(x + i, y, 1.5, WIDTH - 4);
  }
  context.fillStyle = theme.muted;
  context.font = `12px ${theme.font}`;
  context.textBaseline = "middle";
  for (const [value, share] of [[peak, 1], [0, 0.5], [-peak, 0]]) {
    const label = value > 0 ? `+${format(value, 2)}` : format(value, 2);
    context.textAlign = isUpright || share === 0 ? "left" : share === 1 ? "right" : "center";
    if (isUpright) context.fillText(label, x + WIDTH + WORD_GAP, y + 5 + (1 - share) * (length - 10));
    else context.fillText(label, x + share * length, y + WIDTH + 6);
  }
  context.textAlign = "left";
  if (isUpright) context.fillText(unit, x, y + length + 18);
  else context.fillText(unit, x + length + WORD_GAP + 4, y + 5);
}
