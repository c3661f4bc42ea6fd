// One matrix as a sheet: tokens down, dimensions across, cells as wide as there is room for.

import { css, mix, ramp } from "./palette.js";
import { clamp, format } from "./numbers.js";
import { fitted } from "./stage.js";

const LABEL_STEP = 13;
const MAX_ROW = 15;
const MIN_HEIGHT = 60;
const BAR = { height: 8, width: 150 };

/** Of each block of a matrix the entry that is largest by magnitude. */
export function extremes(values, [rows, columns], [outRows, outColumns]) {
  if (outRows >= rows && outColumns >= columns) return { values, rows, columns };
  const [m, n] = [Math.min(rows, outRows), Math.min(columns, outColumns)];
  const pooled = new Float32Array(m * n);
  for (let i = 0; i < rows; i += 1) {
    const at = Math.floor((i * m) / rows) * n;
    for (let j = 0; j < columns; j += 1) {
      const cell = at + Math.floor((j * n) / columns);
      const value = values[i * columns + j];
      if (Math.abs(value) > Math.abs(pooled[cell])) pooled[cell] = value;
    }
  }
  return { values: pooled, rows: m, columns: n };
}

const ramps = new Map();

/** 256 colours along a palette, as the canvas keeps them. */
function packed(stops) {
  const name = stops.join();
  if (!ramps.has(name)) {
    const colours = ramp(stops).map(([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r);
    ramps.set(name, Uint32Array.from(colours, (colour) => colour >>> 0));
  }
  return ramps.get(name);
}

/** An image of a matrix in the theme's colours; signed from −limit to limit, weights from 0. */
export function imageOf({ values, rows, columns }, theme, { limit, isWeight }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const data = new ImageData(columns, rows);
  const pixels = new Uint32Array(data.data.buffer);
  const colours = packed(isWeight ? theme.sequential : theme.diverging);
  const [zero, scale] = isWeight ? [0, 255 / limit] : [127.5, 127.5 / limit];
  for (let i = 0; i < pixels.length; i += 1) {
    pixels[i] = colours[Math.round(clamp(zero + values[i] * scale, 0, 255))];
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

/** Lays out and paints one matrix with its tokens and its colour bar; knows nothing of events. */
export class SheetPicture {
  constructor({ values, shape, strip, limit, peak, isWeight = false, columns = "dimension", hasLabels = true, hasBar = true }) {
    Object.assign(this, { values, strip, limit, peak, isWeight, hasLabels, hasBar });
    [this.rows, this.columns] = shape;
    this.columnName = columns;
  }

  value(row, column) {
    return this.values[row * this.columns + column];
  }

  /** Place it at x, y in a width; return the height. */
  place(context, theme, [x, y], width, ratio) {
    context.font = `11px ${theme.mono}`;
    let left = 0;
    if (this.hasLabels) {
      for (let i = 0; i < Math.min(this.rows, 400); i += 1) {
        left = Math.max(left, context.measureText(this.strip.display[i] ?? "").width);
      }
      left = Math.min(left, width * 0.22, 110) + 8;
    }
    const cell = clamp(Math.floor(420 / this.rows), 1, MAX_ROW);
    const height = clamp(cell * this.rows, MIN_HEIGHT, 460);
    const room = Math.max(40, width - left - 2);
    this.box = { x: x + left, y: y + 2, width: Math.min(room, this.columns * 26), height };
    this.left = left;
    this.ratio = ratio;
    return height + 2 + (this.hasBar ? 44 : 20);
  }

  get isPooled() {
    return this.columns > this.box.width * this.ratio || this.rows > this.box.height * this.ratio;
  }

  paint(context, theme, [row, column]) {
    const { x, y, width, height } = this.box;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image(theme), x, y, width, height);
    context.strokeStyle = theme.border;
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
    if (this.hasLabels) this.paintLabels(context, theme, row);
    this.paintColumns(context, theme, column);
    if (this.hasBar) this.paintBar(context, theme);
  }

  image(theme) {
    const size = [Math.round(this.box.height * this.ratio), Math.round(this.box.width * this.ratio)];
    const name = `${theme.name} ${size.join()} ${this.limit}`;
    if (this.kept?.name !== name) {
      const small = extremes(this.values, [this.rows, this.columns], size);
      this.kept = { name, canvas: imageOf(small, theme, this) };
    }
    return this.kept.canvas;
  }

  paintLabels(context, theme, picked) {
    const { x, y, height } = this.box;
    const cell = height / this.rows;
    const step = Math.max(1, Math.ceil(LABEL_STEP / cell));
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let i = 0; i < this.rows; i += 1) {
      const isPicked = i === picked;
      if (!isPicked && (i % step || (step > 1 && Math.abs(i - picked) < step))) continue;
      context.font = `${isPicked ? "bold " : ""}11px ${theme.mono}`;
      context.fillStyle = isPicked ? theme.text : theme.muted;
      const label = fitted(context, this.strip.display[i] ?? String(i), this.left - 8);
      context.fillText(label, x - 6, y + (i + 0.5) * cell);
    }
  }

  paintColumns(context, theme, picked) {
    const { x, y, width, height } = this.box;
    context.font = `11px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(`${this.columnName} 0`, x, y + height + 10);
    context.textAlign = "right";
    context.fillText(String(this.columns - 1), x + width, y + height + 10);
    context.fillStyle = theme.text;
    const [at] = this.centre([0, picked]);
    context.fillRect(at - 0.75, y + height + 1, 1.5, 4);
  }

  paintBar(context, theme) {
    const { x, y, width, height } = this.box;
    const top = y + height + 22;
    const size = Math.min(BAR.width, width * 0.4);
    const stops = this.isWeight ? theme.sequential : theme.diverging;
    for (let i = 0; i < size; i += 1) {
      context.fillStyle = css(mix(stops, i / (size - 1)));
      context.fillRect(x + i, top, 1.5, BAR.height);
    }
    context.fillStyle = theme.muted;
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const low = this.isWeight ? "0" : format(-this.limit, 2);
    const more = this.peak > this.limit * 1.001 ? ` (largest ${format(this.peak, 3)})` : "";
    const words = `${low} to ${format(this.limit, 2)}`;
    const room = width - size - 8;
    const fits = context.measureText(words + more).width <= room;
    context.fillText(fitted(context, fits ? words + more : words, room), x + size + 8, top + 5);
  }

  centre([row, column]) {
    const { x, y, width, height } = this.box;
    return [x + ((column + 0.5) * width) / this.columns, y + ((row + 0.5) * height) / this.rows];
  }

  outline(context, [row, column], colour) {
    const { width, height } = this.box;
    const [w, h] = [Math.max(width / this.columns, 4), Math.max(height / this.rows, 4)];
    const [x, y] = this.centre([row, column]);
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.strokeRect(x - w / 2, y - h / 2, w, h);
  }

  /** The cell under a point, or null beside the sheet. */
  hit([px, py]) {
    const { x, y, width, height } = this.box;
    if (px < x || py < y || px >= x + width || py >= y + height) return null;
    return [
      Math.min(this.rows - 1, Math.floor(((py - y) / height) * this.rows)),
      Math.min(this.columns - 1, Math.floor(((px - x) / width) * this.columns)),
    ];
  }
}

const MOVES = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  PageUp: [-10, 0], PageDown: [10, 0],
};

/** The cell that a key leads to, or null for other keys. */
export function sheetTarget(event, [row, column], { rows, columns }) {
  if (event.altKey || event.metaKey || event.ctrlKey) return null;
  if (event.key === "Home") return [row, 0];
  if (event.key === "End") return [row, columns - 1];
  const move = MOVES[event.key];
  if (!move) return null;
  return [clamp(row + move[0], 0, rows - 1), clamp(column + move[1], 0, columns - 1)];
}
