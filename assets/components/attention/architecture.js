// The map of the Transformer: point at a block to read what it does, click to open its page.

import { ArchitecturePicture, lengthText, meanOf, shapeText } from "./architecture_picture.js";
import { button, choice, element, prefersReducedMotion } from "./dom.js";
import { format } from "./numbers.js";
import { SvgStage } from "./svg_stage.js";
import { View } from "./view.js";

const FIRST = "decoder.cross.block";
const MAX_ROWS = 64;
const ROOMY = "(min-width: 900px) and (min-height: 700px)";

export class ArchitectureView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.picture = new ArchitecturePicture(this);
    this.stage = new SvgStage(this.picture, {
      label: "Blocks of the Transformer, in the order of the computation",
      on: { enter: (id) => this.pick(id), leave: () => {}, pick: (id, pointer) => this.clicked(id, pointer) },
    });
    this.addStage(this.stage);
    this.card = this.frame.sideCard("block-card");
  }

  show() {
    const { payload, state } = this;
    const { layers, highlight, shape } = payload.options;
    const isNew = state.identity !== payload.identity;
    if (!state.layers || this.isBeyond(state.layers, shape)) state.layers = { ...layers };
    const isElsewhere = state.highlight !== highlight;
    if (highlight && isElsewhere) state.block = highlight;
    state.highlight = highlight;
    if (!payload.options.blocks[state.block]) state.block = FIRST;
    state.identity = payload.identity;
    this.frame.tools.replaceChildren(
      this.layerChoice("encoder", "Encoder layer"),
      this.layerChoice("decoder", "Decoder layer"),
      this.frame.exportButtons(this.stage),
    );
    this.fillTable();
    this.stage.refresh();
    this.fillCard();
    if (highlight && (isNew || isElsewhere)) this.bringUp(highlight);
  }

  /** The block that the guided tour is at comes into sight and is said. */
  bringUp(id) {
    this.frame.say(this.sentence(id));
    if (!matchMedia(ROOMY).matches) return; // the tour's own text comes first
    const behavior = prefersReducedMotion() ? "auto" : "smooth";
    setTimeout(() => this.stage.buttons.get(id)?.scrollIntoView({ block: "nearest", behavior }), 200);
  }

  isBeyond(layers, shape) {
    return layers.encoder >= shape.encoder || layers.decoder >= shape.decoder;
  }

  layerChoice(side, name) {
    const n = this.payload.options.shape[side];
    const labels = Object.fromEntries(Array.from({ length: n }, (_, i) => [String(i), String(i)]));
    const group = choice(name, labels, String(this.state.layers[side]), (layer) => {
      this.state.layers[side] = Number(layer);
      this.stage.refresh();
      this.fillCard();
    });
    return element("span", { class: "picker" }, element("span", {}, name), group);
  }

  // -- numbers --------------------------------------------------------------------------------

  block(id) {
    return this.payload.options.blocks[id];
  }

  /** The layer that is shown of the stack in which a block stands. */
  layerOf(id) {
    return id.split(".").length === 3 ? this.state.layers[this.block(id).side] : 0;
  }

  numbers(id) {
    return this.block(id).layers[this.layerOf(id)];
  }

  mean(id) {
    return lengthText(this.numbers(id).values);
  }

  /** The second line of a block. */
  summary(id, isNarrow = false) {
    const { kind } = this.block(id);
    const { shape, values } = this.numbers(id);
    if (kind === "tokens") {
      return this.tokens(id).join(" ");
    }
    const size = shapeText(shape);
    if (id === "softmax") return `${size}${isNarrow ? "" : ` · p ${format(meanOf(values))}`}`;
    if (id === "linear") return size;
    return isNarrow ? this.mean(id) : `${size} · ${this.mean(id)}`;
  }

  tokens(id) {
    const { keys, queries } = this.payload;
    return (id.startsWith("encoder") ? keys : queries).display;
  }

  where(id) {
    const { side } = this.block(id);
    const isInStack = id.split(".").length === 3;
    return `${side}${isInStack ? `, layer ${this.layerOf(id)}` : ""}`;
  }

  /** A block in words, for a screen reader. */
  sentence(id) {
    const block = this.block(id);
    const { shape } = this.numbers(id);
    const opens = this.opens(id);
    const length = block.kind === "tokens" || block.kind === "scores" ? "" : `, mean length ${format(meanOf(this.numbers(id).values))}`;
    return `${block.name}, ${this.where(id)}: ${shapeText(shape)}${length}. ${block.what}${opens ? ` Opens ${opens}.` : ""}`;
  }

  opens(id) {
    return this.host.isStatic ? "" : this.payload.options.opens[id] || "";
  }

  // -- picking --------------------------------------------------------------------------------

  pick(id) {
    this.state.block = id;
    this.card.classList.add("touched");
    this.fillCard();
  }

  /** A finger first reads; a pointer and the Enter key open. */
  clicked(id, pointer) {
    this.pick(id);
    if (pointer !== "touch") this.open(id);
  }

  open(id) {
    if (this.opens(id)) this.host.trigger("open", [id, this.layerOf(id)]);
  }

  /** What the picked block does, with its numbers. */
  fillCard() {
    const id = this.state.block;
    const block = this.block(id);
    for (const [name, node] of this.stage.buttons) {
      node.classList.toggle("picked", name === id);
      node.classList.toggle("at", name === this.state.highlight);
      node.setAttribute("aria-label", this.sentence(name));
    }
    const { shape } = this.numbers(id);
    this.card.replaceChildren(
      element("h3", { class: "title" }, block.name),
      element("p", { class: "subtitle" }, `${this.where(id)} · ${this.meaning(shape)}`),
      element("p", { class: "what" }, block.what),
      element("p", { class: "equation" }, block.equation),
      element("p", { class: "subtitle paper" }, block.paper),
      ...this.openButton(id),
      this.rows(id),
    );
  }

  openButton(id) {
    const page = this.opens(id);
    if (!page) return [];
    return [element("p", { class: "open" }, button(`Open ${page}`, { onClick: () => this.open(id) }))];
  }

  meaning([tokens, width]) {
    const words = `${tokens} token${tokens === 1 ? "" : "s"}`;
    return width ? `${words} × ${width.toLocaleString("en")} numbers` : words;
  }

  /** One row a token: its id, the length of its vector, or what is predicted after it. */
  rows(id) {
    const { values } = this.numbers(id);
    const { kind } = this.block(id);
    const peak = id === "softmax" ? 1 : Math.max(...values, Number.MIN_VALUE);
    const list = element("div", { class: "token-rows" });
    this.tokens(id).slice(0, MAX_ROWS).forEach((token, i) => {
      const bar = element("span", { class: `fill ${kind === "tokens" ? "none" : "plain"}` });
      bar.style.width = `${(100 * Math.max(0, values[i])) / peak}%`;
      const next = kind === "scores" ? ` → ${this.payload.options.predicted[i]}` : "";
      list.append(
        element("span", { class: "tok", title: token + next }, token + next),
        kind === "tokens" ? element("span") : element("span", { class: "track" }, bar),
        element("span", { class: "number" }, kind === "tokens" ? String(values[i]) : format(values[i])),
      );
    });
    const rest = values.length - MAX_ROWS;
    const more = rest > 0 ? element("p", { class: "subtitle" }, `and ${rest} more, in the files`) : null;
    const what = { tokens: "Id of each token", scores: id === "softmax" ? "Likeliest next token and its probability" : "Largest logit, the likeliest next token" };
    const name = what[kind] || "Length ‖x‖ of each token's vector";
    return element("div", { class: "block-rows" }, element("h4", { class: "line-name" }, name), list, more);
  }

  fillTable() {
    const body = element("tbody");
    for (const [id, block] of Object.entries(this.payload.options.blocks)) {
      block.layers.forEach((numbers, layer) => {
        const place = id.split(".").length === 3 ? `${block.side}, layer ${layer}` : block.side;
        const cells = [place, shapeText(numbers.shape), block.kind === "tokens" ? "" : format(meanOf(numbers.values))];
        body.append(element("tr", {}, element("th", { scope: "row" }, block.name), ...cells.map((cell) => element("td", {}, cell))));
      });
    }
    const names = ["block", "place", "shape", "mean"].map((name) => element("th", { scope: "col" }, name));
    const caption = element("caption", {}, this.payload.caption);
    this.frame.table.replaceChildren(element("table", {}, caption, element("thead", {}, element("tr", {}, ...names)), body));
  }
}
