// Links that a sparser model lacks: small and struck out on the map of the model that has them.

import { css, ramp, share } from "./palette.js";

const SMALLEST_MARK = 6;

/** Which cells are lost, as one was sent. */
export class LostLinks {
  constructor(array) {
    [this.rows, this.columns] = array.shape;
    this.codes = array.codes;
  }

  has(row, column) {
    return this.codes[row * this.columns + column] === 1;
  }
}

export function paintLost(context, picture, theme) {
  const { matrix, box, viewport: v, peak, scale, lost } = picture;
  const colours = ramp(theme.sequential).map(css);
  const size = box.cell;
  const inner = Math.max(2, Math.round(size * 0.46));
  const shift = (size - inner) / 2;
  context.save();
  for (let row = v.row; row < v.row + v.rows; row += 1) {
    for (let column = v.column; column < v.column + v.columns; column += 1) {
      if (!lost.has(row, column)) continue;
      const [x, y] = [picture.left(column), picture.top(row)];
      context.globalAlpha = size < SMALLEST_MARK ? 0.7 : 1;
      context.fillStyle = theme.card;
      context.fillRect(x, y, size, size);
      if (size < SMALLEST_MARK) continue;
      context.fillStyle = colours[Math.round(share(matrix.value(row, column), peak, scale) * 255)];
      context.fillRect(x + shift, y + shift, inner, inner);
      strike(context, theme, x, y, size);
    }
  }
  context.restore();
}

function strike(context, theme, x, y, size) {
  const edge = size * 0.16;
  context.globalAlpha = 0.75;
  context.strokeStyle = theme.muted;
  context.lineWidth = size >= 16 ? 1.25 : 1;
  context.beginPath();
  context.moveTo(x + edge, y + size - edge);
  context.lineTo(x + size - edge, y + edge);
  context.stroke();
}
