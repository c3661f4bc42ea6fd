// Weights by query and key, exact or pooled, behind one way to ask.

import { levelsOf } from "./decode.js";

/** A map of which every cell was sent. */
export class Matrix {
  constructor(array, { row = 0, column = 0 } = {}) {
    [this.rows, this.columns] = array.shape.slice(-2);
    this.codes = array.codes;
    this.levels = levelsOf(array);
    this.peak = array.peak;
    this.isExact = array.codec !== "sqrt";
    this.maxError = array.max_error;
    this.row = row;
    this.column = column;
  }

  value(row, column) {
    return this.levels[this.codes[row * this.columns + column]];
  }

  isMasked(row, column) {
    return this.codes[row * this.columns + column] === 0;
  }

  /** False where a cell was rounded so far that it carries "≈". */
  isExactAt() {
    return this.isExact;
  }

  /** One of many maps that came stacked in one array. */
  static slice(array, index) {
    const [rows, columns] = array.shape.slice(-2);
    const codes = array.codes.subarray(index * rows * columns, (index + 1) * rows * columns);
    return new Matrix({ ...array, codes, shape: [rows, columns] });
  }

  /** The largest weight of this map alone (`peak` may belong to many). */
  ownPeak() {
    if (this.top === undefined) {
      this.top = 0;
      for (const code of this.codes) if (code > this.top) this.top = code;
    }
    return this.levels[this.top] || this.peak;
  }
}

/** A map too large to send: block maxima and means, and exact cells of one window. */
export class PooledMatrix {
  constructor(payload) {
    this.rows = payload.queries.length;
    this.columns = payload.keys.length;
    this.maximum = new Matrix(payload.arrays.maximum);
    this.mean = new Matrix(payload.arrays.mean);
    this.peak = this.maximum.peak;
    this.isExact = false;
    this.isPooled = true;
    this.how = "maximum";
    this.maxError = this.maximum.maxError;
    if (payload.arrays.window) {
      this.window = new Matrix(payload.arrays.window, payload.options.window);
    }
  }

  inWindow(row, column) {
    const w = this.window;
    return Boolean(
      w && row >= w.row && row < w.row + w.rows && column >= w.column && column < w.column + w.columns,
    );
  }

  /** True where all cells of a part are exact. */
  covers({ row, column, rows, columns }) {
    return this.inWindow(row, column) && this.inWindow(row + rows - 1, column + columns - 1);
  }

  blockOf(row, column) {
    const pick = (index, length, blocks) => {
      let block = Math.min(blocks - 1, Math.floor((index * blocks) / length));
      while (block + 1 < blocks && Math.floor(((block + 1) * length) / blocks) <= index) block += 1;
      while (Math.floor((block * length) / blocks) > index) block -= 1;
      return block;
    };
    return [
      pick(row, this.rows, this.maximum.rows),
      pick(column, this.columns, this.maximum.columns),
    ];
  }

  value(row, column) {
    if (this.inWindow(row, column)) {
      return this.window.value(row - this.window.row, column - this.window.column);
    }
    return this[this.how].value(...this.blockOf(row, column));
  }

  isMasked(row, column) {
    if (!this.inWindow(row, column)) return false;
    return this.window.isMasked(row - this.window.row, column - this.window.column);
  }

  isExactAt(row, column) {
    return this.inWindow(row, column) && this.window.isExact;
  }

  ownPeak() {
    return this[this.how].ownPeak();
  }
}

/** The map of a payload, whichever way it came. */
export function matrixOf(payload) {
  return payload.options.pooled ? new PooledMatrix(payload) : new Matrix(payload.arrays.weights);
}

/** Keys of one row, largest weight first. */
export function rankedKeys(matrix, row) {
  const keys = Array.from({ length: matrix.columns }, (_, column) => column);
  return keys.sort((a, b) => matrix.value(row, b) - matrix.value(row, a) || a - b);
}
