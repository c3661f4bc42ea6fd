// Painting the equation at work: the query, the ledger of its keys, the output, the comparison.

import { css, mix } from "./palette.js";
import { Ledger } from "./ledger.js";
import { format } from "./numbers.js";
import { fitted } from "./stage.js";
import { paintStrip, stripCell, stripHit, stripLayout } from "./strips.js";
import { STEP_TITLES, equationOf } from "./steps_words.js";

const NARROW_STEPS = 720;
const EQUATION_LINE = 30;
const LANE_GAP = 8;
const LEGEND = 30;

export class StepsPicture {
  constructor(view) {
    this.view = view;
  }

  /** Take the numbers of a query; the picked key's vectors stand between query and ledger. */
  show(numbers, steps) {
    Object.assign(this, { numbers, steps, ledger: new Ledger(numbers, steps) });
    this.equation = equationOf(numbers.evidence);
  }

  /** The step at work and how far it has come, from a time between 0 and the number of steps. */
  at(time) {
    const index = Math.min(this.steps.length - 1, Math.max(0, Math.ceil(time) - 1));
    return { index, step: this.steps[index], progress: Math.min(1, Math.max(0, time - index)) };
  }

  measure(context, width) {
    const { numbers, ledger } = this;
    this.width = width;
    this.isNarrow = width < NARROW_STEPS;
    this.left = this.isNarrow ? 84 : 118;
    const room = width - this.left - 4;
    this.layEquation(context, width);
    let y = this.equationHeight + 14;
    const lane = (length) => {
      const strip = { ...stripLayout(length, room), x: this.left, y };
      y += strip.height + LANE_GAP;
      return strip;
    };
    const { width: d, valueWidth } = numbers.evidence;
    const most = Math.max(d, valueWidth);
    this.lanes = { q: lane(d), second: lane(most), product: lane(most) };
    y += 4;
    y += ledger.layOut({ x: this.left, y, width: room, step: this.now().step, isNarrow: this.isNarrow }) + 14;
    this.lanes.output = lane(valueWidth);
    if (numbers.evidence.z) this.lanes.module = lane(valueWidth);
    this.verdictY = y + 6;
    this.legendY = y + (numbers.evidence.z ? 26 : 4);
    return this.legendY + LEGEND + (numbers.rest ? 16 : 0);
  }

  now() {
    return this.at(this.view.state.time);
  }

  layEquation(context, width) {
    context.font = this.equationFont(true);
    let [x, line] = [0, 0];
    for (const piece of this.equation) {
      piece.width = context.measureText(piece.text).width;
      if (x && x + piece.width > width) [x, line] = [16, line + 1];
      Object.assign(piece, { x, y: 16 + line * EQUATION_LINE });
      x += piece.width;
    }
    this.equationHeight = (line + 1) * EQUATION_LINE;
  }

  equationFont(isBold) {
    return `${isBold ? "bold " : ""}${this.isNarrow ? 15 : 18}px ${this.view.theme.mono}`;
  }

  paint(context) {
    const { theme, payload, state } = this.view;
    const now = this.now();
    this.paintEquation(context, theme, now.step);
    this.paintVectors(context, theme, now);
    this.ledger.paint(context, theme, { payload, ...now, picked: state.selected[1] });
    this.paintOutput(context, theme, now);
    this.paintLegend(context, theme);
  }

  paintEquation(context, theme, step) {
    const hues = { ...theme, pattern: theme.sequential[5] };
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const { text, part, steps, x, y, width } of this.equation) {
      const isActive = steps.includes(step);
      context.font = this.equationFont(isActive);
      context.fillStyle = part ? hues[part] : isActive ? theme.text : theme.muted;
      context.fillText(text, x, y);
      if (!isActive) continue;
      const indent = width - context.measureText(text.trimStart()).width;
      context.fillRect(x + indent, y + 12, width - indent, 2.5);
    }
  }

  /** Query above; under it the picked key or value and the products, by what the step needs. */
  paintVectors(context, theme, { index, step, progress }) {
    const { numbers, lanes } = this;
    const { payload, state } = this.view;
    const key = state.selected[1];
    const isLate = index >= this.steps.indexOf("value");
    const token = payload.keys.display[key];
    this.laneLabel(context, theme, lanes.q, ["q", payload.queries.display[numbers.query]], theme.query);
    paintStrip(context, theme, lanes.q, numbers.vector("q", key));
    const [second, product] = isLate ? ["v", "wv"] : ["k", "qk"];
    this.laneLabel(context, theme, lanes.second, [second, token], isLate ? theme.value : theme.key);
    paintStrip(context, theme, fitLane(lanes.second, numbers.vector(second, key)), numbers.vector(second, key));
    const labels = isLate
      ? [this.isNarrow ? "w × v" : "weight × v", format(numbers.weight[key])]
      : ["q × k", `Σ ${format(numbers.dot[key])}`];
    this.laneLabel(context, theme, lanes.product, labels, theme.text);
    const products = numbers.vector(product, key);
    const isComing = step === "dot" || step === "value";
    const count = isComing ? Math.round(progress * products.length) : products.length;
    paintStrip(context, theme, fitLane(lanes.product, products), products, { count });
  }

  laneLabel(context, theme, lane, [name, text], colour) {
    const middle = lane.y + Math.min(lane.height, 40) / 2;
    const limit = this.left - 8;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.font = `bold 13px ${theme.mono}`;
    context.fillText(fitted(context, name, limit), this.left - 8, middle - 8);
    context.font = `12px ${theme.mono}`;
    context.fillText(fitted(context, text, limit), this.left - 8, middle + 8);
  }

  paintOutput(context, theme, { index, step, progress }) {
    const { numbers, lanes, ledger, steps } = this;
    const [value, check] = [steps.indexOf("value"), steps.indexOf("check")];
    const peak = numbers.output.reduce((top, x) => Math.max(top, Math.abs(x)), 1e-12);
    const rows = index < value ? 0 : step === "value" ? Math.round(progress * ledger.nRows) : ledger.nRows;
    this.laneLabel(context, theme, lanes.output, ["z", this.isNarrow ? "Σ w · v" : "Σ weight · v"], theme.value);
    const sum = rows ? numbers.outputOf(rows) : numbers.output;
    paintStrip(context, theme, lanes.output, sum, { peak, count: rows ? sum.length : 0 });
    if (check < 0) return;
    const own = numbers.vector("z", 0);
    const count = step === "check" ? Math.round(progress * own.length) : 0;
    this.laneLabel(context, theme, lanes.module, ["z", this.isNarrow ? "module" : "the module's"], theme.muted);
    paintStrip(context, theme, lanes.module, own, { peak, count });
    if (count < own.length) return;
    const { isEqual, difference } = numbers;
    context.font = `bold 13px ${theme.mono}`;
    context.textAlign = "left";
    context.fillStyle = isEqual ? theme.good : theme.bad;
    context.fillText(`${isEqual ? "✓ equal" : "✗ not equal"}: max |Δ| ${format(difference, 2)}`, this.left, this.verdictY);
  }

  paintLegend(context, theme) {
    const y = this.legendY + 12;
    const length = this.isNarrow ? 44 : 80;
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    const bar = (x, stops, [low, high]) => {
      context.fillStyle = theme.muted;
      context.textAlign = "right";
      context.fillText(low, x - 6, y);
      for (let i = 0; i < length; i += 1) {
        context.fillStyle = css(mix(stops, i / (length - 1)));
        context.fillRect(x + i, y - 5, 1.5, 10);
      }
      context.fillStyle = theme.muted;
      context.textAlign = "left";
      context.fillText(high, x + length + 6, y);
    };
    this.paintRestNote(context, theme, y + 18);
    bar(this.left + 24, theme.diverging, ["− largest", this.isNarrow ? "+" : "+ largest of each strip or column"]);
    bar(this.isNarrow ? this.left + 130 : this.left + 340, theme.sequential, ["0", "1 weight"]);
  }

  paintRestNote(context, theme, y) {
    const { rest, shown, weight } = this.numbers;
    if (!rest) return;
    const others = `the other ${rest.count.toLocaleString("en")} are one row, weight ${format(rest.weight)}`;
    context.fillStyle = theme.muted;
    context.textAlign = "left";
    const lead = this.isNarrow ? "" : `The ${shown.length} strongest of ${weight.length.toLocaleString("en")} keys; `;
    context.fillText(lead + others, this.isNarrow ? 0 : this.left, y);
  }

  overlay(context) {
    const { theme, state, hovered } = this.view;
    const row = this.numbers.shown.indexOf(state.selected[1]);
    if (hovered && hovered.row >= 0) this.ledger.outline(context, theme.muted, hovered.row, 1);
    this.ledger.outline(context, theme.key, row, 1.5);
    if (hovered && hovered.cell >= 0) this.frameCell(context, theme, hovered.cell);
  }

  /** The same dimension in every strip. */
  frameCell(context, theme, i) {
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    for (const lane of Object.values(this.lanes)) {
      if (i >= lane.length) continue;
      const [x, y] = stripCell(lane, i);
      context.strokeRect(x - 0.5, y - 0.5, lane.cell, lane.line + 1);
    }
  }

  /** What is under a point: a row of the ledger, or a dimension of the strips. */
  hit(point) {
    const row = this.ledger.hit(point);
    if (row >= 0) return { row, cell: -1, column: this.ledger.columnAt(point) };
    for (const lane of Object.values(this.lanes)) {
      const cell = stripHit(lane, point);
      if (cell >= 0) return { row: -1, cell, column: "" };
    }
    return null;
  }

  /** Where the step stands, in a few words. */
  place() {
    const { index, step } = this.now();
    return `Step ${index + 1} of ${this.steps.length}: ${STEP_TITLES[step]}`;
  }
}

/** A lane is as long as the longest vector that comes into it. */
function fitLane(lane, vector) {
  return { ...lane, length: vector.length };
}
