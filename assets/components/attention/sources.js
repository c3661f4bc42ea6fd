// A summary: pick one of its sentences, and the sentences of the source that it drew on are shaded.

import { choice, element } from "./dom.js";
import { readableOn } from "./ink.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { css, mix } from "./palette.js";
import { sourcesPicture } from "./sources_picture.js";
import { View } from "./view.js";

const NAMED = 3;
const DEEPEST = 0.52; // of the palette: text stays easy to read on it

export class SourcesView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.written = element("ol", { class: "sentences of-summary", dir: "auto" });
    this.source = element("div", { class: "sentences source", dir: "auto" });
    const heading = (words) => element("h4", { class: "line-name" }, words);
    this.texts = element(
      "div",
      { class: "sources-texts" },
      element("div", {}, heading("Summary"), this.written),
      element("div", {}, heading("Source"), this.source),
    );
    this.matrixBox = element("div", { class: "sources-matrix", tabindex: 0, role: "region", "aria-label": "Weights by sentence" });
    this.frame.body.append(this.texts, this.matrixBox);
  }

  show() {
    const { payload, state } = this;
    this.weights = new Matrix(payload.arrays.weights);
    this.rates = this.perToken();
    if (state.identity !== payload.identity) Object.assign(state, { identity: payload.identity, picked: 0 });
    state.picked = Math.min(state.picked, payload.queries.length - 1);
    this.frame.tools.replaceChildren(
      choice("View", { texts: "Text", matrix: "Matrix" }, state.view || "texts", (view) => this.restyle({ view })),
      choice("Measure", { share: "Share", rate: "Per token" }, state.measure || "share", (measure) => this.restyle({ measure })),
      this.frame.exportButtons(sourcesPicture(() => this.scene())),
    );
    this.fillWritten();
    this.fillSource();
    this.restyle({});
  }

  /** Weight by token, as a multiple of what even reading would give: long sentences count no more. */
  perToken() {
    const { lengths } = this.payload.options;
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const { rows, columns } = this.weights;
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (__, j) => (lengths[j] ? (this.weights.value(i, j) * total) / lengths[j] : 0)),
    );
  }

  value(row, column) {
    return this.state.measure === "rate" ? this.rates[row][column] : this.weights.value(row, column);
  }

  label(value) {
    if (this.state.measure === "rate") return value < 0.01 ? "0 ×" : `${format(value, 2)} ×`;
    return value < 0.01 ? "< 1 %" : `${Math.round(100 * value)} %`;
  }

  fillWritten() {
    this.written.replaceChildren(
      ...this.payload.queries.display.map((sentence, i) => {
        const node = element(
          "button",
          {
            type: "button",
            class: "sentence-button",
            on: {
              pointerenter: (event) => event.pointerType !== "touch" && this.look(i),
              pointerleave: () => this.look(null),
              focus: () => this.look(i),
              blur: () => this.look(null),
              click: () => this.pick(i),
            },
          },
          sentence,
        );
        return element("li", {}, node, element("span", { class: "weight number" }));
      }),
    );
  }

  fillSource() {
    this.source.replaceChildren(
      ...this.payload.keys.display.flatMap((sentence, j) => {
        const on = { pointerenter: () => this.lookBack(j), pointerleave: () => this.look(null) };
        const text = element("span", { class: "sentence-text" }, sentence);
        const number = element("span", { class: "nr muted", "aria-hidden": "true" }, `${j + 1}\u00a0`);
        return [element("span", { class: "sentence", on }, number, text, element("sup", { class: "weight number" })), " "];
      }),
    );
  }

  restyle(change) {
    Object.assign(this.state, change);
    const isMatrix = this.state.view === "matrix";
    this.texts.hidden = isMatrix;
    this.matrixBox.hidden = !isMatrix;
    this.fillMatrix();
    this.look(null);
    this.frame.table.replaceChildren(...(isMatrix ? [] : [this.table(false)]));
  }

  pick(i) {
    this.state.picked = i;
    this.look(null);
    this.frame.say(this.sentence(i));
  }

  /** Shade what one sentence drew on; null: the picked one. */
  look(i) {
    const row = i ?? this.state.picked;
    [...this.written.children].forEach((node, k) => {
      node.firstChild.setAttribute("aria-pressed", String(k === this.state.picked));
      node.classList.toggle("now", k === row);
      node.lastChild.textContent = "";
      this.fill(node.firstChild, 0);
    });
    const top = this.peak((j) => this.value(row, j), this.weights.columns);
    this.sourceNodes().forEach((node, j) => {
      const value = this.value(row, j);
      this.fill(node.children[1], value / top);
      node.lastChild.textContent = this.label(value);
    });
    this.frame.setReadout(this.sentence(row));
  }

  /** Shade the summary's sentences by how much each drew on one of the source. */
  lookBack(j) {
    this.sourceNodes().forEach((node, k) => {
      this.fill(node.children[1], 0);
      node.lastChild.textContent = "";
      node.classList.toggle("now", k === j);
    });
    const top = this.peak((i) => this.value(i, j), this.weights.rows);
    [...this.written.children].forEach((node, i) => {
      node.classList.remove("now");
      this.fill(node.firstChild, this.value(i, j) / top);
      node.lastChild.textContent = this.label(this.value(i, j));
    });
    this.frame.setReadout(`How much each sentence of the summary drew on sentence ${j + 1} of the source.`);
  }

  sourceNodes() {
    return [...this.source.children];
  }

  peak(value, n) {
    return Math.max(...Array.from({ length: n }, (_, i) => value(i)), 1e-9);
  }

  fill(node, share) {
    node.style.background = "";
    node.style.color = "";
    if (share < 0.02) return;
    const colour = mix(this.theme.sequential, DEEPEST * share);
    node.style.background = css(colour);
    node.style.color = readableOn(colour);
  }

  sentence(row) {
    const ranked = Array.from({ length: this.weights.columns }, (_, j) => [j, this.value(row, j)])
      .sort((a, b) => b[1] - a[1])
      .slice(0, NAMED)
      .map(([j, value]) => `${j + 1} (${this.label(value)})`);
    const how = this.state.measure === "rate" ? " by token, against even reading" : "";
    return `Sentence ${row + 1} of the summary read most in the source's sentences ${ranked.join(", ")}${how}.`;
  }

  fillMatrix() {
    this.matrixBox.replaceChildren(this.table(true));
  }

  /** Every weight: a row a sentence of the summary, a column one of the source. */
  table(isShaded) {
    const { queries, keys, caption } = this.payload;
    const head = element("tr", {}, element("th", { scope: "col" }, "Summary \\ source"));
    keys.display.forEach((text, j) => head.append(element("th", { scope: "col", title: text }, String(j + 1))));
    const body = element("tbody");
    queries.display.forEach((text, i) => {
      const line = element("tr", {}, element("th", { scope: "row" }, `${i + 1}. ${text}`));
      const top = this.peak((j) => this.value(i, j), keys.length);
      for (let j = 0; j < keys.length; j += 1) {
        const cell = element("td", { class: "number" }, this.label(this.value(i, j)));
        if (isShaded) this.fill(cell, this.value(i, j) / top);
        line.append(cell);
      }
      body.append(line);
    });
    return element("table", {}, element("caption", {}, caption), element("thead", {}, head), body);
  }

  /** What a file of the picture shows: the picked sentence and what it drew on. */
  scene() {
    const { payload, theme, state } = this;
    const { picked } = state;
    const values = Array.from({ length: this.weights.columns }, (_, j) => this.value(picked, j));
    return {
      theme,
      written: payload.queries.display,
      source: payload.keys.display,
      picked,
      values,
      labels: values.map((value) => this.label(value)),
      measure: state.measure === "rate" ? "by token, against even reading" : "share of the attention",
    };
  }

  repaint() {
    this.restyle({});
  }
}
