// Painting one dot product: the query, the key, their products, and the sum as it grows.

import { css, mix } from "./palette.js";
import { format } from "./numbers.js";

const LEFT = 74;
const RIGHT = 14;
const STRIP = 20;
const BARS = 190;
const SUM = 110;

export class DimsPicture {
  constructor(view) {
    this.view = view;
    this.at = -1;
    this.bars = [];
  }

  show(evidence, [row, column], order) {
    const products = evidence.products(row, column);
    this.bars = Array.from(products, (value, dimension) => ({
      dimension,
      value,
      q: evidence.queryAt(row, dimension),
      k: evidence.keyAt(column, dimension),
    }));
    if (order === "size") this.bars.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    let sum = 0;
    for (const bar of this.bars) {
      sum += bar.value;
      bar.sum = sum;
    }
    this.total = sum;
    this.at = -1;
    const largest = (name) => Math.max(...this.bars.map((bar) => Math.abs(bar[name])), 1e-12);
    this.peaks = { q: largest("q"), k: largest("k"), value: largest("value"), sum: largest("sum") };
  }

  measure(context, width) {
    this.step = (width - LEFT - RIGHT) / this.bars.length;
    this.width = width;
    return 2 * (STRIP + 8) + BARS + SUM + 66;
  }

  x(i) {
    return LEFT + i * this.step;
  }

  paint(context) {
    const { theme } = this.view;
    const gap = this.step > 6 ? 1 : 0.3;
    this.paintStrip(context, theme, 4, "q", "query", gap);
    this.paintStrip(context, theme, 4 + STRIP + 6, "k", "key", gap);
    this.paintProducts(context, theme, 2 * (STRIP + 8) + 6, gap);
    this.paintSum(context, theme, 2 * (STRIP + 8) + BARS + 40);
    this.paintLabel(context, theme.muted, "dimension", 2 * (STRIP + 8) + BARS + 20);
    this.paintDimensions(context, theme, 2 * (STRIP + 8) + BARS + 20);
  }

  paintLabel(context, colour, text, y, font = `12px ${this.view.theme.font}`) {
    context.font = font;
    context.fillStyle = colour;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(text, LEFT - 8, y);
  }

  paintStrip(context, theme, y, name, part, gap) {
    const mono = `bold 13px ${theme.mono}`;
    this.paintLabel(context, theme[part], name, y + STRIP / 2, mono);
    this.bars.forEach((bar, i) => {
      context.fillStyle = css(mix(theme.diverging, 0.5 + (bar[name] / this.peaks[name]) * 0.5));
      context.fillRect(this.x(i), y, Math.max(this.step - gap, 0.7), STRIP);
    });
  }

  /** Bars from 0 up and down, as much room on either side as the largest there needs. */
  paintProducts(context, theme, y, gap) {
    const high = Math.max(0, ...this.bars.map((bar) => bar.value));
    const low = Math.min(0, ...this.bars.map((bar) => bar.value));
    const unit = (BARS - 8) / (high - low || 1);
    const middle = y + 4 + high * unit;
    const nameY = Math.min(Math.max(middle, y + 24), y + BARS - 24);
    this.paintLabel(context, theme.text, "q × k", nameY, `bold 13px ${theme.mono}`);
    if (high) this.paintLabel(context, theme.muted, format(high, 2), y + 6);
    if (low) this.paintLabel(context, theme.muted, format(low, 2), y + BARS - 6);
    this.bars.forEach((bar, i) => {
      const height = bar.value * unit;
      context.fillStyle = css(mix(theme.diverging, bar.value < 0 ? 0 : 1));
      context.fillRect(this.x(i), Math.min(middle, middle - height), Math.max(this.step - gap, 0.7), Math.abs(height));
    });
    this.line(context, theme.muted, middle);
  }

  line(context, colour, y) {
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(this.width - RIGHT, y);
    context.stroke();
  }

  paintDimensions(context, theme, y) {
    context.textAlign = "center";
    context.font = `11px ${theme.mono}`;
    const every = Math.ceil(22 / this.step);
    for (let i = 0; i < this.bars.length; i += every) {
      context.fillText(String(this.bars[i].dimension), this.x(i) + this.step / 2, y);
    }
  }

  paintSum(context, theme, y) {
    const low = Math.min(0, ...this.bars.map((bar) => bar.sum));
    const high = Math.max(0, ...this.bars.map((bar) => bar.sum)) || 1;
    const place = (sum) => y + 8 + ((high - sum) / (high - low || 1)) * (SUM - 24);
    this.line(context, theme.track, place(0));
    this.paintLabel(context, theme.muted, "sum so far", y + SUM / 2 - 4);
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(LEFT, place(0));
    this.bars.forEach((bar, i) => {
      context.lineTo(this.x(i), place(bar.sum));
      context.lineTo(this.x(i + 1), place(bar.sum));
    });
    context.stroke();
    context.font = `bold 13px ${theme.mono}`;
    context.fillStyle = theme.text;
    context.textAlign = "right";
    const end = place(this.total);
    context.fillText(`q · k = ${format(this.total)}`, this.width - RIGHT, end + (end > y + 40 ? -12 : 14));
  }

  overlay(context) {
    if (this.at < 0) return;
    const { theme } = this.view;
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.strokeRect(this.x(this.at) - 1, 2, this.step + 1, 2 * (STRIP + 8) + BARS + 6);
  }

  hit([x]) {
    const i = Math.floor((x - LEFT) / this.step);
    return i >= 0 && i < this.bars.length ? i : -1;
  }
}
