// A board: one button for each head, layers down, heads across, coloured by a number.

import { button, element } from "./dom.js";
import { clamp, format } from "./numbers.js";
import { css, mix, share, ticks } from "./palette.js";

const BOARD_STEPS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-8, 0],
  PageDown: [8, 0],
};

/** A board of few layers has larger cells: about so many pixels in all. */
const BOARD_HEIGHT = 620;

/**
 * The buttons in a grid that takes one stop of the Tab key; arrow keys move inside it.
 *
 * `kind` is "switch" (on or off) or "choice" (one is picked). `onPick(at)`, `onLayer(layer)` and
 * `onHover(at, event)` are told of what happens; `describe(at)` names a head for a screen reader.
 */
export class HeadBoard {
  constructor({ kind, label, onPick, onHover, describe, onLayer = null }) {
    Object.assign(this, { kind, label, onPick, onHover, describe, onLayer });
    this.node = element("div", { class: "board", role: "grid", "aria-label": label });
    this.legend = element("p", { class: "board-legend" });
    this.buttons = new Map();
    this.focus = [0, 0];
    this.shape = "";
    this.node.addEventListener("keydown", (event) => this.onKey(event));
    this.node.addEventListener("pointermove", (event) => onHover(this.hit(event), event));
    this.node.addEventListener("pointerleave", () => onHover(null));
    this.node.addEventListener("focusin", (event) => onHover(this.hit(event)));
    this.node.addEventListener("focusout", () => onHover(null));
  }

  /** Draw numbers by layer and head; null where one is not known. */
  show({ layers, heads, values, theme, scale = "linear", unit = "", isEnabled = true }) {
    Object.assign(this, { layers, heads, values, theme, scale, unit, isEnabled });
    if (this.shape !== `${layers} ${heads}`) this.build();
    this.peak = Math.max(0, ...(values || []).flat().filter((value) => value !== null));
    this.refresh();
    this.showLegend();
  }

  build() {
    const { layers, heads } = this;
    this.shape = `${layers} ${heads}`;
    this.buttons.clear();
    this.focus = [clamp(this.focus[0], 0, layers - 1), clamp(this.focus[1], 0, heads - 1)];
    this.node.style.setProperty("--heads", heads);
    this.node.style.setProperty("--largest", `${clamp(BOARD_HEIGHT / layers, 26, 54)}px`);
    const names = Array.from({ length: heads }, (_, head) =>
      element("div", { role: "columnheader", class: "name" }, `H${head}`),
    );
    const corner = element(
      "div",
      { role: "columnheader", class: "name" },
      element("span", { class: "sr" }, "layer"),
    );
    const rows = Array.from({ length: layers }, (_, layer) => this.buildRow(layer));
    this.node.replaceChildren(element("div", { role: "row" }, corner, ...names), ...rows);
  }

  buildRow(layer) {
    const name = element("div", { role: "rowheader", class: "name" });
    if (this.onLayer) {
      const tip = `Switch all heads of layer ${layer}`;
      name.append(button(`L${layer}`, { tip, name: tip, onClick: () => this.onLayer(layer) }));
      name.firstChild.tabIndex = -1;
      this.buttons.set(`${layer},-1`, name.firstChild);
    } else {
      name.append(`L${layer}`);
    }
    const cells = Array.from({ length: this.heads }, (_, head) => this.buildCell([layer, head]));
    return element("div", { role: "row" }, name, ...cells);
  }

  buildCell(at) {
    const cell = element("button", {
      type: "button",
      class: "head-cell",
      role: this.kind === "switch" ? "switch" : null,
      "data-at": at.join(),
      on: { click: () => this.pick(at) },
    });
    this.buttons.set(at.join(), cell);
    return element("div", { role: "gridcell" }, cell);
  }

  /** Colours, names and states of all buttons, without building them anew. */
  refresh() {
    for (const [name, node] of this.buttons) {
      const at = name.split(",").map(Number);
      node.tabIndex = name === this.focus.join() ? 0 : -1;
      node.setAttribute("aria-disabled", String(!this.isEnabled));
      if (at[1] >= 0) this.refreshCell(node, at);
    }
  }

  refreshCell(node, at) {
    const colour = this.colour(at);
    if (colour) node.style.setProperty("--head", colour);
    else node.style.removeProperty("--head");
    node.setAttribute("aria-label", this.describe(at));
    if (this.kind === "switch") {
      node.setAttribute("aria-checked", String(!this.isOff(at)));
      node.classList.toggle("off", this.isOff(at));
    } else if (this.isPicked(at)) {
      node.setAttribute("aria-current", "true");
    } else {
      node.removeAttribute("aria-current");
    }
  }

  /** Whether a head is off; replaced by the owner of a board of switches. */
  isOff() {
    return false;
  }

  /** Whether a head is the one picked; replaced by the owner of a board of choices. */
  isPicked() {
    return false;
  }

  value([layer, head]) {
    return this.values ? this.values[layer][head] : null;
  }

  colour(at) {
    const value = this.value(at);
    if (value === null) return null;
    return css(mix(this.theme.sequential, share(value, this.peak, this.scale)));
  }

  showLegend() {
    const isKnown = this.values && this.values.flat().some((value) => value !== null);
    this.legend.hidden = !isKnown;
    if (!isKnown) return;
    const marks = ticks(this.peak, this.scale).reverse();
    const labels = marks.map((value, i) =>
      element("span", {}, (i === 0 && this.scale === "log" ? "≤ " : "") + format(value, 2)),
    );
    const bar = element("span", { class: "ramp" });
    bar.style.background = `linear-gradient(90deg, ${this.theme.sequential.join()})`;
    const scale = element("span", { class: "ramp-scale" }, bar, element("span", { class: "marks" }, ...labels));
    this.legend.replaceChildren(scale, element("span", { class: "muted" }, this.unit));
  }

  pick(at) {
    this.setFocus(at, false);
    if (this.isEnabled) this.onPick(at);
  }

  setFocus(at, isMoved = true) {
    const before = this.buttons.get(this.focus.join());
    if (before) before.tabIndex = -1;
    this.focus = at;
    const node = this.buttons.get(at.join());
    node.tabIndex = 0;
    if (isMoved) node.focus();
  }

  onKey(event) {
    const target = this.target(event);
    if (!target) return;
    event.preventDefault();
    this.setFocus(target);
  }

  target(event) {
    if (event.altKey || event.metaKey) return null;
    const [layer, head] = this.focus;
    const first = this.onLayer ? -1 : 0;
    if (event.key === "Home") return [event.ctrlKey ? 0 : layer, first];
    if (event.key === "End") return [event.ctrlKey ? this.layers - 1 : layer, this.heads - 1];
    const step = BOARD_STEPS[event.key];
    if (!step) return null;
    return [clamp(layer + step[0], 0, this.layers - 1), clamp(head + step[1], first, this.heads - 1)];
  }

  hit(event) {
    const cell = event.target.closest("[data-at]");
    return cell ? cell.dataset.at.split(",").map(Number) : null;
  }

  /** All heads of a layer. */
  layer(layer) {
    return Array.from({ length: this.heads }, (_, head) => [layer, head]);
  }

  /** All heads. */
  all() {
    return Array.from({ length: this.layers }, (_, layer) => this.layer(layer)).flat();
  }
}
