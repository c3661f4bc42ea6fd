// Source words above, target words below, and a line for every weight worth seeing.

import { mix, css } from "./palette.js";

const FAINT = 0.1;
const GAP = 12;
const MAX_GAP = 44;
const ROW = 28;
const BAND = 50;
const LABEL = 18;
const BESIDE = 92;

/** Paints the words of a payload. `view` gives payload, weights, words, theme and `hovered`. */
export class AlignmentPicture {
  constructor(view) {
    this.view = view;
    this.spots = {};
  }

  measure(context, room) {
    const { view } = this;
    const isNarrow = room < 560;
    this.size = isNarrow ? 15 : 17;
    this.left = isNarrow ? 0 : BESIDE;
    this.above = isNarrow ? LABEL : 0;
    context.font = `600 ${this.size}px ${view.theme.mono}`;
    const rows = { source: view.payload.keys.display, target: view.words.map((word) => word.text) };
    const widths = Object.fromEntries(
      Object.entries(rows).map(([name, words]) => [name, words.map((word) => Math.ceil(context.measureText(word).width) + 8)]),
    );
    const natural = Object.values(widths).map((all) => sum(all) + GAP * (all.length - 1));
    const total = Math.max(...natural);
    this.top = { source: this.above, target: this.above + ROW + BAND };
    this.boxes = {};
    for (const [name, all] of Object.entries(widths)) {
      const spare = (total - sum(all)) / Math.max(1, all.length - 1);
      const gap = Math.min(Math.max(GAP, spare), MAX_GAP);
      let x = this.left;
      this.boxes[name] = all.map((width) => {
        const box = { x, y: this.top[name], width, height: ROW };
        x += width + gap;
        return box;
      });
    }
    this.height = 2 * this.above + 2 * ROW + BAND + 2;
    this.isCut = total + this.left + 2 > room;
    this.width = Math.max(room, Math.ceil(total) + this.left + 2);
    this.spots = this.spotsOf(rows);
    return [this.width, this.height];
  }

  spotsOf(rows) {
    const spots = {};
    for (const name of ["source", "target"]) {
      this.boxes[name].forEach((box, i) => {
        spots[`${name}-${i}`] = { ...box, label: name === "target" ? this.view.sentence(i) : `${rows.source[i]}, source word` };
      });
    }
    return spots;
  }

  paint(context) {
    this.context = context;
    const shift = this.above ? -ROW / 2 - LABEL / 2 + 2 : 0;
    this.label("Source", this.top.source + ROW / 2 + shift);
    this.label("Translation", this.top.target + ROW / 2 - shift);
    const { hovered, weights } = this.view;
    const [side, index] = hovered || [null, null];
    for (const [target, source, weight] of this.lines()) {
      const isOn = side === "target" ? index === target : index === source;
      this.line(target, source, weight, side === null ? "all" : isOn ? "on" : "off");
    }
    this.boxes.source.forEach((box, i) => {
      const share = side === "target" ? weights.value(index, i) : side === "source" && index === i ? 1 : 0;
      this.word(this.view.payload.keys.display[i], box, share, side === "source" && index === i ? "key" : "");
    });
    this.boxes.target.forEach((box, i) => {
      const share = side === "source" ? weights.value(i, index) : 0;
      this.word(this.view.words[i].text, box, share, side === "target" && index === i ? "query" : "", "600 ");
    });
  }

  overlay() {}

  /** Pairs with their weight, faint first, so that strong lines lie above. */
  lines() {
    const { weights } = this.view;
    const found = [];
    for (let target = 0; target < this.boxes.target.length; target += 1) {
      for (let source = 0; source < this.boxes.source.length; source += 1) {
        const weight = weights.value(target, source);
        if (weight >= FAINT) found.push([target, source, weight]);
      }
    }
    return found.sort((a, b) => a[2] - b[2]);
  }

  line(target, source, weight, state) {
    const { context } = this;
    const { theme } = this.view;
    const [from, to] = [this.boxes.source[source], this.boxes.target[target]];
    const [x0, y0, x1, y1] = [from.x + from.width / 2, from.y + ROW - 1, to.x + to.width / 2, to.y + 1];
    context.globalAlpha = state === "off" ? 0.12 : state === "on" ? 0.35 + 0.65 * weight : 0.25 + 0.75 * weight;
    context.strokeStyle = state === "on" ? theme.key : css(mix(theme.sequential, 0.3 + 0.6 * weight));
    context.lineWidth = 0.8 + 3.6 * weight;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x0, y0 + BAND * 0.55, x1, y1 - BAND * 0.55, x1, y1);
    context.stroke();
    context.globalAlpha = 1;
  }

  word(text, box, share, part, weight = "") {
    const { context } = this;
    const { theme } = this.view;
    if (share >= FAINT) {
      context.globalAlpha = 0.1 + 0.25 * share;
      context.fillStyle = theme.key;
      context.beginPath();
      context.roundRect(box.x, box.y + 2, box.width, box.height - 4, 5);
      context.fill();
      context.globalAlpha = 1;
    }
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${part ? "bold " : weight}${this.size}px ${theme.mono}`;
    context.fillStyle = part ? theme[part] : theme.text;
    context.fillText(text, box.x + box.width / 2, box.y + box.height / 2);
  }

  label(text, y) {
    const { context } = this;
    const { theme } = this.view;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.fillText(text, 3, y);
  }
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
