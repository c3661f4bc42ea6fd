// A sum as a picture: matrices side by side with + and =, the same cell marked in each.

import { element } from "./dom.js";
import { clamp, format } from "./numbers.js";
import { SheetPicture, sheetTarget } from "./sheet_picture.js";
import { Stage, fitted } from "./stage.js";
import { View } from "./view.js";

const NARROW = 640;
const SIGN = 26;
const HEAD = 36;
const MAX_TABLE = 24;

export class SumView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.stage = this.addStage(new Stage(this, { label: "Sum", description: "heat maps" }));
    this.listen();
  }

  show() {
    const { payload, state } = this;
    const names = Object.keys(payload.arrays);
    const { terms, limit, peak } = payload.options;
    this.panels = names.map((name, i) => new SheetPicture({
      values: payload.arrays[name].codes,
      shape: payload.arrays[name].shape,
      strip: payload.queries,
      limit,
      peak,
      hasBar: i === names.length - 1,
    }));
    this.signs = names.map((name) => ({ total: "=", normed: "→" })[name] ?? "+");
    this.signs[0] = "";
    this.terms = terms;
    const [rows, columns] = payload.arrays.total.shape;
    this.size = { rows, columns };
    const [row, column] = (state.identity === payload.identity && state.cell) || [0, 0];
    state.identity = payload.identity;
    state.cell = [clamp(row, 0, rows - 1), clamp(column, 0, columns - 1)];
    this.stage.node.setAttribute("aria-label", `${payload.title}. ${payload.caption}`);
    this.frame.tools.replaceChildren(this.frame.exportButtons(this.stage));
    this.stage.refresh();
    this.picked();
  }

  listen() {
    const { node } = this.stage;
    node.addEventListener("keydown", (event) => {
      const target = sheetTarget(event, this.state.cell, this.size);
      if (!target) return;
      event.preventDefault();
      this.select(target);
      this.frame.say(this.sentence(target));
    });
    node.addEventListener("pointermove", (event) => this.hover(this.hit(event), event));
    node.addEventListener("pointerleave", () => this.hover(null));
    node.addEventListener("click", (event) => {
      const cell = this.hit(event);
      if (cell) this.select(cell);
    });
  }

  hit(event) {
    const point = this.stage.point(event);
    for (const panel of this.panels) {
      const cell = panel.hit(point);
      if (cell) return cell;
    }
    return null;
  }

  select(cell) {
    this.state.cell = cell;
    this.stage.repaint();
    this.picked();
  }

  hover(cell, event) {
    this.hovered = cell;
    if (cell) this.frame.setTip([event.clientX, event.clientY], this.sentence(cell));
    else this.frame.hideTip();
    this.stage.hover();
    this.frame.setReadout(this.sentence(cell || this.state.cell));
  }

  picked() {
    this.frame.setReadout(this.sentence(this.state.cell));
    (window.requestIdleCallback || setTimeout)(() => this.fillTable());
  }

  sentence([row, column]) {
    const numbers = this.panels.map((panel, i) => {
      const value = format(panel.value(row, column), 4);
      return `${this.signs[i]} ${this.signs[i] === "+" && value.startsWith("−") ? `(${value})` : value}`.trim();
    });
    return `${this.payload.queries.display[row]}, dimension ${column}: ${numbers.join(" ")}`;
  }

  /** The picked token's first dimensions, for a screen reader. */
  fillTable() {
    const [row] = this.state.cell;
    const body = element("tbody");
    for (let column = 0; column < Math.min(this.size.columns, MAX_TABLE); column += 1) {
      const cells = this.panels.map((panel) => element("td", {}, format(panel.value(row, column), 4)));
      body.append(element("tr", {}, element("th", { scope: "row" }, `dimension ${column}`), ...cells));
    }
    const names = ["", ...this.terms.map(({ name }) => name)];
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
    const caption = `${this.payload.title} at ${this.payload.queries.display[row]}`;
    this.frame.table.replaceChildren(
      element("table", {}, element("caption", {}, caption), element("thead", {}, head), body),
    );
  }

  measure(context, width) {
    const n = this.panels.length;
    this.isNarrow = width < NARROW;
    const room = this.isNarrow ? width : (width - SIGN * (n - 1)) / n;
    let [x, y, tallest] = [0, 0, 0];
    this.heads = [];
    this.panels.forEach((panel, i) => {
      panel.hasLabels = this.isNarrow || i === 0;
      // The first has labels besides; all matrices are as wide as each other.
      const labels = this.isNarrow || i ? 0 : Math.min(64, room * 0.3);
      const share = this.isNarrow ? room : (width - SIGN * (n - 1) - Math.min(64, room * 0.3)) / n;
      if (!this.isNarrow) x = i ? x + SIGN : 0;
      this.heads.push([x, y]);
      const height = panel.place(context, this.theme, [x, y + HEAD], this.isNarrow ? room : share + labels, this.stage.ratio);
      this.heads[i][0] = panel.box.x;
      if (this.isNarrow) y += height + HEAD + 8;
      else {
        x += share + labels;
        tallest = Math.max(tallest, height + HEAD);
      }
    });
    return this.isNarrow ? y : tallest;
  }

  paint(context) {
    const { theme } = this;
    this.panels.forEach((panel, i) => {
      const { name, words } = this.terms[i];
      const [x, y] = this.heads[i];
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillStyle = theme.text;
      context.font = `bold 12.5px ${theme.mono}`;
      const sign = this.isNarrow && this.signs[i] ? `${this.signs[i]} ` : "";
      context.fillText(fitted(context, sign + name, panel.box.width), x, y + 10);
      context.fillStyle = theme.muted;
      context.font = `12px ${theme.font}`;
      context.fillText(fitted(context, words, panel.box.width), x, y + 26);
      panel.paint(context, theme, this.state.cell);
      if (!this.isNarrow && i) {
        context.fillStyle = theme.text;
        context.font = `bold 20px ${theme.font}`;
        context.textAlign = "center";
        context.fillText(this.signs[i], panel.box.x - SIGN / 2, panel.box.y + panel.box.height / 2);
      }
    });
  }

  overlay(context) {
    for (const panel of this.panels) {
      if (this.hovered) panel.outline(context, this.hovered, this.theme.muted);
      panel.outline(context, this.state.cell, this.theme.text);
    }
  }
}
