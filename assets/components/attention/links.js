// Links: which token reads which, as lines from queries to keys.

import { element, tokenNode } from "./dom.js";
import { matrixOf, rankedKeys } from "./matrix.js";
import { LinksPicture } from "./links_picture.js";
import { approximate, clamp, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { fillTable } from "./table.js";
import { View } from "./view.js";

const NAMED = 3;

export class LinksView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.scroller = element("div", { class: "scroller" });
    this.spacer = element("div", { class: "spacer" });
    this.scroller.append(this.spacer);
    this.frame.body.append(this.scroller);
    this.picture = new LinksPicture(this);
    this.stage = this.addStage(
      new Stage(this.picture, { label: "Links", description: "links between tokens" }),
      this.spacer,
    );
    this.scroller.addEventListener("scroll", () => this.stage.repaint(), { passive: true });
    this.bind();
  }

  show() {
    const { payload, state } = this;
    this.keepCell(payload.queries.length, payload.keys.length);
    const { selected } = state;
    this.matrix = matrixOf(payload);
    this.focus = state.pinned || { side: "queries", index: selected[0] };
    this.focus.index = clamp(this.focus.index, 0, payload[this.focus.side].length - 1);
    state.threshold ??= 0.05;
    this.picture.show(payload, this.matrix, state.threshold);
    this.frame.tools.replaceChildren(this.thresholdControl(), this.frame.exportButtons(this.stage));
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.stage.refresh();
    this.tell();
    fillTable(this.frame.table, payload, this.matrix, [0, 0]);
  }

  thresholdControl() {
    const value = element("output", { class: "number" }, format(this.state.threshold, 2));
    const slider = element("input", {
      type: "range",
      min: 0,
      max: 0.5,
      step: 0.01,
      value: this.state.threshold,
      on: {
        input: () => {
          this.state.threshold = Number(slider.value);
          value.textContent = format(this.state.threshold, 2);
          this.picture.collect(this.state.threshold);
          this.stage.repaint();
          this.tell();
        },
      },
    });
    return element("label", { class: "picker" }, "Weight at least", slider, value);
  }

  /** The token whose links alone are shown: under the pointer, else pinned. */
  get active() {
    return this.hovered || this.state.pinned || (this.hasFocus ? this.focus : null);
  }

  bind() {
    const { node } = this.stage;
    const at = (event) => this.picture.hit(this.stage.point(event));
    node.addEventListener("pointermove", (event) => this.setHovered(at(event)));
    node.addEventListener("pointerleave", () => this.setHovered(null));
    node.addEventListener("click", (event) => this.pin(at(event)));
    node.addEventListener("focus", () => this.setFocus(true));
    node.addEventListener("blur", () => this.setFocus(false));
    node.addEventListener("keydown", (event) => this.onKey(event));
  }

  setFocus(hasFocus) {
    this.hasFocus = hasFocus && this.stage.node.matches(":focus-visible");
    this.changed();
  }

  setHovered(token) {
    if (JSON.stringify(token) === JSON.stringify(this.hovered)) return;
    this.hovered = token;
    this.changed();
  }

  pin(token) {
    const { state } = this;
    const isSame = JSON.stringify(token) === JSON.stringify(state.pinned);
    state.pinned = isSame ? null : token;
    if (token) this.focus = token;
    this.changed();
  }

  changed() {
    this.stage.repaint();
    this.tell();
  }

  onKey(event) {
    const { side, index } = this.focus;
    const last = this.payload[side].length - 1;
    const other = side === "queries" ? "keys" : "queries";
    const moves = {
      ArrowUp: { side, index: Math.max(0, index - 1) },
      ArrowDown: { side, index: Math.min(last, index + 1) },
      Home: { side, index: 0 },
      End: { side, index: last },
      ArrowLeft: { side: "queries", index },
      ArrowRight: { side: "keys", index },
    };
    if (moves[event.key]) {
      this.focus = moves[event.key];
      if (this.focus.side === other) {
        this.focus.index = Math.min(index, this.payload[other].length - 1);
      }
      if (this.state.pinned) this.state.pinned = this.focus;
      this.hasFocus = true;
      this.picture.reveal(this.focus.index);
      this.changed();
      this.frame.say(this.frame.readout.textContent);
    } else if (event.key === "Enter" || event.key === " ") this.pin({ ...this.focus });
    else if (event.key === "Escape") this.pin(null);
    else return;
    event.preventDefault();
  }

  /** "it reads animal 0.677, …": the strongest links of the token, or how many are drawn. */
  tell() {
    const { payload, matrix, picture } = this;
    const token = this.active;
    if (!token) {
      const text = `${picture.links.length.toLocaleString("en")} links drawn`;
      const cut = picture.isCut ? `, the strongest of ${picture.found.toLocaleString("en")}` : "";
      this.frame.setReadout(`${text}${cut}. Point at a token to see only its own; click to keep it.`);
      return;
    }
    const reads = token.side === "queries";
    const other = reads ? payload.keys : payload.queries;
    const value = (i) => (reads ? matrix.value(token.index, i) : matrix.value(i, token.index));
    const order = reads
      ? rankedKeys(matrix, token.index)
      : Array.from({ length: matrix.rows }, (_, i) => i).sort((a, b) => value(b) - value(a));
    const nodes = [
      tokenNode(payload[token.side].display[token.index], reads ? "query" : "key"),
      reads ? " reads " : " is read by ",
    ];
    order.slice(0, NAMED).forEach((i, rank) => {
      nodes.push(rank ? ", " : "", tokenNode(other.display[i], reads ? "key" : "query"));
      nodes.push(` ${approximate(value(i), matrix.isExact)}`);
    });
    this.frame.setReadout(...nodes);
  }
}
