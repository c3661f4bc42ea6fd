// Query · key: why this score? The products by dimension.

import { choice, tokenPicker } from "./dom.js";
import { DimsPicture } from "./dims_picture.js";
import { Evidence } from "./evidence.js";
import { pairNodes } from "./frame.js";
import { matrixOf } from "./matrix.js";
import { clamp, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { fillDimensions } from "./table.js";
import { View } from "./view.js";
import { WhyCard } from "./why.js";

export class DimsView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.picture = new DimsPicture(this);
    this.stage = this.addStage(
      new Stage(this.picture, { label: "Products by dimension", description: "bar chart" }),
    );
    this.whyCard = new WhyCard(this.frame.sideCard("why"), { hasProducts: false });
    this.bind();
  }

  show() {
    const { payload, state } = this;
    this.keepCell(payload.queries.length, payload.keys.length);
    state.order ??= "size";
    this.matrix = matrixOf(payload);
    this.evidence = Evidence.of(payload);
    this.buildTools();
    this.pick(state.selected);
  }

  buildTools() {
    const { payload, state, frame } = this;
    const [row, column] = state.selected;
    frame.tools.replaceChildren(
      tokenPicker("Query", payload.queries, row, "query", (i) => this.choose([i, state.selected[1]])),
      tokenPicker("Key", payload.keys, column, "key", (i) => this.choose([state.selected[0], i])),
      choice("Order of dimensions", { size: "By size", index: "In order" }, state.order, (order) => {
        state.order = order;
        this.pick(state.selected);
      }),
      frame.exportButtons(this.stage),
    );
  }

  choose(cell) {
    this.state.isPicked = true;
    this.pick(cell);
  }

  pick(cell) {
    this.state.selected = cell;
    this.picture.show(this.evidence, cell, this.state.order);
    this.stage.refresh();
    this.whyCard.show(this.payload, this.evidence, this.matrix, cell);
    this.stage.node.setAttribute("aria-label", `${this.payload.title} ${this.sentence()}`);
    fillDimensions(this.frame.table, this.picture, this.sentence());
    this.tell();
  }

  sentence() {
    const [row, column] = this.state.selected;
    const { queries, keys } = this.payload;
    return `Query ${queries.display[row]}, key ${keys.display[column]}: products by dimension`;
  }

  tell() {
    const { picture, state, payload, evidence } = this;
    const bar = picture.bars[picture.at];
    if (bar === undefined) {
      const total = ` q · k = ${format(picture.total)}, the sum of ${evidence.width} products`;
      this.frame.setReadout(...pairNodes(payload, state.selected), total);
      return;
    }
    const text = `dimension ${bar.dimension}: ${format(bar.q)} × ${format(bar.k)} = ${format(bar.value)}`;
    this.frame.setReadout(`${text} · sum so far ${format(bar.sum)} of ${format(picture.total)}`);
  }

  moveTo(at) {
    if (at === this.picture.at) return;
    this.picture.at = at;
    this.stage.hover();
    this.tell();
  }

  bind() {
    const { node } = this.stage;
    node.addEventListener("pointermove", (event) => this.moveTo(this.picture.hit(this.stage.point(event))));
    node.addEventListener("pointerleave", () => this.moveTo(-1));
    node.addEventListener("pointerdown", (event) => this.moveTo(this.picture.hit(this.stage.point(event))));
    node.addEventListener("keydown", (event) => {
      const last = this.picture.bars.length - 1;
      const { at } = this.picture;
      const targets = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last };
      if (targets[event.key] === undefined) return;
      event.preventDefault();
      this.moveTo(clamp(targets[event.key], 0, last));
      this.frame.say(this.frame.readout.textContent);
    });
  }
}
