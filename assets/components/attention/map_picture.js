// One map of weights: its layout, its cells, its labels.

import { fitted } from "./stage.js";
import { paintColourBar } from "./colour_bar.js";
import { paintCells } from "./cells.js";
import { paintLost } from "./lost_links.js";
import { clamp } from "./numbers.js";

const ANGLE = (-55 * Math.PI) / 180;
const MAX_CELL = 40;
const MAX_LABEL = 116;
const NARROW = 520;
const QUERY_STEP = 12.5;
const KEY_STEP = 16;

/** Lays out and paints a matrix with its tokens; knows nothing of events. */
export class MapPicture {
  constructor({ matrix, queries, keys, unit = "weight", maxHeight = 560, hasBar = true, lost = null }) {
    Object.assign(this, { matrix, queries, keys, unit, maxHeight, hasBar, lost });
    this.viewport = { row: 0, column: 0, rows: matrix.rows, columns: matrix.columns };
    this.scale = "linear";
    this.peak = matrix.ownPeak();
  }

  get isZoomed() {
    return this.viewport.rows < this.matrix.rows || this.viewport.columns < this.matrix.columns;
  }

  /** Find room for labels, cells and colour bar; return the height. */
  measure(context, theme, width, ratio) {
    const { rows, columns } = this.viewport;
    const isNarrow = width < NARROW;
    context.font = `12px ${theme.mono}`;
    const limit = isNarrow ? Math.min(MAX_LABEL, width * 0.24) : MAX_LABEL;
    const left = 30 + this.longest(context, this.queries, this.viewport.row, rows, limit);
    const up = this.longest(context, this.keys, this.viewport.column, columns, limit);
    const top = Math.ceil(Math.sin(-ANGLE) * up) + 18;
    const overhang = Math.ceil(Math.cos(ANGLE) * up);
    const right = isNarrow || !this.hasBar ? Math.max(6, overhang) : Math.max(104, overhang + 12);
    const room = Math.max(60, width - left - right);
    const cell = this.cellSize(Math.min(room / columns, this.maxHeight / rows, MAX_CELL), ratio);
    const [w, h] = [cell * columns, cell * rows];
    this.box = { x: left, y: top, width: w, height: h, cell };
    this.limit = limit;
    this.isNarrow = isNarrow;
    this.ratio = ratio;
    this.bar = isNarrow
      ? { x: left, y: top + h + 30, length: Math.round(clamp(w - 60, 80, 220)), isUpright: false }
      : { x: left + w + 20, y: top + 18, length: Math.round(clamp(h - 60, 60, 320)), isUpright: true };
    if (!this.hasBar) return top + h + 26;
    return isNarrow ? top + h + 62 : Math.max(top + h + 6, top + 18 + this.bar.length + 30);
  }

  /** Whole device pixels where a cell has at least one, so that no column is wider than another. */
  cellSize(size, ratio) {
    return size * ratio >= 1 ? Math.floor(size * ratio) / ratio : size;
  }

  longest(context, strip, start, count, limit) {
    let longest = 8;
    const end = Math.min(start + count, strip.length);
    for (let i = start; i < end; i += 1) {
      if (strip.display[i].length * 8 <= longest) continue;
      longest = Math.max(longest, context.measureText(strip.display[i]).width);
      if (longest >= limit) return limit;
    }
    return longest;
  }

  paint(context, theme, selected) {
    paintCells(context, this, theme);
    if (this.lost) paintLost(context, this, theme);
    this.paintLabels(context, theme, selected);
    this.paintAxisNames(context, theme);
    if (this.hasBar) {
      const { peak, scale, unit } = this;
      paintColourBar(context, theme, { ...this.bar, peak, scale, unit });
    }
  }

  paintLabels(context, theme, selected) {
    const [row, column] = selected || [-1, -1];
    this.eachLabel("queries", row, (i) => this.paintQueryLabel(context, theme, i, i === row));
    this.eachLabel("keys", column, (i) => this.paintKeyLabel(context, theme, i, i === column));
    this.paintJoints(context, theme);
  }

  /** Visit the positions that have room for a label; the picked one always has. */
  eachLabel(axis, picked, visit) {
    const { row, column, rows, columns } = this.viewport;
    const [start, count] = axis === "queries" ? [row, rows] : [column, columns];
    const room = axis === "queries" ? QUERY_STEP : KEY_STEP;
    const step = this.box.cell >= 10 ? 1 : Math.max(1, Math.ceil(room / this.box.cell));
    const isShown = picked >= start && picked < start + count;
    for (let i = start; i < start + count; i += step) {
      if (i === picked || !isShown || step === 1 || Math.abs(i - picked) >= step) visit(i);
    }
    if (isShown && step > 1 && (picked - start) % step) visit(picked);
  }

  labelStyle(context, theme, strip, i, part) {
    const size = clamp(Math.floor(this.box.cell), 10, 12);
    context.font = `${part ? "bold " : ""}${size}px ${theme.mono}`;
    context.fillStyle = part ? theme[part] : strip.isSpecial.has(i) ? theme.muted : theme.text;
    context.textBaseline = "middle";
  }

  paintQueryLabel(context, theme, i, isPicked) {
    this.labelStyle(context, theme, this.queries, i, isPicked ? "query" : "");
    context.textAlign = "right";
    const { x, cell } = this.box;
    const label = fitted(context, this.queries.display[i], this.limit);
    context.fillText(label, x - 8, this.top(i) + cell / 2);
  }

  paintKeyLabel(context, theme, i, isPicked) {
    this.labelStyle(context, theme, this.keys, i, isPicked ? "key" : "");
    context.textAlign = "left";
    context.save();
    context.translate(this.left(i) + this.box.cell / 2, this.box.y - 8);
    context.rotate(ANGLE);
    context.fillText(fitted(context, this.keys.display[i], this.limit), 0, 0);
    context.restore();
  }

  /** A quiet line holds together the tokens of one word. */
  paintJoints(context, theme) {
    const { x, y, cell } = this.box;
    if (cell < 8) return;
    context.strokeStyle = theme.muted;
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    const { row, column, rows, columns } = this.viewport;
    context.beginPath();
    for (const i of this.queries.isJoined) {
      if (i <= row || i >= row + rows) continue;
      context.moveTo(x - 4, this.top(i - 1) + cell / 2);
      context.lineTo(x - 4, this.top(i) + cell / 2);
    }
    for (const i of this.keys.isJoined) {
      if (i <= column || i >= column + columns) continue;
      context.moveTo(this.left(i - 1) + cell / 2, y - 4);
      context.lineTo(this.left(i) + cell / 2, y - 4);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  paintAxisNames(context, theme) {
    const { x, y, width, height } = this.box;
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.query;
    context.save();
    context.translate(9, y + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText("query (reads)", 0, 0);
    context.restore();
    context.fillStyle = theme.key;
    context.textAlign = "left";
    if (this.isNarrow || !this.hasBar) {
      context.fillText("key (is read) ↑", x, y + height + 14);
    } else {
      context.fillText("key (is read)", x + width + 20, y - 8);
    }
  }

  top(row) {
    return this.box.y + (row - this.viewport.row) * this.box.cell;
  }

  left(column) {
    return this.box.x + (column - this.viewport.column) * this.box.cell;
  }

  contains(row, column) {
    const v = this.viewport;
    return (
      row >= v.row && row < v.row + v.rows && column >= v.column && column < v.column + v.columns
    );
  }

  outline(context, [row, column], colour, width) {
    if (!this.contains(row, column)) return;
    const size = Math.max(this.box.cell, 5);
    const shift = (size - this.box.cell) / 2;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(this.left(column) - shift, this.top(row) - shift, size, size);
  }

  /** A light band along the row and the column that a pointer is on. */
  crosshair(context, theme, [row, column]) {
    const { x, y, width, height, cell } = this.box;
    context.globalAlpha = 0.13;
    context.fillStyle = theme.query;
    context.fillRect(x, this.top(row), width, cell);
    context.fillStyle = theme.key;
    context.fillRect(this.left(column), y, cell, height);
    context.globalAlpha = 1;
  }

  /** The cell under a point, or null beside the map. */
  hit([px, py]) {
    const { x, y, width, height, cell } = this.box;
    if (px < x || py < y || px >= x + width || py >= y + height) return null;
    const { row, column, rows, columns } = this.viewport;
    return [
      row + Math.min(rows - 1, Math.floor((py - y) / cell)),
      column + Math.min(columns - 1, Math.floor((px - x) / cell)),
    ];
  }

  /** Show a part of the map: about `factor` times fewer cells, keeping `anchor` in place. */
  zoom(factor, anchor) {
    const v = this.viewport;
    const rows = clamp(Math.round(v.rows / factor), Math.min(8, this.matrix.rows), this.matrix.rows);
    const columns = clamp(
      Math.round(v.columns / factor), Math.min(8, this.matrix.columns), this.matrix.columns,
    );
    const [row, column] = anchor;
    this.show({
      row: Math.round(row - ((row - v.row) * rows) / v.rows),
      column: Math.round(column - ((column - v.column) * columns) / v.columns),
      rows,
      columns,
    });
  }

  show({ row, column, rows, columns }) {
    this.viewport = {
      rows,
      columns,
      row: clamp(row, 0, this.matrix.rows - rows),
      column: clamp(column, 0, this.matrix.columns - columns),
    };
  }

  fit() {
    this.show({ row: 0, column: 0, rows: this.matrix.rows, columns: this.matrix.columns });
  }

  /** Move the part shown so that a cell is inside it. */
  reveal([row, column]) {
    const v = this.viewport;
    const into = (at, start, count) => (at < start ? at : at >= start + count ? at - count + 1 : start);
    this.show({ ...v, row: into(row, v.row, v.rows), column: into(column, v.column, v.columns) });
  }
}
