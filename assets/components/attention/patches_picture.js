// The picture of the patches: what was read, and weights over it. Knows nothing of events.

import { css, ramp } from "./palette.js";
import { format } from "./numbers.js";

const PATCH_TITLE = 26;
const PATCH_FOOT = 46;
const PATCH_GAP = 24;
const PATCH_WIDE = 620;
const PATCH_MAX = 340;
const PATCH_OPACITY = 0.9;
const PATCH_BAR = 8;
const PATCH_SHARP = 64;

export class PatchesPicture {
  constructor(array, grid, labels) {
    [this.rows, this.columns] = grid;
    this.labels = labels;
    this.image = canvasOf(array);
    this.how = "over";
  }

  /** Wide: the picture and two maps in a row. Narrow: the two maps below each other. */
  measure(width) {
    const isWide = width >= PATCH_WIDE;
    const shown = isWide ? [-1, 0, 1] : [0, 1];
    const across = isWide ? 3 : 1;
    const w = Math.min(PATCH_MAX, (width - PATCH_GAP * (across - 1)) / across);
    const cell = Math.max(1, Math.floor(Math.min(w / this.columns, (PATCH_MAX * 1.2) / this.rows) * 2) / 2);
    const size = [cell * this.columns, cell * this.rows];
    const step = [isWide ? size[0] + PATCH_GAP : 0, isWide ? 0 : PATCH_TITLE + size[1] + PATCH_FOOT];
    this.panels = shown.map((map, i) => ({
      map,
      x: 1 + i * step[0],
      y: PATCH_TITLE + i * step[1],
      width: size[0],
      height: size[1],
    }));
    this.cell = cell;
    return PATCH_TITLE + size[1] + PATCH_FOOT + step[1] * (shown.length - 1);
  }

  /** `rows`: for each map the weights of the picked query. */
  paint(context, theme, rows) {
    for (const panel of this.panels) {
      const title = panel.map < 0 ? "As the model reads it" : this.labels[panel.map];
      context.font = `600 13px ${theme.font}`;
      context.fillStyle = theme.text;
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText(title, panel.x, panel.y - 13);
      this.paintImage(context, panel);
      if (panel.map >= 0) {
        this.paintWeights(context, theme, panel, rows[panel.map]);
        this.paintBar(context, theme, panel, rows[panel.map]);
      }
      this.paintGrid(context, theme, panel);
    }
  }

  paintImage(context, { x, y, width, height, map }) {
    if (map >= 0 && this.how === "alone") return;
    context.imageSmoothingEnabled = this.image.width > PATCH_SHARP;
    context.drawImage(this.image, x, y, width, height);
  }

  paintWeights(context, theme, { x, y }, { patches, peak }) {
    const colours = ramp(theme.sequential).map(css);
    context.save();
    patches.forEach((weight, i) => {
      const share = Math.min(1, weight / peak);
      context.globalAlpha = this.how === "over" ? share * PATCH_OPACITY : 1;
      context.fillStyle = this.how === "over" ? theme.key : colours[Math.round(share * 255)];
      const [row, column] = [Math.floor(i / this.columns), i % this.columns];
      context.fillRect(x + column * this.cell, y + row * this.cell, this.cell, this.cell);
    });
    context.restore();
  }

  paintGrid(context, theme, { x, y, width, height }) {
    context.save();
    context.strokeStyle = theme.muted;
    context.lineWidth = 1;
    context.globalAlpha = 0.28;
    context.beginPath();
    if (this.cell >= 8) {
      for (let i = 1; i < this.columns; i += 1) {
        context.moveTo(x + i * this.cell, y);
        context.lineTo(x + i * this.cell, y + height);
      }
      for (let i = 1; i < this.rows; i += 1) {
        context.moveTo(x, y + i * this.cell);
        context.lineTo(x + width, y + i * this.cell);
      }
    }
    context.stroke();
    context.globalAlpha = 1;
    context.strokeStyle = theme.border;
    context.strokeRect(x, y, width, height);
    context.restore();
  }

  /** What the colours stand for, and how much lies on no patch. */
  paintBar(context, theme, { x, y, width, height }, { peak, sum }) {
    const length = Math.min(120, width * 0.45);
    const top = y + height + 8;
    const colours = ramp(theme.sequential).map(css);
    context.save();
    for (let i = 0; i < length; i += 2) {
      const share = i / (length - 2);
      context.globalAlpha = this.how === "over" ? share * PATCH_OPACITY : 1;
      context.fillStyle = this.how === "over" ? theme.key : colours[Math.round(share * 255)];
      context.fillRect(x + i, top, 2, PATCH_BAR);
    }
    context.globalAlpha = 1;
    context.strokeStyle = theme.border;
    context.strokeRect(x, top, length, PATCH_BAR);
    context.fillStyle = theme.muted;
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText("0", x, top + 20);
    context.textAlign = "right";
    context.fillText(format(peak, 2), x + length, top + 20);
    context.textAlign = "left";
    context.fillText(`on patches ${format(sum)}`, x + length + 12, top + 5);
    if (1 - sum > 5e-4) context.fillText(`elsewhere ${format(1 - sum)}`, x + length + 12, top + 20);
    context.restore();
  }

  /** Outline a patch on every panel; a halo keeps it visible over any picture. */
  outline(context, patch, colour, halo, width) {
    if (patch < 0) return;
    const [row, column] = [Math.floor(patch / this.columns), patch % this.columns];
    for (const { x, y } of this.panels) {
      const box = [x + column * this.cell, y + row * this.cell, this.cell, this.cell];
      context.strokeStyle = halo;
      context.lineWidth = width + 2;
      context.strokeRect(...box);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(...box);
    }
  }

  /** The position of the patch under a point, counted with special tokens; null beside the panels. */
  hit([px, py], nSpecial = this.nSpecial) {
    for (const { x, y, width, height } of this.panels) {
      if (px < x || py < y || px >= x + width || py >= y + height) continue;
      const row = Math.floor((py - y) / this.cell);
      return nSpecial + row * this.columns + Math.floor((px - x) / this.cell);
    }
    return null;
  }
}

function canvasOf(array) {
  const [height, width] = array.shape;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const data = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) data.data[4 * i + channel] = array.codes[3 * i + channel];
    data.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}
