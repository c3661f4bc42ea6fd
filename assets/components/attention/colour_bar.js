// The colour bar: which colour is which weight, with its unit.

import { css, ramp, ticks } from "./palette.js";
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
