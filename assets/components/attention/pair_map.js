// One of the maps of a pair: its picture, and a hand for pointer and keyboard.

import { element } from "./dom.js";
import { bindMap } from "./map_input.js";
import { MapPicture } from "./map_picture.js";
import { Stage } from "./stage.js";

/** A map in which labels of tokens that differ from the other side stand out. */
export class PairPicture extends MapPicture {
  labelStyle(context, theme, strip, i, part) {
    super.labelStyle(context, theme, strip, i, part);
    if (part || !strip.isOther.has(i)) return;
    context.font = `bold ${context.font}`;
    context.fillStyle = theme.text;
  }
}

/**
 * `index` 0 and 1 are the two sides, 2 is their difference. The owner knows which cells belong
 * together: it is told of `select(index, cell)` and `hover(index, cell, event)`.
 */
export class PairMap {
  constructor(owner, index, label) {
    Object.assign(this, { owner, index });
    this.title = element("h4", { class: "pair-title" });
    this.stage = new Stage(this, { label, description: "heat map" });
    this.node = element("div", { class: `pair-map pair-${index}` }, this.title, this.stage.node);
    this.state = { selected: [0, 0] };
    this.shown = { row: null, column: null };
    this.hovered = { row: null, column: null };
    bindMap(this);
  }

  show(picture, title, viewport) {
    this.picture = picture;
    this.matrix = picture.matrix;
    this.title.textContent = title;
    if (viewport) picture.show(viewport);
  }

  select(cell, { say = false } = {}) {
    this.owner.select(this.index, cell, { say });
  }

  hover(cell, event) {
    this.owner.hover(this.index, cell, event);
  }

  zoom(factor) {
    this.owner.zoom(factor);
  }

  moved() {
    this.stage.node.classList.toggle("zoomed", this.picture.isZoomed);
    this.stage.refresh();
  }

  commit() {}

  /** Mark a row and a column; either may be missing where a token has no counterpart. */
  mark(name, place) {
    this[name] = place;
    if (name === "shown" && place.row !== null && place.column !== null) {
      this.state.selected = [place.row, place.column];
    }
  }

  measure(context, width) {
    return this.picture.measure(context, this.owner.theme, width, this.stage.ratio);
  }

  paint(context) {
    const { row, column } = this.shown;
    this.picture.paint(context, this.owner.theme, [row ?? -1, column ?? -1]);
  }

  overlay(context) {
    const { picture, owner } = this;
    const { theme } = owner;
    this.bands(context, theme, this.hovered);
    if (this.isWhole(this.hovered)) {
      picture.outline(context, [this.hovered.row, this.hovered.column], theme.muted, 1.5);
    }
    if (this.isWhole(this.shown)) {
      picture.outline(context, [this.shown.row, this.shown.column], theme.text, 2);
    }
  }

  isWhole({ row, column }) {
    return row !== null && column !== null;
  }

  /** A light band along a marked row, and one along a marked column. */
  bands(context, theme, { row, column }) {
    const { picture } = this;
    const { x, y, width, height, cell } = picture.box;
    const v = picture.viewport;
    context.save();
    context.globalAlpha = 0.13;
    if (row !== null && row >= v.row && row < v.row + v.rows) {
      context.fillStyle = theme.query;
      context.fillRect(x, picture.top(row), width, cell);
    }
    if (column !== null && column >= v.column && column < v.column + v.columns) {
      context.fillStyle = theme.key;
      context.fillRect(picture.left(column), y, cell, height);
    }
    context.restore();
  }
}
