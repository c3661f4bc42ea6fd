// A table of positions with cells as wide as there is room, and one of its columns as a wave.

import { paintSignedBar } from "./colour_bar.js";
import { MapPicture } from "./map_picture.js";
import { clamp, format } from "./numbers.js";
import { css, ramp } from "./palette.js";
import { fitted } from "./stage.js";

const MAX_CELL = 30;
const MAX_HEIGHT = 430;
const SQUARES_FROM = 7;
const LEFT = 62;
const TOP = 44;
const RIGHT = 104;
const NARROW = 520;
const WAVE_HEIGHT = 76;
const WAVE_GAP = 52;
const ROOM_DOWN = 18;
const ROOM_ACROSS = 40;

/** The step between labels: 1, 2, 5, 10, … or a power of two where the table is one. */
export function labelStep(count, size, room) {
  const least = room / size;
  if (least <= 1) return 1;
  const isBinary = count > 16 && Number.isInteger(Math.log2(count));
  for (let step = 1; ; step *= isBinary ? 2 : 10) {
    for (const times of isBinary ? [1] : [1, 2, 5]) {
      if (step * times >= least) return step * times;
    }
  }
}

export class PositionsPicture extends MapPicture {
  measure(context, theme, width, ratio) {
    const { rows, columns } = this.viewport;
    this.isNarrow = width < NARROW;
    this.ratio = ratio;
    const room = Math.max(60, width - LEFT - (this.isNarrow ? 8 : RIGHT));
    const size = (space, count) => {
      const cell = Math.min(MAX_CELL, space / count);
      return cell * ratio >= 1 ? Math.floor(cell * ratio) / ratio : cell;
    };
    const cell = [size(room, columns), size(MAX_HEIGHT, rows)];
    const [w, h] = [cell[0] * columns, cell[1] * rows];
    this.box = { x: LEFT, y: TOP, width: w, height: h, across: cell[0], down: cell[1] };
    const under = TOP + h;
    this.bar = this.isNarrow
      ? { x: LEFT, y: under + 12, length: Math.round(clamp(room - 80, 80, 200)), isUpright: false }
      : { x: LEFT + w + 20, y: TOP, length: Math.round(clamp(h - 20, 60, 320)), isUpright: true };
    const bottom = this.isNarrow ? under + 36 : Math.max(under, TOP + this.bar.length + 20);
    this.wave = { x: LEFT, y: bottom + WAVE_GAP, width: room, height: WAVE_HEIGHT };
    return this.wave.y + WAVE_HEIGHT + 38;
  }

  top(row) {
    return this.box.y + (row - this.viewport.row) * this.box.down;
  }

  left(column) {
    return this.box.x + (column - this.viewport.column) * this.box.across;
  }

  hit([px, py]) {
    const { x, y, width, height, across, down } = this.box;
    if (px < x || py < y || px >= x + width || py >= y + height) return null;
    const { row, column, rows, columns } = this.viewport;
    return [
      row + Math.min(rows - 1, Math.floor((py - y) / down)),
      column + Math.min(columns - 1, Math.floor((px - x) / across)),
    ];
  }

  outline(context, [row, column], colour, width) {
    if (!this.contains(row, column)) return;
    const { across, down } = this.box;
    const [w, h] = [Math.max(across, 5), Math.max(down, 5)];
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(this.left(column) - (w - across) / 2, this.top(row) - (h - down) / 2, w, h);
  }

  paint(context, theme, selected) {
    const { box } = this;
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    if (Math.min(box.across, box.down) >= SQUARES_FROM) this.paintSquares(context, theme);
    else this.paintPixels(context, theme);
    context.restore();
    this.paintAxes(context, theme, selected);
    paintSignedBar(context, theme, { ...this.bar, peak: this.peak, unit: this.unit });
  }

  colours(theme) {
    return ramp(theme.diverging);
  }

  paintSquares(context, theme) {
    const { viewport: v, box, matrix } = this;
    const gap = Math.min(box.across, box.down) >= 12 ? 1 : 0.5;
    const colours = this.colours(theme).map(css);
    for (let row = v.row; row < v.row + v.rows; row += 1) {
      for (let column = v.column; column < v.column + v.columns; column += 1) {
        if (matrix.isMasked(row, column)) continue;
        const at = clamp(0.5 + matrix.value(row, column) / (2 * matrix.limit), 0, 1);
        context.fillStyle = colours[Math.round(at * 255)];
        context.fillRect(this.left(column), this.top(row), box.across - gap, box.down - gap);
      }
    }
  }

  /** The overview as it was sent; zoomed in, every number by itself. */
  paintPixels(context, theme) {
    const { matrix, viewport: v, box } = this;
    const isWhole = !this.isZoomed || !matrix.isExact;
    const [rows, columns] = isWhole ? [matrix.blockRows, matrix.blockColumns] : [v.rows, v.columns];
    const share = isWhole
      ? (row, column) => matrix.shade(row * columns + column)
      : (row, column) =>
          matrix.isMasked(v.row + row, v.column + column)
            ? null
            : matrix.value(v.row + row, v.column + column) / matrix.limit;
    const image = this.image(rows, columns, share, theme);
    const isSmaller = (box.width * this.ratio) / columns < 1 || (box.height * this.ratio) / rows < 1;
    context.imageSmoothingEnabled = isSmaller;
    context.imageSmoothingQuality = "high";
    if (!isWhole || !this.isZoomed) context.drawImage(image, box.x, box.y, box.width, box.height);
    else {
      const size = [matrix.columns * box.across, matrix.rows * box.down];
      context.drawImage(image, this.left(0), this.top(0), ...size);
    }
  }

  image(rows, columns, share, theme) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [columns, rows];
    const data = new ImageData(columns, rows);
    const packed = new Uint32Array(data.data.buffer);
    const colours = this.colours(theme).map(([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r);
    for (let row = 0, i = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1, i += 1) {
        const value = share(row, column);
        if (value !== null) packed[i] = colours[Math.round(clamp(0.5 + value / 2, 0, 1) * 255)];
      }
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas;
  }

  paintAxes(context, theme, [pickedRow, pickedColumn]) {
    const { x, y, height, across, down } = this.box;
    const { row, column, rows, columns } = this.viewport;
    context.textBaseline = "middle";
    context.textAlign = "right";
    this.labels(row, rows, down, ROOM_DOWN, pickedRow, (i, isPicked) => {
      this.labelStyle(context, theme, isPicked, "query");
      context.fillText(this.queries.display[i], x - 8, this.top(i) + down / 2);
    });
    context.textAlign = "center";
    this.labels(column, columns, across, ROOM_ACROSS, pickedColumn, (i, isPicked) => {
      this.labelStyle(context, theme, isPicked, "key");
      context.fillText(this.keys.display[i], this.left(i) + across / 2, y - 11);
    });
    const [down_, across_] = this.axes;
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.query;
    context.save();
    context.translate(9, y + Math.max(height, 70) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(down_.name, 0, 0);
    context.restore();
    context.textAlign = "left";
    context.fillStyle = theme.key;
    context.fillText(`${across_.name} →`, x, y - 31);
  }

  labelStyle(context, theme, isPicked, part) {
    context.font = `${isPicked ? "bold " : ""}11.5px ${theme.mono}`;
    context.fillStyle = isPicked ? theme[part] : theme.muted;
  }

  /** Visit the labels that have room; the picked one always has. */
  labels(start, count, size, room, picked, visit) {
    const step = labelStep(count, size, room);
    const isShown = picked >= start && picked < start + count;
    const first = Math.ceil(start / step) * step;
    for (let i = first; i < start + count; i += step) {
      if (!isShown || i === picked || Math.abs(i - picked) * size >= room * 0.8) visit(i, i === picked);
    }
    if (isShown && (picked - first) % step) visit(picked, true);
  }

  /** One column over all positions, and where a row stands in it. */
  paintWave(context, theme, [row, column], words) {
    const { x, y, width, height } = this.wave;
    const { matrix } = this;
    const at = (i) => x + (matrix.rows > 1 ? (i / (matrix.rows - 1)) * width : width / 2);
    const reach = matrix.reach(column);
    const lift = (value) => y + height / 2 - (value / reach) * (height / 2);
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = theme.text;
    context.fillText(fitted(context, words, width), x, y - 18);
    context.strokeStyle = theme.border;
    context.lineWidth = 1;
    context.strokeRect(x, y, width, height);
    context.beginPath();
    context.moveTo(x, lift(0));
    context.lineTo(x + width, lift(0));
    context.stroke();
    this.paintLine(context, theme, column, at, lift);
    context.strokeStyle = theme.query;
    context.beginPath();
    context.moveTo(at(row), y);
    context.lineTo(at(row), y + height);
    context.stroke();
    if (!matrix.isMasked(row, column)) {
      context.fillStyle = theme.query;
      context.beginPath();
      context.arc(at(row), lift(matrix.value(row, column)), 4, 0, 2 * Math.PI);
      context.fill();
    }
    this.paintWaveAxis(context, theme, at, reach);
  }

  paintLine(context, theme, column, at, lift) {
    const { matrix } = this;
    context.strokeStyle = theme.key;
    context.lineWidth = 1.5;
    context.beginPath();
    let isOpen = false;
    for (let i = 0; i < matrix.rows; i += 1) {
      if (matrix.isMasked(i, column)) continue;
      const point = [at(i), lift(matrix.value(i, column))];
      if (isOpen) context.lineTo(...point);
      else context.moveTo(...point);
      isOpen = true;
    }
    context.stroke();
  }

  paintWaveAxis(context, theme, at, reach) {
    const { x, y, width, height } = this.wave;
    const n = this.matrix.rows;
    context.font = `11.5px ${theme.mono}`;
    context.fillStyle = theme.muted;
    context.textAlign = "center";
    const step = labelStep(n, width / n, 56);
    for (let i = 0; i < n; i += step) {
      if (at(i) < x + width - 76 || i === 0) context.fillText(this.queries.display[i], at(i), y + height + 12);
    }
    context.textAlign = "right";
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.query;
    context.fillText(this.axes[0].name, x + width, y + height + 13);
    context.fillStyle = theme.muted;
    context.fillText(`+${format(reach, 2)}`, x - 8, y + 5);
    context.fillText(`−${format(reach, 2)}`, x - 8, y + height - 5);
    context.textAlign = "left";
  }
}
