// A translation as a picture for a file: its tokens by confidence, and the word each read most.

import { readableOn } from "./ink.js";
import { format } from "./numbers.js";
import { css, mix } from "./palette.js";
import { filePicture, wrapped } from "./stage.js";

const WIDTH = 760;
const ROW = 62;

/** What the picture's buttons save; `now()` gives what is on the screen. */
export function translationPicture(now) {
  return filePicture(WIDTH, paint, now);
}

/** Paint everything; returns how high it is. */
function paint(context, scene) {
  const { theme, source, place } = scene;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.font = `15px ${theme.mono}`;
  context.fillStyle = theme.text;
  let y = 12;
  for (const line of wrapped(context, source.join(" "), WIDTH)) {
    context.fillText(line, 0, y);
    y += 22;
  }
  y = paintWords(context, scene, y + 14);
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(`Colour: 1 − the probability of a token. Below: the source word read most, at ${place}, and its weight.`, 0, y);
  return y + 14;
}

function paintWords(context, { theme, source, words, links }, top) {
  let [x, y] = [0, top];
  words.forEach((word, i) => {
    const [at, weight] = links[i];
    const note = `${source[at]} ${format(weight, 2)}`;
    context.font = `12px ${theme.font}`;
    const noteWidth = context.measureText(note).width;
    context.font = `15px ${theme.mono}`;
    const widths = word.tokens.map((token) => context.measureText(token.text).width + 8);
    const width = Math.max(noteWidth, widths.reduce((sum, one) => sum + one, 0));
    if (x && x + width > WIDTH) [x, y] = [0, y + ROW];
    let left = x;
    word.tokens.forEach((token, k) => {
      const colour = mix(theme.sequential, 1 - token.p);
      context.fillStyle = css(colour);
      context.fillRect(left, y - 11, widths[k], 22);
      context.fillStyle = readableOn(colour);
      context.fillText(token.text, left + 4, y);
      left += widths[k];
    });
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.fillText(note, x, y + 22);
    x += width + 12;
  });
  return y + ROW - 14;
}
