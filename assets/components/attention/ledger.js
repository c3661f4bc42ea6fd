// The ledger of one query: a row for each key, a column for each step.

import { css, mix } from "./palette.js";
import { format } from "./numbers.js";
import { fitted } from "./stage.js";
import { inkOn, paintMini } from "./strips.js";
import { stepName } from "./steps_words.js";

const LEDGER_ROW = 21;
const LEDGER_HEAD = 42;
const COLUMN = 86;
const WIDEST_MINI = 210;
const COLUMN_GAP = 10;

/** Which columns a step shows where there is no room for all. */
function narrowColumns(step, steps) {
  if (step === "dot") return ["k", "dot"];
  if (step === "value" || step === "check") return ["weight", "v"];
  return [steps[steps.indexOf(step) - 1], step];
}

export class Ledger {
  constructor(numbers, steps) {
    Object.assign(this, { numbers, steps });
    this.columns = steps.filter((step) => step !== "value" && step !== "check");
    const largest = (vectorOf) =>
      numbers.shown.reduce(
        (top, key) => numbers.vector(vectorOf, key).reduce((most, x) => Math.max(most, Math.abs(x)), top), 1e-12,
      );
    this.peaks = { k: largest("k"), v: largest("v") };
    for (const name of ["dot", "scale", "cap", "bias", "mask"]) {
      const finite = numbers.shown.map((key) => Math.abs(numbers[name][key])).filter(Number.isFinite);
      this.peaks[name] = Math.max(1e-12, ...finite);
    }
  }

  /** Rows: the keys shown, perhaps one for the others, and the sums. */
  get nRows() {
    return this.numbers.shown.length + (this.numbers.rest ? 1 : 0);
  }

  layOut({ x, y, width, step, isNarrow }) {
    const names = isNarrow ? narrowColumns(step, this.steps) : ["k", ...this.columns, "v"];
    const nMinis = names.filter((name) => name === "k" || name === "v").length;
    const column = isNarrow ? Math.min(COLUMN + 20, (width - 20) / 2) : COLUMN;
    const room = width - column * (names.length - nMinis) - COLUMN_GAP * names.length;
    const mini = nMinis ? Math.min(WIDEST_MINI, room / nMinis) : 0;
    this.boxes = {};
    let left = x;
    for (const name of names) {
      const size = name === "k" || name === "v" ? mini : column;
      this.boxes[name] = { x: left, width: size };
      left += size + COLUMN_GAP;
    }
    Object.assign(this, { x, y, right: left - COLUMN_GAP, top: y + LEDGER_HEAD });
    this.height = LEDGER_HEAD + (this.nRows + 1) * LEDGER_ROW + 6;
    return this.height;
  }

  rowY(i) {
    return this.top + i * LEDGER_ROW;
  }

  /** The row under a point, or −1. */
  hit([px, py]) {
    const i = Math.floor((py - this.top) / LEDGER_ROW);
    return px >= 0 && px <= this.right && i >= 0 && i < this.numbers.shown.length ? i : -1;
  }

  /** The column under a point, or "". */
  columnAt([px]) {
    const found = Object.entries(this.boxes).find(([, { x, width }]) => px >= x && px < x + width);
    return found ? found[0] : "";
  }

  /** Paint rows up to where the step has come: `progress` from 0 to 1. */
  paint(context, theme, { payload, step, progress, picked }) {
    const at = this.steps.indexOf(step);
    const done = Math.round(progress * this.nRows);
    this.paintTokens(context, theme, payload, picked);
    for (const name of Object.keys(this.boxes)) {
      const order = this.steps.indexOf({ k: "dot", v: "value" }[name] || name);
      const rows = order < at ? this.nRows : order > at ? 0 : done;
      this.paintHead(context, theme, name, order === at);
      if (name === "k" || name === "v") this.paintVectors(context, theme, name, { rows, isActive: order <= at });
      else this.paintColumn(context, theme, name, rows);
    }
  }

  paintTokens(context, theme, payload, picked) {
    const { numbers, x } = this;
    context.textBaseline = "middle";
    context.textAlign = "right";
    numbers.shown.forEach((key, i) => {
      const isPicked = key === picked;
      context.font = `${isPicked ? "bold " : ""}12px ${theme.mono}`;
      context.fillStyle = isPicked ? theme.key : payload.keys.isSpecial.has(key) ? theme.muted : theme.text;
      context.fillText(fitted(context, payload.keys.display[key], x - 12), x - 8, this.rowY(i) + LEDGER_ROW / 2);
    });
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.muted;
    if (numbers.rest) {
      const text = `${numbers.rest.count.toLocaleString("en")} others`;
      context.fillText(text, x - 8, this.rowY(numbers.shown.length) + LEDGER_ROW / 2);
    }
    context.fillText("whole row", x - 8, this.rowY(this.nRows) + LEDGER_ROW / 2 + 4);
    context.fillStyle = theme.key;
    context.fillText("key (is read)", x - 8, this.y + 16);
  }

  paintHead(context, theme, name, isActive) {
    const { x, width } = this.boxes[name];
    const isMini = name === "k" || name === "v";
    const colour = name === "k" ? theme.key : name === "v" ? theme.value : theme.text;
    context.textAlign = isMini ? "left" : "right";
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.font = `${isActive ? "bold " : ""}13px ${theme.mono}`;
    const label = isMini ? name : name === "weight" ? "÷ sum" : this.label(name);
    context.fillText(fitted(context, label, width), isMini ? x : x + width - 4, this.y + 16);
    const second = { exp: "exp(s − max)", weight: "= weight" }[name];
    context.font = `11px ${theme.font}`;
    context.fillStyle = theme.muted;
    if (second) context.fillText(second, x + width - 4, this.y + 31);
    if (!isActive) return;
    context.fillStyle = colour;
    context.fillRect(x, this.top - 3, width, 2);
  }

  label(name) {
    return stepName(name, this.numbers.evidence);
  }

  paintVectors(context, theme, name, { rows, isActive }) {
    const { numbers, peaks } = this;
    const heaviest = numbers.shown.reduce((top, key) => Math.max(top, numbers.weight[key]), 1e-12);
    const box = this.boxes[name];
    numbers.shown.forEach((key, i) => {
      let alpha = isActive ? 1 : 0.3;
      // Values fade to their weight as they are added up.
      if (name === "v" && i < rows) alpha = 0.1 + 0.9 * Math.sqrt(numbers.weight[key] / heaviest);
      const place = { ...box, y: this.rowY(i) + 1, height: LEDGER_ROW - 2 };
      paintMini(context, theme, place, numbers.vector(name, key), { peak: peaks[name], alpha });
    });
  }

  paintColumn(context, theme, name, rows) {
    const { numbers } = this;
    const { x, width } = this.boxes[name];
    for (let i = 0; i < this.nRows; i += 1) {
      const box = [x, this.rowY(i) + 0.5, width, LEDGER_ROW - 1];
      const isRest = i >= numbers.shown.length;
      if (i >= rows || isRest) this.paintEmpty(context, theme, box, i >= rows);
      else this.paintNumber(context, theme, name, numbers.shown[i], box);
      if (i < rows && isRest) this.paintRest(context, theme, name, box);
    }
    if (rows === this.nRows) this.paintSum(context, theme, name);
  }

  paintEmpty(context, theme, [x, y, width, height], isToCome) {
    context.fillStyle = theme.track;
    context.globalAlpha = isToCome ? 0.6 : 0.25;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
  }

  paintNumber(context, theme, name, key, box) {
    const { numbers, peaks } = this;
    const value = numbers[name][key];
    const isPattern = name === "exp" || name === "weight";
    const isGone = numbers.isMasked[key] && (isPattern || name === "mask");
    const share = isPattern ? value : 0.5 + value / peaks[name] / 2;
    const colour = mix(isPattern ? theme.sequential : theme.diverging, isGone ? 0 : share);
    context.fillStyle = isGone ? theme.track : css(colour);
    context.fillRect(...box);
    this.write(context, theme, box, format(value), isGone ? theme.muted : inkOn(colour, theme));
    if (isGone) hatch(context, theme, box);
  }

  paintRest(context, theme, name, box) {
    const { rest } = this.numbers;
    if (name === "exp" || name === "weight") this.write(context, theme, box, format(rest[name]), theme.text);
    else this.write(context, theme, box, "…", theme.muted);
  }

  /** What the whole row comes to: its largest score, the sum of its exponentials, 1. */
  paintSum(context, theme, name) {
    const { numbers } = this;
    const { x, width } = this.boxes[name];
    const total = numbers.weight.reduce((sum, value) => sum + value, 0);
    const text = {
      mask: `max ${format(numbers.largest)}`,
      exp: `Σ ${format(numbers.sum)}`,
      weight: `Σ ${format(total)}`,
    }[name];
    if (!text) return;
    const y = this.rowY(this.nRows);
    context.fillStyle = theme.border;
    context.fillRect(x, y + 3, width, 1);
    this.write(context, theme, [x, y + 4, width, LEDGER_ROW], text, theme.text, "bold ");
  }

  write(context, theme, [x, y, width, height], text, colour, weight = "") {
    context.font = `${weight}12px ${theme.mono}`;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(fitted(context, text, width - 4), x + width - 5, y + height / 2);
  }

  /** The picked row, or the one under the pointer. */
  outline(context, colour, i, width) {
    if (i < 0) return;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(this.x - 2, this.rowY(i), this.right - this.x + 4, LEDGER_ROW);
  }
}

/** Masked cells are struck through: colour alone would not tell them from 0. */
function hatch(context, theme, [x, y, width, height]) {
  context.save();
  context.beginPath();
  context.rect(x, y, width - 34, height);
  context.clip();
  context.strokeStyle = theme.muted;
  context.globalAlpha = 0.35;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = x - height; at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
