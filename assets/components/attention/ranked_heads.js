// Heads ranked by a number: a board to see them all, a list of the first.

import { HeadBoard } from "./board.js";
import { element } from "./dom.js";
import { format } from "./numbers.js";

const RANKED_SHOWN = 8;

/** The card beside a pair of maps. `onOpen([layer, head])` is told of a pick. */
export class RankedHeads {
  constructor(card, { onOpen }) {
    this.card = card;
    this.onOpen = onOpen;
    this.title = element("h3", { class: "title" });
    this.subtitle = element("p", { class: "subtitle" });
    this.line = element("p", { class: "readout" });
    this.list = element("ol", { class: "ranked" });
    this.board = new HeadBoard({
      kind: "choice",
      label: "Heads by divergence: arrow keys move, Enter opens",
      onPick: onOpen,
      onHover: (at) => this.readout(at),
      describe: (at) => this.describe(at),
    });
    this.board.isPicked = (at) => String(at) === String(this.facts.selected);
    card.append(this.title, this.subtitle, this.board.node, this.board.legend, this.line, this.list);
  }

  show(facts, theme, isEnabled) {
    this.facts = facts;
    const isThere = !facts.note;
    this.title.textContent = facts.title || "Which heads differ most?";
    this.subtitle.textContent = facts.note || facts.subtitle;
    for (const node of [this.board.node, this.board.legend, this.line, this.list]) node.hidden = !isThere;
    if (!isThere) return;
    const { n_layers: layers, n_heads: heads, values } = facts;
    this.board.show({ layers, heads, values, theme, unit: "bits", isEnabled });
    this.ranked = this.rank();
    this.list.replaceChildren(...this.ranked.slice(0, RANKED_SHOWN).map((at) => this.item(at, isEnabled)));
    this.readout(null);
  }

  recolour(theme) {
    if (this.facts && !this.facts.note) this.board.show({ ...this.board, theme });
  }

  rank() {
    const known = this.board.all().filter((at) => this.board.value(at) !== null);
    const sign = this.facts.order === "smallest" ? 1 : -1;
    return known.sort((a, b) => sign * (this.board.value(a) - this.board.value(b)));
  }

  item(at, isEnabled) {
    const name = `L${at[0]} H${at[1]}`;
    const fill = element("i", { class: "fill" });
    fill.style.width = `${(100 * this.board.value(at)) / (this.board.peak || 1)}%`;
    const open = element(
      "button",
      { type: "button", disabled: !isEnabled, on: { click: () => this.onOpen(at) } },
      element("span", { class: "tok" }, name),
      element("span", { class: "track", "aria-hidden": "true" }, fill),
      element("span", { class: "number" }, `${format(this.board.value(at))}`),
    );
    if (this.board.isPicked(at)) open.setAttribute("aria-current", "true");
    return element("li", {}, open);
  }

  describe(at) {
    const value = this.board.value(at);
    return `L${at[0]} H${at[1]}: ${value === null ? "cannot be compared" : `${format(value)} bits`}`;
  }

  readout(at) {
    const shown = at || this.facts.selected;
    const rank = this.ranked.findIndex((other) => String(other) === String(shown)) + 1;
    const words = rank ? `, rank ${rank} of ${this.ranked.length}` : "";
    this.line.textContent = this.describe(shown) + words;
  }
}
