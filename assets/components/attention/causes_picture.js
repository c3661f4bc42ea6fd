// Attention or cause? Bars of several measures for each source of one token, and how they agree.

import { css, mix, parseColour } from "./palette.js";
import { clamp, format } from "./numbers.js";
import { fitted } from "./stage.js";

const SOURCE_ROW = 23;
const MEASURES_TOP = 50;
const SOURCES_SHOWN = 640;
const MEASURE_GAP = 12;
const ROOM_FOR_NUMBERS = 84;
const NO_AGREEMENT = 9;

/** The numbers of a payload for one query, whose α, and with or without special tokens. */
export class Measured {
  constructor(payload, { query, scope, hidesSpecial }) {
    const { options, arrays } = payload;
    Object.assign(this, { query, scope, hidesSpecial, measures: options.measures, payload });
    const { reach, values } = arrays;
    [, this.nQuery, this.nKey] = values.shape;
    this.codes = values.codes;
    this.table = arrays.agreement;
    this.isSelf = payload.keys === payload.queries;
    this.keys = [];
    for (let key = 0; key < this.nKey; key += 1) {
      const isReached = reach.codes[query * this.nKey + key] === 1;
      if (isReached && !(hidesSpecial && payload.keys.isSpecial.has(key))) this.keys.push(key);
    }
    this.unseen = this.nKey - reach.codes.subarray(query * this.nKey, (query + 1) * this.nKey).reduce((a, b) => a + b, 0);
    this.peaks = this.measures.map((_, m) => Math.max(0, ...this.keys.map((key) => this.value(m, key) ?? 0)));
  }

  isMissing(measure) {
    return !this.measures[measure].maps.length;
  }

  /** A number; null where there is none: not measured, or a token taken away from itself. */
  value(measure, key) {
    const { maps, key: name } = this.measures[measure];
    if (!maps.length) return null;
    if (this.isSelf && key === this.query && (name === "leave_one_out" || name === "prediction")) return null;
    return this.codes[(maps[this.scope] * this.nQuery + this.query) * this.nKey + key];
  }

  /** Keys in the text's order, or by a measure, largest first. */
  ordered(by) {
    if (by === null || this.isMissing(by)) return this.keys;
    return [...this.keys].sort((a, b) => (this.value(by, b) ?? -1) - (this.value(by, a) ?? -1) || a - b);
  }

  /** ρ of two measures for the query, or (mean) over all queries; null where there is none. */
  agreement(first, second, isMean) {
    const size = this.measures.length;
    const special = this.hidesSpecial ? 1 : 0;
    const table = (this.scope * 2 + special) * (this.nQuery + 1) + (isMean ? this.nQuery : this.query);
    const rho = this.table.codes[(table * size + first) * size + second];
    return rho === NO_AGREEMENT ? null : rho;
  }
}

/** Sources down, measures across; a bar in each cell. `view` gives theme, scroller and hover. */
export class MeasuresPicture {
  constructor(view) {
    this.view = view;
  }

  show(measured, order, sorted) {
    Object.assign(this, { measured, order, sorted });
  }

  measure(context, width) {
    const { payload, measures } = this.measured;
    context.font = `13px ${this.view.theme.mono}`;
    const widest = Math.max(40, ...this.order.map((key) => context.measureText(payload.keys.display[key]).width));
    this.left = Math.min(widest + 14, width * 0.24);
    this.column = (width - this.left) / measures.length;
    this.hasNumbers = this.column - MEASURE_GAP >= ROOM_FOR_NUMBERS;
    this.gap = this.hasNumbers ? MEASURE_GAP : 6;
    this.width = width;
    this.total = MEASURES_TOP + this.order.length * SOURCE_ROW + 4;
    this.height = Math.min(this.total, SOURCES_SHOWN);
    return this.height;
  }

  x(measure) {
    return this.left + measure * this.column;
  }

  y(index, offset) {
    return MEASURES_TOP + index * SOURCE_ROW - offset;
  }

  /** The row under a point, and the column whose head is. */
  hit([px, py], offset) {
    const column = Math.floor((px - this.left) / this.column);
    if (py < MEASURES_TOP) return { row: -1, column: column < 0 ? -1 : column };
    const row = Math.floor((py + offset - MEASURES_TOP) / SOURCE_ROW);
    return { row: row < this.order.length ? row : -1, column: -1 };
  }

  paint(context, offset = this.view.scroller.scrollTop, height = this.height) {
    const { theme } = this.view;
    context.save();
    context.beginPath();
    context.rect(0, MEASURES_TOP, this.width, height - MEASURES_TOP);
    context.clip();
    this.order.forEach((key, index) => {
      const y = this.y(index, offset);
      if (y > MEASURES_TOP - SOURCE_ROW && y < height) this.paintRow(context, theme, key, y);
    });
    context.restore();
    this.paintHeads(context, theme);
  }

  paintRow(context, theme, key, y) {
    const { measured } = this;
    const { keys } = measured.payload;
    const middle = y + SOURCE_ROW / 2;
    const isQuery = measured.isSelf && key === measured.query;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.font = `${isQuery ? "600 " : ""}13px ${theme.mono}`;
    context.fillStyle = isQuery ? theme.query : keys.isSpecial.has(key) ? theme.muted : theme.text;
    context.fillText(fitted(context, keys.display[key], this.left - 14), this.left - 10, middle);
    measured.measures.forEach((measure, m) => this.paintBar(context, theme, m, key, y));
  }

  paintBar(context, theme, measure, key, y) {
    const { measured } = this;
    const x = this.x(measure);
    const room = this.column - this.gap;
    const width = this.hasNumbers ? room - 46 : room;
    const value = measured.value(measure, key);
    context.fillStyle = theme.track;
    context.fillRect(x, y + 6, width, SOURCE_ROW - 12);
    context.textAlign = "right";
    context.font = `11.5px ${theme.font}`;
    if (value === null) {
      context.fillStyle = theme.muted;
      if (this.hasNumbers && !measured.isMissing(measure)) context.fillText("itself", x + room, y + SOURCE_ROW / 2);
      return;
    }
    const isCause = measured.measures[measure].kind === "cause";
    context.fillStyle = isCause ? causeColour(theme) : theme.sequential[4];
    const share = measured.peaks[measure] > 0 ? clamp(value / measured.peaks[measure], 0, 1) : 0;
    context.fillRect(x, y + 6, Math.max(share * width, value > 0 ? 0.5 : 0), SOURCE_ROW - 12);
    if (!this.hasNumbers) return;
    context.fillStyle = theme.text;
    context.fillText(shortNumber(value), x + room, y + SOURCE_ROW / 2);
  }

  paintHeads(context, theme) {
    const { measures } = this.measured;
    const isNarrow = !this.hasNumbers;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const causes = measures.findIndex(({ kind }) => kind === "cause");
    const room = this.column - this.gap;
    [[0, "looks at", causes], [causes, "is changed by", measures.length - causes]].forEach(([from, words, count]) => {
      context.font = `12px ${theme.font}`;
      context.fillStyle = theme.muted;
      context.fillText(words, this.x(from), 8);
      const start = this.x(from) + context.measureText(words).width + 8;
      const end = this.x(from + count - 1) + room;
      context.fillStyle = theme.border;
      if (end > start) context.fillRect(start, 8, end - start, 1);
    });
    measures.forEach((measure, m) => {
      context.fillStyle = theme.text;
      if (isNarrow) {
        this.paintShort(context, theme, measure.short, m);
        return;
      }
      context.font = `600 13px ${theme.font}`;
      const mark = this.sorted === m ? " ↓" : "";
      context.fillText(fitted(context, measure.name + mark, this.column - 2), this.x(m), 24);
      context.font = `11px ${theme.font}`;
      context.fillStyle = theme.muted;
      context.fillText(fitted(context, measure.missing || measure.unit, this.column - 4), this.x(m), 39);
    });
  }

  /** A short name over a narrow column, a word a line. */
  paintShort(context, theme, short, measure) {
    context.font = `${this.sorted === measure ? "600 " : ""}11px ${theme.font}`;
    short.split(" ").forEach((word, line) => {
      context.fillText(fitted(context, word, this.column - 2), this.x(measure), 24 + line * 14);
    });
  }

  overlay(context, index, colour, offset) {
    const y = this.y(index, offset);
    if (index < 0 || y < MEASURES_TOP - 2 || y > this.height) return;
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    context.roundRect(1, y + 1, this.width - 2, SOURCE_ROW - 2, 4);
    context.stroke();
  }
}

/** Every two measures and their rank correlation, as a small map centred on 0. */
export class AgreementPicture {
  constructor(view) {
    this.view = view;
  }

  show(measured, isMean) {
    Object.assign(this, { measured, isMean });
  }

  measure(context, width) {
    context.font = `12px ${this.view.theme.font}`;
    const { measures } = this.measured;
    this.left = Math.max(...measures.map(({ short }) => context.measureText(short).width)) + 10;
    this.cell = Math.min((width - this.left) / measures.length, 56);
    this.top = this.cell < 52 ? 38 : 24;
    this.rowHeight = Math.min(this.cell, 32);
    return this.top + measures.length * this.rowHeight + 4;
  }

  paint(context) {
    const { measures } = this.measured;
    const { theme } = this.view;
    context.textBaseline = "middle";
    measures.forEach(({ short }, row) => {
      context.font = `12px ${theme.font}`;
      context.fillStyle = theme.muted;
      context.textAlign = "right";
      context.fillText(short, this.left - 8, this.top + (row + 0.5) * this.rowHeight);
      context.textAlign = "center";
      const words = this.cell < 52 ? short.split(" ") : [short];
      words.forEach((word, line) => {
        const y = this.top - 11 - (words.length - 1 - line) * 14;
        context.fillText(fitted(context, word, this.cell - 1), this.left + (row + 0.5) * this.cell, y);
      });
      measures.forEach((_, column) => this.paintPair(context, theme, row, column));
    });
  }

  paintPair(context, theme, row, column) {
    const rho = this.measured.agreement(row, column, this.isMean);
    const [x, y] = [this.left + column * this.cell, this.top + row * this.rowHeight];
    const isItself = row === column;
    const colour = rho === null || isItself ? parseColour(theme.track) : mix(theme.diverging, (rho + 1) / 2);
    context.fillStyle = css(colour);
    context.fillRect(x, y, this.cell - 2, this.rowHeight - 2);
    context.font = `12px ${theme.font}`;
    context.textAlign = "center";
    context.fillStyle = rho === null || isItself ? theme.muted : readableOn(colour);
    context.fillText(isItself && rho !== null ? "1" : rhoText(rho), x + this.cell / 2 - 1, y + this.rowHeight / 2 - 1);
  }
}

/** Two decimals, as correlations are written; – for none. */
export function rhoText(rho) {
  if (rho === null) return "–";
  const text = Math.abs(rho).toFixed(2);
  return rho < 0 && text !== "0.00" ? `−${text}` : text;
}

/** A number that fits beside a bar. */
function shortNumber(value) {
  if (value !== 0 && value < 1e-3) return "<0.001";
  return format(value, value < 0.01 ? 2 : 3);
}

/** Causes are drawn in the text's own colour: they are no attention. */
function causeColour(theme) {
  return css(mix([theme.muted, theme.text], 0.35));
}

function readableOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue < 140 ? "#ffffff" : "#141618";
}
