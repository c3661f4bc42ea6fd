// A summary, one of its sentences picked, and how much it drew on each sentence of the source.

import { css, mix } from "./palette.js";
import { filePicture, wrapped } from "./stage.js";

const WIDTH = 760;
const LINE = 20;
const BAR = 150;
const GAP = 12;

/** What the picture's buttons save; `now()` gives what is on the screen. */
export function sourcesPicture(now) {
  return filePicture(WIDTH, paint, now);
}

/** Paint everything; returns how high it is. */
function paint(context, { theme, written, source, picked, values, labels, measure }) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  let y = heading(context, theme, "Summary", 8);
  written.forEach((sentence, i) => {
    context.font = `${i === picked ? "bold " : ""}14px ${theme.font}`;
    context.fillStyle = i === picked ? theme.query : theme.text;
    y = lines(context, `${i + 1}. ${sentence}`, 0, y, WIDTH);
  });
  y = heading(context, theme, `Source: what sentence ${picked + 1} drew on, ${measure}`, y + GAP);
  const top = Math.max(...values, 1e-9);
  source.forEach((sentence, j) => {
    const share = values[j] / top;
    context.fillStyle = theme.track;
    context.fillRect(0, y - 6, BAR - 60, 12);
    context.fillStyle = css(mix(theme.sequential, 0.15 + 0.6 * share));
    context.fillRect(0, y - 6, (BAR - 60) * share, 12);
    context.fillStyle = theme.text;
    context.font = `13px ${theme.mono}`;
    context.fillText(labels[j], BAR - 52, y);
    context.font = `14px ${theme.font}`;
    y = lines(context, `${j + 1}. ${sentence}`, BAR, y, WIDTH - BAR) + 4;
  });
  return y;
}

function heading(context, theme, words, y) {
  context.font = `bold 12px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(words, 0, y);
  return y + LINE + 2;
}

function lines(context, text, x, y, width) {
  for (const line of wrapped(context, text, width)) {
    context.fillText(line, x, y);
    y += LINE;
  }
  return y;
}
