// Painting the links: queries left, keys right, only what scrolls into view.

import { css, ramp, share } from "./palette.js";
import { clamp, format } from "./numbers.js";
import { fitted } from "./stage.js";

const ROW = 22;
const TOP = 30;
const MAX_HEIGHT = 620;
const MAX_LINKS = 4000;

export class LinksPicture {
  constructor(view) {
    this.view = view;
    this.links = [];
  }

  show(payload, matrix, threshold) {
    Object.assign(this, { payload, matrix });
    this.length = Math.max(matrix.rows, matrix.columns);
    this.total = TOP + this.length * ROW + 8;
    this.view.spacer.style.height = `${this.total}px`;
    this.collect(threshold);
  }

  /** Links of at least a weight, weakest first so that the strong are drawn over them. */
  collect(threshold) {
    const { matrix } = this;
    const found = [];
    for (let row = 0; row < matrix.rows; row += 1) {
      for (let column = 0; column < matrix.columns; column += 1) {
        const weight = matrix.value(row, column);
        if (weight > 0 && weight >= threshold) found.push([row, column, weight]);
      }
    }
    found.sort((a, b) => a[2] - b[2]);
    this.found = found.length;
    this.isCut = found.length > MAX_LINKS;
    this.links = this.isCut ? found.slice(-MAX_LINKS) : found;
    this.threshold = threshold;
  }

  measure(context, width) {
    context.font = `13px ${this.view.theme.mono}`;
    const limit = width * 0.28;
    const widest = (strip) =>
      Math.min(limit, Math.max(...strip.display.map((text) => context.measureText(text).width), 60));
    this.left = widest(this.payload.queries) + 10;
    this.right = width - widest(this.payload.keys) - 62;
    this.width = width;
    this.height = Math.min(this.total, MAX_HEIGHT);
    return this.height;
  }

  get offset() {
    return this.view.scroller.scrollTop;
  }

  y(index) {
    return TOP + (index + 0.5) * ROW - this.offset;
  }

  /** Scroll a token into view. */
  reveal(index) {
    const { scroller } = this.view;
    if (this.y(index) < TOP + ROW) scroller.scrollTop = index * ROW;
    else if (this.y(index) > this.height - ROW) scroller.scrollTop = (index + 2) * ROW + TOP - this.height;
  }

  paint(context) {
    const { view } = this;
    const active = view.active;
    const { theme } = view;
    this.colours = ramp(theme.sequential).map(css);
    context.save();
    context.beginPath();
    context.rect(0, TOP, this.width, this.height - TOP);
    context.clip();
    this.paintLinks(context, active);
    this.paintTokens(context, theme, "queries", active);
    this.paintTokens(context, theme, "keys", active);
    context.restore();
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.query;
    context.textAlign = "right";
    context.fillText("query (reads)", Math.max(this.left, 82), 12);
    context.fillStyle = theme.key;
    context.textAlign = "left";
    context.fillText("key (is read)", this.right, 12);
    this.paintKey(context, theme);
  }

  /** What the lines mean: a line of each of three weights. */
  paintKey(context, theme) {
    const room = this.right - this.left - 40;
    if (room < 230) return;
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.muted;
    let x = (this.left + this.right) / 2 - 112;
    context.fillText("weight", x, 12);
    x += 48;
    for (const weight of [0.1, 0.5, 1]) {
      const start = x;
      this.stroke(context, weight, () => {
        context.moveTo(start, 12);
        context.lineTo(start + 26, 12);
      });
      context.fillText(format(weight, 1), x + 32, 12);
      x += 62;
    }
  }

  /** Set colour, strength and width of a weight, then draw along a path. */
  stroke(context, weight, path) {
    const strength = share(weight, 1, "linear");
    context.strokeStyle = this.colours[Math.round((0.25 + 0.75 * strength) * 255)];
    context.globalAlpha = 0.35 + 0.65 * strength;
    context.lineWidth = 0.7 + 5 * strength;
    context.beginPath();
    path();
    context.stroke();
    context.globalAlpha = 1;
  }

  overlay() {}

  paintLinks(context, active) {
    const [x0, x1] = [this.left + 6, this.right - 6];
    const bend = (x1 - x0) * 0.45;
    const isFar = (y0, y1) => Math.max(y0, y1) < 0 || Math.min(y0, y1) > this.height;
    for (const [row, column, weight] of this.shownLinks(active)) {
      const [y0, y1] = [this.y(row), this.y(column)];
      if (isFar(y0, y1)) continue;
      this.stroke(context, weight, () => {
        context.moveTo(x0, y0);
        context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
      });
    }
  }

  shownLinks(active) {
    if (!active) return this.links;
    const { matrix } = this;
    const links = [];
    const reads = active.side === "queries";
    const count = reads ? matrix.columns : matrix.rows;
    for (let i = 0; i < count; i += 1) {
      const [row, column] = reads ? [active.index, i] : [i, active.index];
      const weight = matrix.value(row, column);
      if (weight > 0 && weight >= Math.min(this.threshold, 0.005)) links.push([row, column, weight]);
    }
    return links.sort((a, b) => a[2] - b[2]);
  }

  paintTokens(context, theme, side, active) {
    const strip = this.payload[side];
    const isLeft = side === "queries";
    const x = isLeft ? this.left : this.right;
    context.textBaseline = "middle";
    context.textAlign = isLeft ? "right" : "left";
    const first = clamp(Math.floor((this.offset - TOP) / ROW), 0, strip.length);
    const end = clamp(Math.ceil((this.offset + this.height) / ROW), 0, strip.length);
    for (let i = first; i < end; i += 1) {
      const isActive = active && active.side === side && active.index === i;
      context.font = `${isActive ? "bold " : ""}13px ${theme.mono}`;
      context.fillStyle = strip.isSpecial.has(i) ? theme.muted : theme.text;
      if (isActive) context.fillStyle = isLeft ? theme.query : theme.key;
      const limit = isLeft ? this.left - 4 : this.width - this.right - 52;
      const label = fitted(context, strip.display[i], limit);
      context.fillText(label, x, this.y(i));
      if (strip.isJoined.has(i)) this.paintJoint(context, theme, isLeft ? x + 3 : x - 4, i);
      if (active && active.side !== side) this.paintWeight(context, theme, side, active, i);
    }
  }

  paintJoint(context, theme, x, i) {
    context.strokeStyle = theme.muted;
    context.lineWidth = 1;
    context.globalAlpha = 0.6;
    context.beginPath();
    context.moveTo(x, this.y(i - 1) + 3);
    context.lineTo(x, this.y(i) - 3);
    context.stroke();
    context.globalAlpha = 1;
  }

  /** The weight itself beside each token that the active one is linked with. */
  paintWeight(context, theme, side, active, i) {
    const [row, column] = side === "keys" ? [active.index, i] : [i, active.index];
    const weight = this.matrix.value(row, column);
    if (weight < 0.005) return;
    context.fillStyle = theme.muted;
    context.font = `12px ${theme.mono}`;
    const text = format(weight, 2);
    if (side === "keys") {
      context.textAlign = "right";
      context.fillText(text, this.width - 4, this.y(i));
      context.textAlign = "left";
    } else {
      context.textAlign = "left";
      context.fillText(text, this.left + 10, this.y(i) - 8);
      context.textAlign = "right";
    }
  }

  /** The token under a point: left half queries, right half keys. */
  hit([x, y]) {
    const index = Math.floor((y + this.offset - TOP) / ROW);
    const side = x < (this.left + this.right) / 2 ? "queries" : "keys";
    const isOnToken = x <= this.left + 24 || x >= this.right - 24;
    if (y < TOP || index < 0 || index >= this.payload[side].length || !isOnToken) return null;
    return { side, index };
  }
}
