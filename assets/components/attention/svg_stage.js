// A picture as live SVG, drawn by the same painter that a canvas takes, with buttons on its parts.

import { element } from "./dom.js";
import { SvgContext } from "./svg_context.js";

/**
 * Draws and draws again. The painter has `measure(context, width)` returning `[width, height]`,
 * `paint(context)`, `overlay(context)` and `spots`: `{id: {x, y, width, height, label}}`, the parts
 * that can be pointed at and reached by keyboard.
 */
export class SvgStage {
  constructor(painter, { label, on, onResize = () => {} }) {
    Object.assign(this, { painter, on, onResize, width: 0, height: 0, room: 0 });
    this.measuring = document.createElement("canvas").getContext("2d");
    this.picture = element("div", { class: "drawing", "aria-hidden": "true" });
    this.buttons = new Map();
    this.layer = element("div", { class: "spots", role: "group", "aria-label": label });
    this.inner = element("div", { class: "svg-inner" }, this.picture, this.layer);
    this.node = element("div", { class: "svg-stage" }, this.inner);
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.node);
  }

  resized() {
    if (Math.floor(this.node.clientWidth) !== this.room) this.refresh();
  }

  /** Measure again, draw everything and put the buttons in their places. */
  refresh() {
    this.room = Math.floor(this.node.clientWidth);
    if (!this.room) return;
    [this.width, this.height] = this.painter.measure(this.measuring, this.room);
    this.inner.style.width = `${this.width}px`;
    this.inner.style.height = `${this.height}px`;
    this.repaint();
    this.placeSpots();
    this.onResize();
  }

  repaint() {
    if (!this.room) return;
    const context = new SvgContext(this.width, this.height);
    this.painter.paint(context);
    this.painter.overlay(context);
    this.picture.replaceChildren(context.svg);
  }

  placeSpots() {
    const { spots } = this.painter;
    for (const [id, node] of this.buttons) {
      if (spots[id]) continue;
      node.remove();
      this.buttons.delete(id);
    }
    for (const [id, spot] of Object.entries(spots)) {
      const node = this.buttons.get(id) || this.addButton(id);
      const { x, y, width, height } = spot;
      Object.assign(node.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
      node.setAttribute("aria-label", spot.label);
      this.layer.append(node); // in the order of the spots, which is that of the tab key
    }
  }

  addButton(id) {
    const { enter, leave, pick } = this.on;
    let pointer = "mouse";
    const node = element("button", {
      type: "button",
      class: "spot",
      on: {
        pointerdown: (event) => { pointer = event.pointerType; },
        pointerenter: (event) => event.pointerType !== "touch" && enter(id),
        pointerleave: () => leave(id),
        focus: () => enter(id),
        blur: () => leave(id),
        // A key press has no pointer: its click counts no presses of a button.
        click: (event) => pick(id, event.detail === 0 ? "key" : pointer),
      },
    });
    node.dataset.spot = id;
    this.buttons.set(id, node);
    return node;
  }

  destroy() {
    this.observer.disconnect();
  }
}
