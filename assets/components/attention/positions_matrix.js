// Position by dimension: numbers from their formula where there is one, colours from what was sent.

const BASE = 10000;

/** Radians that a pair of dimensions turns a position. */
export function speedOf(pair, width, base = BASE) {
  return base ** ((-2 * pair) / width);
}

/** Positions after which a pair is back where it was. */
export function wavelengthOf(pair, width, base = BASE) {
  return (2 * Math.PI) / speedOf(pair, width, base);
}

/** The paper's table: a sine at even dimensions, the cosine of the same angle beside it. */
function paper(row, column, { width, base }) {
  const angle = row * speedOf(Math.floor(column / 2), width, base);
  return column % 2 ? Math.cos(angle) : Math.sin(angle);
}

/** As many tutorials print it: the exponent doubled, and another one for each cosine. */
function tutorial(row, column, { width, base }) {
  const angle = row * base ** ((-2 * column) / width);
  return column % 2 ? Math.cos(angle) : Math.sin(angle);
}

const FORMULAS = {
  sinusoidal: paper,
  tutorial,
  difference: (row, column, options) => tutorial(row, column, options) - paper(row, column, options),
  rotary(row, column, { width, base }) {
    const half = width / 2;
    const angle = row * speedOf(column % half, width, base);
    return column < half ? Math.cos(angle) : Math.sin(angle);
  },
  alibi: (row, column, { slope }) => -slope * Math.abs(row - column) || 0,
};

const MASKED = 255;
const MIDDLE = 127;

export class PositionsMatrix {
  constructor(payload) {
    const { options, arrays } = payload;
    [this.rows, this.columns] = options.shape;
    this.options = options;
    this.limit = options.limit || 1;
    this.formula = FORMULAS[options.formula.kind] || null;
    this.codes = arrays.codes && arrays.codes.codes;
    this.values = arrays.values && arrays.values.codes;
    [this.blockRows, this.blockColumns] = (arrays.codes || arrays.values).shape;
  }

  get isPooled() {
    return this.blockRows < this.rows || this.blockColumns < this.columns;
  }

  /** Whether each number is there, and not only the mean of its block. */
  get isExact() {
    return Boolean(this.formula) || !this.isPooled;
  }

  isMasked(row, column) {
    return this.options.formula.is_causal && column > row;
  }

  value(row, column) {
    if (this.formula) return this.formula(row, column, this.options.formula);
    return this.values[this.blockAt(row, column)];
  }

  blockAt(row, column) {
    const at = (index, n, blocks) => Math.min(blocks - 1, Math.floor((index * blocks) / n));
    const block = [at(row, this.rows, this.blockRows), at(column, this.columns, this.blockColumns)];
    return block[0] * this.blockColumns + block[1];
  }

  /** From −1 to 1 for a block of the overview, or null where it is masked. */
  shade(block) {
    if (!this.codes) return this.values[block] / this.limit;
    const code = this.codes[block];
    return code === MASKED ? null : (code - MIDDLE) / MIDDLE;
  }

  /** The largest number of a column, which its wave is drawn by. */
  reach(column) {
    if (this.formula) return this.limit;
    let reach = 0;
    for (let row = 0; row < this.rows; row += 1) reach = Math.max(reach, Math.abs(this.value(row, column)));
    return reach || 1;
  }

  /** What the ends of the colour scale stand for. */
  ownPeak() {
    return this.limit;
  }
}
