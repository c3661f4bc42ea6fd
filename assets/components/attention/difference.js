// The difference of two maps over the tokens that they share.

import { paintSignedBar } from "./colour_bar.js";
import { MapPicture } from "./map_picture.js";
import { css, ramp } from "./palette.js";

const DIFFERENCE_CELL = 7;

/** Second minus first, by aligned query and aligned key. */
export class DifferenceMatrix {
  constructor(first, second, queryPairs, keyPairs) {
    this.rows = queryPairs.length;
    this.columns = keyPairs.length;
    this.values = new Float32Array(this.rows * this.columns);
    queryPairs.forEach(([i, k], row) => {
      keyPairs.forEach(([j, m], column) => {
        this.values[row * this.columns + column] = second.value(k, m) - first.value(i, j);
      });
    });
  }

  value(row, column) {
    return this.values[row * this.columns + column];
  }

  isMasked() {
    return false;
  }

  /** The largest difference either way. */
  ownPeak() {
    let top = 0;
    for (const value of this.values) top = Math.max(top, Math.abs(value));
    return top || 1e-12;
  }
}

/** A map of differences: one colour where the second has more, another where the first has. */
export class DifferencePicture extends MapPicture {
  paint(context, theme, selected) {
    const { box } = this;
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    if (box.cell >= DIFFERENCE_CELL) this.paintSquares(context, theme);
    else this.paintPixels(context, theme);
    context.restore();
    this.paintLabels(context, theme, selected);
    this.paintAxisNames(context, theme);
    paintSignedBar(context, theme, { ...this.bar, peak: this.peak, unit: this.unit });
  }

  share(value) {
    return 0.5 + value / (2 * this.peak);
  }

  paintSquares(context, theme) {
    const { viewport: v, box, matrix } = this;
    const gap = box.cell >= 12 ? 1 : 0.5;
    const colours = ramp(theme.diverging).map(css);
    for (let row = v.row; row < v.row + v.rows; row += 1) {
      for (let column = v.column; column < v.column + v.columns; column += 1) {
        context.fillStyle = colours[Math.round(this.share(matrix.value(row, column)) * 255)];
        context.fillRect(this.left(column), this.top(row), box.cell - gap, box.cell - gap);
      }
    }
  }

  paintPixels(context, theme) {
    const { matrix, box } = this;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [matrix.columns, matrix.rows];
    const data = new ImageData(matrix.columns, matrix.rows);
    const colours = ramp(theme.diverging);
    matrix.values.forEach((value, i) => {
      data.data.set([...colours[Math.round(this.share(value) * 255)], 255], 4 * i);
    });
    canvas.getContext("2d").putImageData(data, 0, 0);
    context.imageSmoothingEnabled = false;
    const size = [matrix.columns * box.cell, matrix.rows * box.cell];
    context.drawImage(canvas, this.left(0), this.top(0), ...size);
  }
}
