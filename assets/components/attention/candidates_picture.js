// The text and the candidates of one step as a picture for a file.

import { KEPT, shownOf } from "./distribution.js";
import { format } from "./numbers.js";
import { css, isDark, mix } from "./palette.js";
import { filePicture, fitted } from "./stage.js";

const WIDTH = 760;
const LINE = 26;
const BAR_LEFT = 130;
const BAR_RIGHT = 480;
const N_SHOWN = 12;

/** What the picture's buttons save: prefix, settings, bars. `now()` gives what is on the screen. */
export function candidatesPicture(now) {
  return filePicture(WIDTH, paint, now);
}

/** Paint everything; returns how high it is. */
function paint(context, scene) {
  context.textBaseline = "middle";
  context.textAlign = "left";
  let y = paintPrefix(context, scene) + LINE;
  const { theme, distribution, step, names, reasons, settings } = scene;
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(`Step ${scene.index} · ${settings}`, 0, y);
  y += LINE;
  const { rows, tail } = shownOf(distribution, N_SHOWN, step.id);
  const { own, chances, cut, ids } = distribution;
  const scale = Math.max(...rows.map((i) => Math.max(own[i], chances[i])), tail.own, tail.chance);
  for (const i of rows) {
    const isKept = cut[i] === KEPT;
    const note = isKept ? (ids[i] === step.id ? "written" : "") : reasons[cut[i]];
    const name = names[ids[i]] ?? `#${ids[i]}`;
    paintBar(context, y, { theme, scale, name, own: own[i], chance: chances[i], value: isKept ? format(chances[i]) : "cut", note });
    y += LINE;
  }
  const others = `${tail.count.toLocaleString("en")} others`;
  paintBar(context, y, { theme, scale, name: others, own: tail.own, chance: tail.chance, value: format(tail.chance), note: `${tail.kept.toLocaleString("en")} kept` });
  y += LINE;
  context.fillStyle = theme.muted;
  context.font = `12px ${theme.font}`;
  context.fillText("Solid: probability to be chosen. Line: the model's own.", 0, y);
  return y + LINE / 2;
}

function paintPrefix(context, { theme, steps, index }) {
  let [x, y] = [0, 12];
  context.font = `14px ${theme.mono}`;
  steps.forEach((step, i) => {
    const width = context.measureText(step.token).width + 8;
    if (x + width > WIDTH) [x, y] = [0, y + LINE];
    const colour = css(mix(theme.sequential, 1 - Math.exp(step.logProb)));
    context.fillStyle = colour;
    context.fillRect(x, y - 10, width, 20);
    context.fillStyle = isDark(colour) ? "#ffffff" : "#1b1d1f";
    context.fillText(step.token, x + 4, y);
    if (i === index) {
      context.fillStyle = theme.query;
      context.fillRect(x, y + 10, width, 3);
    }
    x += width + 4;
  });
  return y;
}

function paintBar(context, y, { theme, scale, name, own, chance, value, note }) {
  const wide = (share) => ((BAR_RIGHT - BAR_LEFT) * share) / scale;
  context.font = `13px ${theme.mono}`;
  context.fillStyle = theme.text;
  context.fillText(fitted(context, name, BAR_LEFT - 10), 0, y);
  context.fillStyle = theme.track;
  context.fillRect(BAR_LEFT, y - 6, BAR_RIGHT - BAR_LEFT, 12);
  context.fillStyle = theme.query;
  context.fillRect(BAR_LEFT, y - 6, wide(chance), 12);
  context.fillStyle = theme.muted;
  context.fillRect(BAR_LEFT + wide(own) - 1, y - 8, 2, 16);
  context.fillStyle = theme.text;
  context.fillText(value, BAR_RIGHT + 10, y);
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(fitted(context, note, WIDTH - BAR_RIGHT - 90), BAR_RIGHT + 90, y);
}
