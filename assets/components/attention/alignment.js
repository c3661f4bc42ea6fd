// A translation at a glance: lines between words, thick where a target word reads a source word.

import { AlignmentPicture } from "./alignment_picture.js";
import { element } from "./dom.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { SvgStage } from "./svg_stage.js";
import { View } from "./view.js";

const NAMED = 3;

export class AlignmentView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.hovered = null;
    this.picture = new AlignmentPicture(this);
    this.stage = new SvgStage(this.picture, {
      label: "Words of the source, then of the translation",
      on: { enter: (id) => this.hover(id), leave: () => this.hover(null), pick: (id) => this.hover(id) },
      // Where the words are wider than the screen, the translation stands below them once more.
      onResize: () => { this.written.hidden = !this.picture.isCut; },
    });
    this.addStage(this.stage);
    this.written = element("p", { class: "written" });
    this.frame.body.append(this.written);
  }

  show() {
    const { payload } = this;
    this.weights = new Matrix(payload.arrays.weights);
    this.words = payload.options.words;
    this.hovered = null;
    this.frame.tools.replaceChildren(this.frame.exportButtons(this.stage));
    this.fillTable();
    this.written.replaceChildren(payload.options.written);
    this.stage.refresh();
    this.read();
  }

  hover(id) {
    const [side, index] = id ? id.split("-") : [null, null];
    this.hovered = id ? [side, Number(index)] : null;
    this.stage.repaint();
    this.read();
  }

  read() {
    const [side, index] = this.hovered || [null, null];
    if (side === "target") this.frame.setReadout(this.sentence(index));
    else if (side === "source") this.frame.setReadout(this.readers(index));
    else this.frame.setReadout("A thick line: a weight near 1. Weights below 0.1 are left out.");
  }

  sentence(word) {
    const { text, p } = this.words[word];
    const ranked = this.ranked(this.payload.keys.display, (i) => this.weights.value(word, i));
    return `${text} reads ${ranked}; written with probability ${format(p)}.`;
  }

  readers(source) {
    const names = this.words.map((word) => word.text);
    return `${this.payload.keys.display[source]} is read by ${this.ranked(names, (i) => this.weights.value(i, source))}.`;
  }

  ranked(names, weight) {
    return names
      .map((name, i) => [name, weight(i)])
      .sort((a, b) => b[1] - a[1])
      .slice(0, NAMED)
      .map(([name, value]) => `${name} ${format(value, 2)}`)
      .join(", ");
  }

  fillTable() {
    const body = element("tbody");
    this.words.forEach((word, i) => {
      body.append(element("tr", {}, element("th", { scope: "row" }, word.text), element("td", {}, this.sentence(i))));
    });
    this.frame.table.replaceChildren(element("table", {}, element("caption", {}, this.payload.caption), body));
  }
}
