// All heads at a glance: layers down, heads across.

import { paintColourBar } from "./colour_bar.js";
import { codeColours } from "./palette.js";
import { Matrix } from "./matrix.js";
import { clamp, format } from "./numbers.js";

const MAX_THUMBNAIL = 96;
const LEGEND_HEIGHT = 44;
const LEGEND_BAR = 130;

/** Lays out and paints the thumbnails of a payload with `n_layers` and `n_heads`. */
export class HeadsPicture {
  constructor(owner, { hasLabels = true } = {}) {
    this.owner = owner;
    this.hasLabels = hasLabels;
    this.isShared = true;
    this.hovered = null;
    this.images = new Map();
  }

  show(payload) {
    const { n_layers: layers, n_heads: heads, selected } = payload.options;
    Object.assign(this, { layers, heads, facts: payload.options.heads || [] });
    this.array = payload.arrays.thumbnails;
    this.peak = this.array.peak;
    this.selected = selected || this.selected || [0, 0];
    this.focus = this.selected;
    this.images.clear();
  }

  matrix([layer, head]) {
    return Matrix.slice(this.array, layer * this.heads + head);
  }

  measure(context, width) {
    const left = this.hasLabels ? 34 : 2;
    const top = this.hasLabels ? 22 : 2;
    const gap = width / this.heads < 24 ? 1 : this.hasLabels ? 4 : 2;
    const size = Math.min((width - left - 2) / this.heads - gap, MAX_THUMBNAIL);
    this.box = { left, top, gap, size: Math.max(size, 3) };
    this.legendY = top + this.layers * (this.box.size + gap) + 8;
    // Where words and bar do not fit beside each other, the bar stands below.
    this.isStacked = width < 430;
    return this.legendY + LEGEND_HEIGHT + (this.isStacked ? 20 : 0);
  }

  corner([layer, head]) {
    const { left, top, gap, size } = this.box;
    return [left + head * (size + gap), top + layer * (size + gap)];
  }

  paint(context) {
    const { theme } = this.owner;
    const name = `${theme.name} ${this.isShared}`;
    if (this.imageName !== name) this.images.clear();
    this.imageName = name;
    for (let layer = 0; layer < this.layers; layer += 1) {
      for (let head = 0; head < this.heads; head += 1) this.paintHead(context, [layer, head]);
    }
    if (this.hasLabels) this.paintLabels(context, theme);
    this.paintLegend(context, theme);
  }

  paintHead(context, at) {
    const [x, y] = this.corner(at);
    const { size } = this.box;
    const image = this.image(at);
    const isSmaller = image.width > size * this.ratio;
    context.imageSmoothingEnabled = isSmaller;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, x, y, size, size);
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  image(at) {
    const key = String(at);
    if (this.images.has(key)) return this.images.get(key);
    const { theme } = this.owner;
    const matrix = this.matrix(at);
    const peak = this.isShared ? matrix.peak : matrix.ownPeak();
    const colours = codeColours(matrix, theme.sequential, peak, this.owner.state.scale);
    const canvas = document.createElement("canvas");
    canvas.width = matrix.columns;
    canvas.height = matrix.rows;
    const data = new ImageData(matrix.columns, matrix.rows);
    const pixels = new Uint32Array(data.data.buffer);
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[matrix.codes[i]] || colours[1];
    canvas.getContext("2d").putImageData(data, 0, 0);
    this.images.set(key, canvas);
    return canvas;
  }

  paintLabels(context, theme) {
    const { size, left, top } = this.box;
    context.fillStyle = theme.muted;
    context.font = `12px ${theme.mono}`;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const every = Math.ceil(14 / size);
    for (let layer = 0; layer < this.layers; layer += every) {
      context.fillText(`L${layer}`, left - 8, this.corner([layer, 0])[1] + size / 2);
    }
    context.textAlign = "center";
    const step = Math.ceil(26 / size);
    for (let head = 0; head < this.heads; head += step) {
      context.fillText(`H${head}`, this.corner([0, head])[0] + size / 2, top - 10);
    }
  }

  /** What down and across mean in every map, and which colour is which weight. */
  paintLegend(context, theme) {
    const { left } = this.box;
    const y = this.legendY;
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = theme.query;
    context.fillText("↓ query (reads)", left, y + 5);
    const gap = context.measureText("↓ query (reads)").width + 14;
    context.fillStyle = theme.key;
    context.fillText("→ key (is read)", left + gap, y + 5);
    const bar = { length: LEGEND_BAR, isUpright: false, unit: "weight", scale: this.owner.state.scale };
    const x = this.isStacked ? left + 8 : left + 2 * gap + 20;
    const place = { x, y: this.isStacked ? y + 20 : y };
    const ends = this.isShared ? null : ["0", "its largest"];
    paintColourBar(context, theme, { ...bar, ...place, peak: this.peak, ends });
  }

  overlay(context) {
    const { theme } = this.owner;
    this.frameHead(context, this.selected, theme.text, 2.5);
    const other = this.hovered || (this.hasFocus && this.focus);
    if (other && String(other) !== String(this.selected)) this.frameHead(context, other, theme.query, 2);
  }

  frameHead(context, at, colour, width) {
    const [x, y] = this.corner(at);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x - 0.5, y - 0.5, this.box.size + 1, this.box.size + 1);
  }

  hit([px, py]) {
    const { left, top, gap, size } = this.box;
    const at = [Math.floor((py - top) / (size + gap)), Math.floor((px - left) / (size + gap))];
    const isInside = at[0] >= 0 && at[1] >= 0 && at[0] < this.layers && at[1] < this.heads;
    return isInside ? at : null;
  }

  /** "L3 H1: entropy 1.88 bits, mean distance 6.0 tokens." */
  describe([layer, head]) {
    const facts = (this.facts[layer] || [])[head] || {};
    const parts = [];
    if (facts.entropy !== undefined) parts.push(`entropy ${format(facts.entropy)} bits`);
    if (facts.distance !== undefined) parts.push(`mean distance ${format(facts.distance, 2)} tokens`);
    if (facts.role) parts.push(facts.role);
    return `L${layer} H${head}${parts.length ? `: ${parts.join(", ")}` : ""}`;
  }

  moveFocus([down, across]) {
    this.focus = [
      clamp(this.focus[0] + down, 0, this.layers - 1),
      clamp(this.focus[1] + across, 0, this.heads - 1),
    ];
  }
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Pointer and keyboard on a picture of heads. */
export function bindHeads(stage, picture, { onMove, onSay, onOpen }) {
  const { node } = stage;
  const move = (at) => {
    picture.hovered = at;
    stage.hover();
    onMove(picture.describe(at || picture.selected));
  };
  node.addEventListener("pointermove", (event) => move(picture.hit(stage.point(event))));
  node.addEventListener("pointerleave", () => move(null));
  node.addEventListener("click", (event) => {
    const at = picture.hit(stage.point(event));
    if (at) open(at);
  });
  node.addEventListener("focus", () => setFocus(true));
  node.addEventListener("blur", () => setFocus(false));
  node.addEventListener("keydown", (event) => {
    if (STEPS[event.key]) {
      picture.moveFocus(STEPS[event.key]);
      move(picture.focus);
      onSay(picture.describe(picture.focus));
    } else if (event.key === "Enter" || event.key === " ") {
      open(picture.focus);
    } else {
      return;
    }
    event.preventDefault();
  });

  function setFocus(hasFocus) {
    picture.hasFocus = hasFocus;
    stage.hover();
  }

  function open(at) {
    picture.selected = at;
    picture.focus = at;
    stage.hover();
    onOpen(at);
  }
}
