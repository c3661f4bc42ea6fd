// The whole alignment matrix of a translation: its words down, the source's across.

import { pairNodes } from "./frame.js";
import { bindMap } from "./map_input.js";
import { MapPicture } from "./map_picture.js";
import { clamp, format } from "./numbers.js";
import { element } from "./dom.js";
import { Stage } from "./stage.js";

export class AlignmentMap {
  constructor(view) {
    this.view = view;
    this.state = { selected: [0, 0] };
    this.stage = view.addStage(new Stage(this, { label: "Alignment", description: "heat map" }));
    bindMap(this);
  }

  show() {
    const { payload, weights, place } = this.view;
    this.matrix = weights;
    this.picture = new MapPicture({ ...payload, matrix: weights });
    this.picture.peak = 1;
    const [row, column] = this.state.selected;
    this.state.selected = [clamp(row, 0, weights.rows - 1), clamp(column, 0, weights.columns - 1)];
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption} Read at ${place.name}.`);
  }

  select(cell, { reveal = false, say = false } = {}) {
    this.state.selected = cell;
    if (reveal && !this.picture.contains(...cell)) this.picture.reveal(cell);
    this.stage.repaint();
    this.readout();
    if (say) this.view.frame.say(this.sentence(cell));
  }

  hover(cell, event) {
    const { frame } = this.view;
    this.hovered = cell;
    if (cell) frame.setTip([event.clientX, event.clientY], ...this.nodes(cell));
    else frame.hideTip();
    this.stage.hover();
    this.readout();
  }

  commit() {}

  zoom(factor, anchor = this.state.selected) {
    if (!factor) this.picture.fit();
    else this.picture.zoom(factor, anchor);
    this.moved();
  }

  moved() {
    this.stage.node.classList.toggle("zoomed", this.picture.isZoomed);
    this.stage.refresh();
  }

  readout() {
    this.view.frame.setReadout(...this.nodes(this.hovered || this.state.selected));
  }

  nodes(cell) {
    return [...pairNodes(this.view.payload, cell), element("b", { class: "number" }, ` ${format(this.matrix.value(...cell))}`)];
  }

  sentence([row, column]) {
    const { queries, keys } = this.view.payload;
    return `${queries.display[row]} reads ${keys.display[column]}: weight ${format(this.matrix.value(row, column))}`;
  }

  measure(context, width) {
    return this.picture.measure(context, this.view.theme, width, this.stage.ratio);
  }

  paint(context) {
    this.picture.paint(context, this.view.theme, this.state.selected);
  }

  overlay(context) {
    const { theme } = this.view;
    if (this.hovered) this.picture.crosshair(context, theme, this.hovered);
    if (this.hovered) this.picture.outline(context, this.hovered, theme.muted, 1.5);
    this.picture.outline(context, this.state.selected, theme.text, 2);
  }
}
