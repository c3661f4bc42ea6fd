// Where a logit comes from: a bar a layer and kind of block, and every head of the layer picked.

import { button, element } from "./dom.js";
import { clamp, format } from "./numbers.js";
import { Stage, fitted } from "./stage.js";
import { View } from "./view.js";

const ROW = 92;
const HEAD = 18;
const LEFT = 44;
const N_LISTED = 14;

export class LogitView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.stage = this.addStage(new Stage(this, { label: "Bars", description: "bar chart" }));
    this.card = this.frame.sideCard("parts");
    this.listen();
  }

  show() {
    const { payload, state } = this;
    if (state.identity !== payload.identity) Object.assign(state, { identity: payload.identity, layer: null });
    const sums = payload.options.rows.flatMap(({ values }) => values);
    const ends = payload.options.ends.map(({ value }) => value);
    this.high = Math.max(0, ...sums, ...ends) || 1e-9;
    this.low = Math.min(0, ...sums, ...ends);
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.frame.tools.replaceChildren(this.frame.exportButtons(this.stage));
    this.stage.refresh();
    this.showParts();
    this.readout();
    (window.requestIdleCallback || setTimeout)(() => this.fillTable());
  }

  listen() {
    const { node } = this.stage;
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const last = this.payload.options.n_layers - 1;
      if (event.key === "Escape") this.pick(null);
      else if (event.key === "Home") this.pick(0);
      else if (event.key === "End") this.pick(last);
      else if (step) this.pick(clamp((this.state.layer ?? (step > 0 ? -1 : last + 1)) + step, 0, last));
      else return;
      event.preventDefault();
      this.frame.say(this.sentence(this.state.layer));
    });
    node.addEventListener("pointermove", (event) => this.hover(this.hit(event), event));
    node.addEventListener("pointerleave", () => this.hover(null));
    node.addEventListener("click", (event) => this.pick(this.hit(event)));
  }

  pick(layer) {
    this.state.layer = layer;
    this.stage.hover();
    this.showParts();
    this.readout();
  }

  hover(layer, event) {
    this.hovered = layer;
    this.stage.node.style.cursor = layer === null ? "default" : "pointer";
    if (layer === null) this.frame.hideTip();
    else this.frame.setTip([event.clientX, event.clientY], this.sentence(layer));
    this.stage.hover();
  }

  hit(event) {
    const [x, y] = this.stage.point(event);
    if (x < LEFT || x > LEFT + this.room || y > this.bottom) return null;
    return clamp(Math.floor((x - LEFT) / this.step), 0, this.payload.options.n_layers - 1);
  }

  sentence(layer) {
    const { rows, total, token } = this.payload.options;
    if (layer === null) return `All parts together: ${format(total, 5)}, the logit of ${token}.`;
    const parts = rows.map(({ name, values }) => `${name} ${this.signed(values[layer])}`);
    return `Layer ${layer}: ${parts.join(", ")}.`;
  }

  signed(value) {
    return value > 0 ? `+${format(value)}` : format(value);
  }

  readout() {
    this.frame.setReadout(this.sentence(this.state.layer));
  }

  /** The parts of the picked layer, or the largest of all, as bars with numbers. */
  showParts() {
    const { writers } = this.payload.options;
    const { layer } = this.state;
    const all = layer === null ? writers : writers.filter((writer) => writer.layer === layer);
    const sorted = [...all].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const shown = layer === null ? sorted.slice(0, N_LISTED) : sorted;
    const rest = sorted.slice(shown.length).reduce((sum, { value }) => sum + value, 0);
    const most = Math.max(...shown.map(({ value }) => Math.abs(value)), 1e-12);
    const list = element("div", { class: "bars signed" });
    for (const { name, value } of shown) this.addBar(list, name, value, most);
    if (sorted.length > shown.length) {
      this.addBar(list, `${sorted.length - shown.length} more`, rest, Math.max(most, Math.abs(rest)));
    }
    const title = layer === null ? "The parts that wrote most" : `Layer ${layer}, part by part`;
    const back = layer === null
      ? null
      : button("All layers", { tip: "Back to the largest of all layers (Escape)", onClick: () => this.pick(null) });
    const head = element("div", { class: "head" }, element("h4", { class: "title" }, title), back);
    this.card.replaceChildren(head, list);
  }

  addBar(list, name, value, most) {
    const fill = element("span", { class: `fill ${value < 0 ? "less" : "more"}` });
    fill.style.width = `${(100 * Math.abs(value)) / most}%`;
    list.append(
      element("span", { class: "name", title: name }, name),
      element("span", { class: "track" }, fill),
      element("span", { class: "number" }, this.signed(value)),
    );
  }

  fillTable() {
    const { rows, n_layers: n, ends } = this.payload.options;
    const body = element("tbody");
    for (const { name, value } of ends) {
      const cells = [element("th", { scope: "row" }, name), element("td", { colspan: rows.length }, format(value))];
      body.append(element("tr", {}, ...cells));
    }
    for (let layer = 0; layer < n; layer += 1) {
      const cells = rows.map(({ values }) => element("td", {}, format(values[layer])));
      body.append(element("tr", {}, element("th", { scope: "row" }, `layer ${layer}`), ...cells));
    }
    const names = ["", ...rows.map(({ name }) => name)];
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
    this.frame.table.replaceChildren(
      element("table", {}, element("caption", {}, this.payload.caption), element("thead", {}, head), body),
    );
  }

  measure(context, width) {
    const { rows, n_layers: n, ends } = this.payload.options;
    this.width = width;
    this.room = width - LEFT - 8;
    this.step = this.room / n;
    this.bottom = rows.length * (ROW + HEAD) + 16;
    this.endsTop = this.bottom + 12;
    return this.endsTop + (ends.length ? 18 + ends.length * 19 : 0) + 4;
  }

  y(top, value) {
    return top + HEAD + ((this.high - value) / (this.high - this.low)) * ROW;
  }

  paint(context) {
    const { rows } = this.payload.options;
    rows.forEach((row, i) => this.paintRow(context, row, i * (ROW + HEAD)));
    this.paintLayers(context);
    this.paintEnds(context);
  }

  paintRow(context, { name, values }, top) {
    const { theme } = this;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.font = `bold 12px ${theme.font}`;
    context.fillStyle = theme.text;
    context.fillText(`${name}: ${this.signed(values.reduce((a, b) => a + b, 0))}`, LEFT, top + 9);
    const zero = this.y(top, 0);
    context.font = `11px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.textAlign = "right";
    const marks = [this.high, 0, this.low].filter((mark, i) => i === 1 || Math.abs(this.y(top, mark) - zero) > 12);
    for (const mark of marks) context.fillText(format(mark, 2), LEFT - 6, this.y(top, mark));
    context.fillStyle = theme.border;
    context.fillRect(LEFT, zero - 0.5, this.room, 1);
    const wide = Math.min(44, this.step * 0.82);
    values.forEach((value, layer) => {
      context.fillStyle = theme.diverging[value < 0 ? 0 : 4];
      const y = Math.min(zero, this.y(top, value));
      const x = LEFT + (layer + 0.5) * this.step - wide / 2;
      context.fillRect(x, y, wide, Math.max(0.5, Math.abs(this.y(top, value) - zero)));
    });
  }

  paintLayers(context) {
    const { theme } = this;
    const n = this.payload.options.n_layers;
    const every = Math.max(1, Math.ceil(26 / this.step));
    context.font = `11px ${theme.mono}`;
    context.fillStyle = theme.muted;
    context.textAlign = "center";
    for (let layer = 0; layer < n; layer += every) {
      context.fillText(`L${layer}`, LEFT + (layer + 0.5) * this.step, this.bottom - 6);
    }
  }

  /** What stands before the first layer and behind the last. */
  paintEnds(context) {
    const { theme } = this;
    const { ends } = this.payload.options;
    if (!ends.length) return;
    context.textAlign = "left";
    context.font = `bold 12px ${theme.font}`;
    context.fillStyle = theme.text;
    context.fillText("before the first layer and behind the last", LEFT, this.endsTop + 6);
    const label = Math.min(220, this.room * 0.5);
    const size = Math.max(Math.abs(this.high), Math.abs(this.low));
    ends.forEach(({ name, value }, i) => {
      const y = this.endsTop + 26 + i * 19;
      context.font = `12px ${theme.font}`;
      context.fillStyle = theme.muted;
      context.fillText(fitted(context, name, label - 8), LEFT, y);
      context.fillStyle = theme.diverging[value < 0 ? 0 : 4];
      const room = this.room - label - 60;
      context.fillRect(LEFT + label, y - 5, Math.max(0.5, (room * Math.abs(value)) / size), 10);
      context.fillStyle = theme.text;
      context.fillText(this.signed(value), LEFT + label + room + 8, y);
    });
  }

  overlay(context) {
    const band = (layer, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = this.theme.text;
      context.fillRect(LEFT + layer * this.step, HEAD / 2, this.step, this.bottom - HEAD / 2);
      context.globalAlpha = 1;
    };
    if (this.hovered !== null && this.hovered !== undefined) band(this.hovered, 0.06);
    if (this.state.layer !== null) band(this.state.layer, 0.1);
  }
}
