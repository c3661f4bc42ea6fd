// The tensor that is open beside a layer's walk: large, with every value under the pointer.

import { element } from "./dom.js";
import { savePng, saveSvg } from "./export.js";
import { clamp, format } from "./numbers.js";
import { button } from "./dom.js";
import { SheetPicture, sheetTarget } from "./sheet_picture.js";
import { Stage } from "./stage.js";

const MAX_TABLE = 32;

export class LayerSheet {
  /** @param view the view beside which it stands: it has the frame, the payload and the state */
  constructor(view, card) {
    this.view = view;
    this.title = element("h4", { class: "title" });
    this.words = element("p", { class: "subtitle" });
    this.tools = element("div", { class: "tools" });
    this.readout = element("p", { class: "readout" });
    this.notes = element("ul", { class: "notes" });
    this.table = element("div", { class: "sr" });
    this.stage = new Stage(this, { label: "Open tensor", description: "heat map" });
    const words = element("div", { class: "words" }, this.title, this.words);
    const head = element("div", { class: "head" }, words, this.tools);
    card.append(head, this.stage.node, this.readout, this.notes, this.table);
    this.listen();
  }

  /** What stands on a saved picture of it. */
  get payload() {
    const { payload } = this.view;
    const { open } = payload.options;
    return {
      ...payload,
      view: `${payload.view}-${open.id.replace(/\W+/g, "-")}`,
      title: `${open.name}: ${open.words}`,
      subtitle: `Layer ${payload.layer} of the ${payload.options.stack}, ${this.shapeText()}.`,
      notes: open.notes,
    };
  }

  get theme() {
    return this.view.theme;
  }

  show() {
    const { payload, state } = this.view;
    const { open } = payload.options;
    const array = payload.arrays.open;
    this.strip = open.rows === "key" ? payload.keys : payload.queries;
    const isTooLong = array.shape[0] < this.strip.length;
    this.picture = new SheetPicture({
      values: array.codes,
      shape: array.shape,
      strip: isTooLong ? { display: [] } : this.strip,
      limit: open.limit,
      peak: open.peak,
      isWeight: open.is_weight,
      columns: open.columns,
    });
    const [row, column] = state.sheet || [state.token, 0];
    state.sheet = [clamp(row, 0, array.shape[0] - 1), clamp(column, 0, array.shape[1] - 1)];
    this.title.replaceChildren(element("span", { class: `tok ${open.part}` }, open.name));
    this.words.replaceChildren(`${open.words} · ${this.shapeText()}`);
    const save = (label, action) =>
      button(label, { name: `Save ${open.name} as ${label}`, onClick: () => action(this, this.stage) });
    const group = { class: "choice", role: "group", "aria-label": `Save ${open.name}` };
    this.tools.replaceChildren(element("div", group, save("PNG", savePng), save("SVG", saveSvg)));
    this.stage.node.setAttribute("aria-label", `${open.name}, ${open.words}, ${this.shapeText()}`);
    this.stage.refresh();
    const pooled = this.picture.box && this.picture.isPooled
      ? ["More entries than pixels: a pixel shows the largest by magnitude of its entries."]
      : [];
    this.notes.replaceChildren(...[...open.notes, ...pooled].map((note) => element("li", {}, note)));
    this.picked();
  }

  shapeText() {
    const { open } = this.view.payload.options;
    const rows = open.rows === "key" ? "source tokens" : "tokens";
    return `${open.shape[0]} ${rows} × ${open.shape[1]} ${open.columns}s`;
  }

  listen() {
    const { node } = this.stage;
    node.addEventListener("keydown", (event) => {
      const target = sheetTarget(event, this.view.state.sheet, this.picture);
      if (!target) return;
      event.preventDefault();
      this.select(target);
      this.view.frame.say(this.sentence(target));
    });
    node.addEventListener("pointermove", (event) => this.hover(this.picture.hit(this.stage.point(event))));
    node.addEventListener("pointerleave", () => this.hover(null));
    node.addEventListener("click", (event) => {
      const cell = this.picture.hit(this.stage.point(event));
      if (cell) this.select(cell);
    });
  }

  select(cell) {
    this.view.state.sheet = cell;
    this.stage.repaint();
    this.picked();
  }

  hover(cell) {
    this.hovered = cell;
    this.stage.hover();
    this.readout.replaceChildren(this.sentence(cell || this.view.state.sheet));
  }

  picked() {
    const [row] = this.view.state.sheet;
    this.readout.replaceChildren(this.sentence(this.view.state.sheet));
    const body = element("tbody");
    for (let column = 0; column < Math.min(this.picture.columns, MAX_TABLE); column += 1) {
      const name = element("th", { scope: "row" }, this.columnLabel(column));
      body.append(element("tr", {}, name, element("td", {}, format(this.picture.value(row, column)))));
    }
    const caption = `${this.view.payload.options.open.name} at ${this.rowLabel(row)}, its first entries`;
    this.table.replaceChildren(element("table", {}, element("caption", {}, caption), body));
  }

  rowLabel(row) {
    const isWhole = this.picture.rows === this.strip.length;
    return isWhole ? `${row} ${this.strip.display[row]}` : `block ${row}`;
  }

  columnLabel(column) {
    const { payload } = this.view;
    const { open } = payload.options;
    if (open.columns === "neuron") return `L${payload.layer} N${column}`;
    if (open.columns !== "key") return `${open.columns} ${column}`;
    const strip = open.across === "key" ? payload.keys : payload.queries;
    return this.picture.columns === strip.length ? `key ${column} ${strip.display[column]}` : `block ${column}`;
  }

  sentence([row, column]) {
    const { open } = this.view.payload.options;
    const value = format(this.picture.value(row, column), 4);
    return `${open.name} at ${this.rowLabel(row)}, ${this.columnLabel(column)}: ${value}`;
  }

  measure(context, width) {
    return this.picture.place(context, this.theme, [0, 0], width, this.stage.ratio);
  }

  paint(context) {
    this.picture.paint(context, this.theme, this.view.state.sheet);
  }

  overlay(context) {
    if (this.hovered) this.picture.outline(context, this.hovered, this.theme.muted);
    this.picture.outline(context, this.view.state.sheet, this.theme.text);
  }
}
