// Post-norm and pre-norm side by side, and how long the stream of this model is, layer by layer.

import { element } from "./dom.js";
import { format } from "./numbers.js";
import { Stage, fitted, wrapped } from "./stage.js";
import { View } from "./view.js";

const NARROW = 620;
const WIDTH = 400;
const RAIL = 52;
const BOX = { x: 112, width: 160, height: 28 };
const NORM = 66;
const BARS = 120;

export class SchemesView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.stage = this.addStage(new Stage(this, { label: "Schemes", role: "img" }));
  }

  show() {
    const { payload } = this;
    this.stage.node.setAttribute("aria-label", payload.caption);
    this.stage.node.tabIndex = -1;
    this.frame.tools.replaceChildren(this.frame.exportButtons(this.stage));
    this.stage.refresh();
    this.fillTable();
  }

  fillTable() {
    const { norms } = this.payload.options;
    const body = element("tbody");
    norms.forEach((norm, i) => {
      const name = i ? `after layer ${i - 1}` : "before the first layer";
      body.append(element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, format(norm))));
    });
    const caption = "Mean length of the residual stream";
    this.frame.table.replaceChildren(element("table", {}, element("caption", {}, caption), body));
  }

  measure(context, width) {
    this.width = width;
    this.isNarrow = width < NARROW;
    const { schemes } = this.payload.options;
    const heights = schemes.map((scheme) => this.drawScheme(null, scheme, [0, 0]));
    this.places = schemes.map((_, i) =>
      this.isNarrow ? [0, i ? heights[0] + 24 : 0] : [i * (width / 2), 0]);
    this.barsTop = (this.isNarrow ? heights[0] + heights[1] + 24 : Math.max(...heights)) + 28;
    return this.barsTop + BARS + 62;
  }

  paint(context) {
    this.payload.options.schemes.forEach((scheme, i) => this.drawScheme(context, scheme, this.places[i]));
    this.paintBars(context);
  }

  overlay() {}

  /** Draw one scheme, or only measure it where there is no context; return its height. */
  drawScheme(context, scheme, [left, top]) {
    const pen = new Pen(context, this.theme, left);
    const isPost = scheme.name === "post";
    const here = scheme.is_here ? " · this model" : "";
    const room = Math.min(WIDTH, this.isNarrow ? this.width : this.width / 2 - 16);
    pen.text(`${isPost ? "Post-norm" : "Pre-norm"}${here}`, [0, top + 10], { bold: true, size: 15, room });
    pen.text(scheme.equation, [0, top + 34], { mono: true, size: 12.5, room });
    pen.text(scheme.paper, [0, top + 54], { colour: "muted", room });
    const start = top + 84;
    let y = start;
    const marks = [];
    for (const block of this.payload.options.blocks) {
      y += 26;
      const into = y;
      y += 14;
      if (!isPost) {
        const at = y;
        marks.push(() => pen.box(at, "norm", { x: BOX.x + (BOX.width - NORM) / 2, width: NORM }));
        marks.push(() => pen.line([[BOX.x + BOX.width / 2, at + 26], [BOX.x + BOX.width / 2, at + 40]]));
        y += 40;
      }
      const at = y;
      y += BOX.height + 20;
      const sum = y;
      marks.push(() => {
        const middle = BOX.x + BOX.width / 2;
        pen.line([[RAIL, into], [middle, into], [middle, into + 14]]);
        pen.box(at, block, { x: BOX.x, width: BOX.width, isStrong: true });
        pen.line([[middle, at + BOX.height], [middle, sum], [RAIL + 11, sum]]);
        pen.plus(sum);
      });
      if (isPost) {
        marks.push(() => pen.box(sum + 20, "norm", { x: RAIL - NORM / 2, width: NORM }));
        y += 46;
      }
    }
    if (!isPost) {
      const at = y + 44;
      marks.push(() => pen.text("the stream runs through untouched;", [RAIL + 14, at], { colour: "muted", room: room - RAIL }));
      marks.push(() => pen.text("one norm more after the last layer", [RAIL + 14, at + 17], { colour: "muted", room: room - RAIL }));
    }
    const end = y + 44;
    if (!context) return end + 22 - top;
    pen.rail(start, end);
    for (const mark of marks) mark();
    pen.text("x", [RAIL + 12, start], { mono: true });
    if (isPost) pen.text("to the next layer, normed", [RAIL + 14, end], { colour: "muted", room: room - RAIL });
    return end + 22 - top;
  }

  paintBars(context) {
    const { norms, stack } = this.payload.options;
    const { theme } = this;
    const pen = new Pen(context, theme, 0);
    pen.text(`How long is the residual stream of this ${stack}?`, [0, this.barsTop], { bold: true, size: 13.5, room: this.width });
    const words = "Mean length of its vectors on this text, before the first layer and after each.";
    pen.text(wrapped(context, words, this.width)[0] === words ? words : "Mean length of its vectors on this text.", [0, this.barsTop + 18], { colour: "muted", room: this.width });
    const base = this.barsTop + 44 + BARS;
    const step = Math.min(60, this.width / norms.length);
    const most = Math.max(...norms);
    const every = Math.max(1, Math.ceil(30 / step));
    norms.forEach((norm, i) => {
      const height = (BARS - 16) * (norm / most);
      context.fillStyle = i ? theme.muted : theme.border;
      context.fillRect(i * step, base - height, step * 0.68, Math.max(0.5, height));
      if (i % every) return;
      pen.text(i ? `L${i - 1}` : "in", [i * step, base + 11], { mono: true, size: 11, colour: "muted", room: step * every });
      if (step >= 40) pen.text(format(norm), [i * step, base - height - 8], { size: 11, room: step });
    });
  }
}

/** Marks of a drawing, moved to the right; with no context it draws nothing. */
class Pen {
  constructor(context, theme, left) {
    Object.assign(this, { context, theme, left });
  }

  text(words, [x, y], { bold = false, mono = false, size = 12.5, colour = "text", room = 300 } = {}) {
    const { context, theme } = this;
    if (!context) return;
    context.font = `${bold ? "bold " : ""}${size}px ${mono ? theme.mono : theme.font}`;
    context.fillStyle = theme[colour];
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(fitted(context, words, room), this.left + x, y);
  }

  rail(from, to) {
    const { context, theme, left } = this;
    context.strokeStyle = theme.muted;
    context.lineWidth = 4;
    context.beginPath();
    context.moveTo(left + RAIL, from);
    context.lineTo(left + RAIL, to);
    context.stroke();
    context.fillStyle = theme.text;
    for (const y of [from, to]) {
      context.beginPath();
      context.arc(left + RAIL, y, 5, 0, 2 * Math.PI);
      context.fill();
    }
  }

  box(y, words, { x, width, isStrong = false }) {
    const { context, theme, left } = this;
    context.fillStyle = isStrong ? theme.track : theme.card;
    context.strokeStyle = theme.text;
    context.lineWidth = isStrong ? 1.5 : 1;
    context.beginPath();
    context.roundRect(left + x, y, width, isStrong ? BOX.height : 26, 6);
    context.fill();
    context.stroke();
    context.font = `13px ${theme.font}`;
    context.fillStyle = theme.text;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(words, left + x + width / 2, y + (isStrong ? BOX.height : 26) / 2);
  }

  line(points) {
    const { context, theme, left } = this;
    context.strokeStyle = theme.muted;
    context.fillStyle = theme.muted;
    context.lineWidth = 1.5;
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(left + x, y) : context.moveTo(left + x, y)));
    context.stroke();
    const [[fromX, fromY], [x, y]] = points.slice(-2);
    const [dx, dy] = [Math.sign(x - fromX), Math.sign(y - fromY)];
    context.beginPath();
    context.moveTo(left + x, y);
    context.lineTo(left + x - 6 * dx - 4 * dy, y - 6 * dy - 4 * dx);
    context.lineTo(left + x - 6 * dx + 4 * dy, y - 6 * dy + 4 * dx);
    context.closePath();
    context.fill();
  }

  plus(y) {
    const { context, theme, left } = this;
    context.fillStyle = theme.card;
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(left + RAIL, y, 10, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(left + RAIL - 5, y);
    context.lineTo(left + RAIL + 5, y);
    context.moveTo(left + RAIL, y - 5);
    context.lineTo(left + RAIL, y + 5);
    context.stroke();
  }
}
