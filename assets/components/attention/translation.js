// A translation: hover a word to see where it comes from, its confidence, and what else it might be.

import { button, choice, element } from "./dom.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { css, isDark, mix } from "./palette.js";
import { View } from "./view.js";

const FAINT = 0.04;

export class TranslationView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.source = element("div", { class: "sentence-line", lang: "en" });
    this.target = element("div", { class: "sentence-line target", "aria-label": "Translation" });
    this.frame.body.append(
      element("h4", { class: "line-name" }, "Source"),
      this.source,
      element("h4", { class: "line-name" }, "Translation"),
      this.target,
    );
    this.card = this.frame.sideCard("alternatives");
  }

  show() {
    const { payload, state } = this;
    this.weights = new Matrix(payload.arrays.weights);
    this.words = payload.options.words;
    if (state.identity !== payload.identity) Object.assign(state, { identity: payload.identity, token: null });
    this.frame.tools.replaceChildren(
      choice("Colour", { sources: "Sources", confidence: "Confidence" }, state.colour || "confidence", (colour) => {
        state.colour = colour;
        this.paint(null);
      }),
    );
    this.fillSource();
    this.fillTarget();
    this.fillTable();
    this.paint(null);
    this.showToken(state.token ?? this.leastSure());
  }

  fillSource() {
    this.source.replaceChildren(
      ...this.payload.keys.display.map((word, i) =>
        element(
          "span",
          { class: "tok word", on: { pointerenter: () => this.paintSource(i), pointerleave: () => this.paint(null) } },
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
    const isConfidence = (this.state.colour || "confidence") === "confidence";
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
    this.frame.setReadout(word === null ? this.legend(isConfidence) : this.sentence(word));
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
    const colour = css(mix(this.theme.sequential, share));
    node.style.background = colour;
    node.style.color = isDark(colour) ? "#ffffff" : "#1b1d1f";
  }

  legend(isConfidence) {
    return isConfidence
      ? "Colour: how unsure the model was of a token (1 − its probability). Point at a word for its sources."
      : "Point at a word for its sources, at a source word for what reads it.";
  }

  sentence(word) {
    const ranked = this.payload.keys.display
      .map((name, i) => [name, this.weights.value(word, i)])
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3)
      .map(([name, weight]) => `${name} ${format(weight, 2)}`);
    return `${this.words[word].text} reads ${ranked.join(", ")}`;
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
      element("p", { class: "subtitle" }, "Probabilities of the model. A click writes on from there."),
      element("div", { class: "options" }, ...rows),
    );
  }

  alternative(token, text, p, id) {
    const bar = element("span", { class: "fill key" });
    bar.style.width = `${100 * p}%`;
    const node = button("", {
      name: `${text}, probability ${format(p)}`,
      onClick: () => this.host.trigger("fork", [token.step, id]),
    });
    node.classList.toggle("own", id === token.id);
    node.disabled = id === token.id;
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

  repaint() {
    this.paint(null);
  }
}
