// A translation: hover a word to see where it comes from, its confidence, and what else it might be.

import { AlignmentMap } from "./alignment_map.js";
import { button, choice, element } from "./dom.js";
import { readableOn } from "./ink.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { css, mix } from "./palette.js";
import { translationPicture } from "./translation_picture.js";
import { View } from "./view.js";

const FAINT = 0.04;

export class TranslationView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.source = element("div", { class: "sentence-line", dir: "auto" });
    this.target = element("div", { class: "sentence-line target", dir: "auto", role: "group", "aria-label": "Translation" });
    this.lines = element(
      "div",
      {},
      element("h4", { class: "line-name" }, "Source"),
      this.source,
      element("h4", { class: "line-name" }, "Translation"),
      this.target,
    );
    this.frame.body.append(this.lines);
    this.map = new AlignmentMap(this);
    this.card = this.frame.sideCard("alternatives");
    this.picture = translationPicture(() => this.scene());
  }

  show() {
    const { payload, state } = this;
    const { words, choices, chosen } = payload.options;
    this.words = words;
    if (state.identity !== payload.identity) Object.assign(state, { identity: payload.identity, token: null });
    if (!(state.choice < choices.length)) state.choice = null;
    this.weights = Matrix.slice(payload.arrays.weights, state.choice ?? chosen);
    this.fillTools();
    this.fillSource();
    this.fillTarget();
    this.fillTable();
    this.map.show();
    this.restyle({});
    this.showToken(state.token ?? this.leastSure());
  }

  /** Which layer and head is read; the one that was measured best is the first. */
  get place() {
    const { choices, chosen } = this.payload.options;
    return choices[this.state.choice ?? chosen];
  }

  fillTools() {
    const { state } = this;
    const tools = [
      choice("View", { lines: "Words", map: "Matrix" }, state.view || "lines", (view) => {
        this.restyle({ view });
        this.fillTools();
      }),
    ];
    if (state.view !== "map") {
      const colours = { confidence: "Confidence", sources: "Sources" };
      tools.push(choice("Colour", colours, state.colour || "confidence", (colour) => this.restyle({ colour })));
    }
    const stage = state.view === "map" ? this.map.stage : this.picture;
    this.frame.tools.replaceChildren(...tools, this.placePicker(), this.frame.exportButtons(stage));
  }

  placePicker() {
    const { choices, chosen, measured } = this.payload.options;
    const at = this.state.choice ?? chosen;
    const select = element("select", { class: "place", "aria-label": "Layer and head that are read" });
    choices.forEach(({ name }, i) => {
      const mark = i === chosen ? ` · ${measured ? "measured best" : "default"}` : "";
      select.append(element("option", { value: i, selected: i === at }, `${name}${mark}`));
    });
    select.addEventListener("change", () => this.read(Number(select.value)));
    return element("label", { class: "picker" }, element("span", {}, "Read at"), select);
  }

  /** Read the alignment in another layer and head. */
  read(index) {
    this.state.choice = index === this.payload.options.chosen ? null : index;
    this.weights = Matrix.slice(this.payload.arrays.weights, index);
    this.fillTable();
    this.map.show();
    this.restyle({});
  }

  restyle(change) {
    Object.assign(this.state, change);
    const isMap = this.state.view === "map";
    this.lines.hidden = isMap;
    this.map.stage.node.hidden = !isMap;
    this.frame.subtitle.textContent = `Cross-attention of ${this.place.name}, word by word.`;
    if (isMap) this.map.stage.refresh();
    this.paint(null);
  }

  fillSource() {
    this.source.replaceChildren(
      ...this.payload.keys.display.map((word, i) =>
        element(
          "span",
          { class: "tok word", on: { pointerenter: () => this.paintSource(i), pointerleave: () => this.paint(null), click: () => this.paintSource(i) } },
          word,
        ),
      ),
    );
  }

  fillTarget() {
    this.target.replaceChildren(
      ...this.words.map((word, i) =>
        element(
          "span",
          { class: "word", on: { pointerenter: () => this.paint(i), pointerleave: () => this.paint(null) } },
          ...word.tokens.map((token) => this.tokenButton(token, i)),
        ),
      ),
    );
  }

  tokenButton(token, word) {
    const node = button(token.text, {
      name: `${token.text}: probability ${format(token.p)}. ${this.sentence(word)}`,
      onClick: () => this.showToken(token.step),
    });
    node.className = "tok token";
    node.dataset.step = token.step;
    node.addEventListener("focus", () => this.paint(word));
    node.addEventListener("blur", () => this.paint(null));
    return node;
  }

  leastSure() {
    const tokens = this.words.flatMap((word) => word.tokens);
    return tokens.length ? tokens.reduce((a, b) => (b.p < a.p ? b : a)).step : null;
  }

  /** Colour the source by the weights of one target word; without one show confidence. */
  paint(word) {
    const isConfidence = this.isConfidence;
    [...this.source.children].forEach((node, i) => {
      this.fill(node, word === null ? 0 : this.weights.value(word, i));
    });
    for (const [i, node] of [...this.target.children].entries()) {
      for (const [j, token] of [...node.children].entries()) {
        const { p } = this.words[i].tokens[j];
        this.fill(token, isConfidence ? 1 - p : i === word ? 1 : 0);
      }
      node.classList.toggle("picked", i === word);
    }
    if (this.state.view === "map") this.map.readout();
    else this.frame.setReadout(word === null ? this.legend(isConfidence) : this.sentence(word));
  }

  /** Colour the target words by how much each reads from one source word. */
  paintSource(source) {
    [...this.source.children].forEach((node, i) => this.fill(node, i === source ? 1 : 0));
    [...this.target.children].forEach((node, i) => {
      for (const token of node.children) this.fill(token, this.weights.value(i, source));
    });
    this.frame.setReadout(`${this.payload.keys.display[source]} is read by the coloured words`);
  }

  fill(node, share) {
    if (share < FAINT) {
      node.style.background = "";
      node.style.color = "";
      return;
    }
    const colour = mix(this.theme.sequential, share);
    node.style.background = css(colour);
    node.style.color = readableOn(colour);
  }

  get isConfidence() {
    return (this.state.colour || "confidence") === "confidence";
  }

  legend(isConfidence) {
    return isConfidence
      ? "Colour: how unsure the model was of a token (1 − its probability). Point at a word for its sources."
      : "Point at a word for its sources, at a source word for what reads it.";
  }

  sentence(word) {
    const named = this.ranked(word)
      .slice(0, 3)
      .map(([i, weight]) => `${this.payload.keys.display[i]} ${format(weight, 2)}`);
    return `${this.words[word].text} reads ${named.join(", ")}`;
  }

  /** Source words with their weights, the most read first. */
  ranked(word) {
    return this.payload.keys.display
      .map((_, i) => [i, this.weights.value(word, i)])
      .sort((a, b) => b[1] - a[1]);
  }

  /** What else a token might have been. */
  showToken(step) {
    const token = this.words.flatMap((word) => word.tokens).find((one) => one.step === step);
    this.state.token = step;
    for (const node of this.target.querySelectorAll("button")) {
      node.setAttribute("aria-pressed", String(Number(node.dataset.step) === step));
    }
    if (!token) {
      this.card.hidden = true;
      return;
    }
    this.card.hidden = false;
    const rows = token.alternatives.map(([text, p, id]) => this.alternative(token, text, p, id));
    this.card.replaceChildren(
      element("h3", { class: "title" }, "What else could stand here?"),
      element("p", { class: "subtitle" }, this.host.isStatic ? "Probabilities of the model." : "Probabilities of the model. A click writes on from there."),
      element("div", { class: "options" }, ...rows),
    );
  }

  alternative(token, text, p, id) {
    const bar = element("span", { class: "fill key" });
    bar.style.width = `${100 * p}%`;
    const { isStatic } = this.host;
    const node = button("", {
      name: `${text}, probability ${format(p)}`,
      onClick: () => this.host.trigger("fork", [token.step, id]),
    });
    node.classList.toggle("own", id === token.id);
    node.disabled = isStatic || id === token.id;
    node.append(
      element("span", { class: "tok" }, text),
      element("span", { class: "track" }, bar),
      element("span", { class: "number" }, format(p)),
    );
    return node;
  }

  fillTable() {
    const body = element("tbody");
    this.words.forEach((word, i) => {
      body.append(element("tr", {}, element("th", { scope: "row" }, word.text), element("td", {}, this.sentence(i))));
    });
    const caption = element("caption", {}, this.payload.caption);
    this.frame.table.replaceChildren(element("table", {}, caption, body));
  }

  /** What a file of the picture shows. */
  scene() {
    return {
      theme: this.theme,
      source: this.payload.keys.display,
      words: this.words,
      links: this.words.map((_, i) => this.ranked(i)[0]),
      place: this.place.name,
    };
  }

  repaint() {
    super.repaint();
    this.paint(null);
  }
}
