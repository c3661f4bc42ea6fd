// The field: a matrix of signed numbers with axes of any meaning, such as position by dimension.

import { button, element } from "./dom.js";
import { DifferencePicture } from "./difference.js";
import { bindMap } from "./map_input.js";
import { clamp, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const MAX_TABLE = 64;

class FieldMatrix {
  constructor(array, limit) {
    [this.rows, this.columns] = array.shape;
    this.values = array.codes;
    this.limit = limit;
  }

  value(row, column) {
    return this.values[row * this.columns + column];
  }

  isMasked() {
    return false;
  }

  /** What the ends of the colour scale stand for. */
  ownPeak() {
    return this.limit || 1;
  }
}

class FieldPicture extends DifferencePicture {
  paintAxisNames(context, theme) {
    const { x, y, width, height } = this.box;
    const [rows, columns] = this.axes;
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme[rows.part] || theme.muted;
    context.save();
    context.translate(9, y + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(rows.name, 0, 0);
    context.restore();
    context.fillStyle = theme[columns.part] || theme.muted;
    context.textAlign = "left";
    if (this.isNarrow) context.fillText(`${columns.name} ↑`, x, y + height + 14);
    else context.fillText(columns.name, x + width + 20, y - 8);
  }

  /** Where cells are smaller than pixels, a pixel shows their mean. */
  paintPixels(context, theme) {
    const isSmaller = this.box.cell * this.ratio < 1;
    const drawImage = context.drawImage.bind(context);
    if (isSmaller) {
      context.drawImage = (...args) => {
        context.imageSmoothingEnabled = true;
        context.imageSmoothingQuality = "high";
        drawImage(...args);
      };
    }
    super.paintPixels(context, theme);
    delete context.drawImage;
  }
}

export class FieldView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.stage = this.addStage(new Stage(this, { label: "Matrix", description: "heat map" }));
    this.frame.layout.classList.add("single");
    bindMap(this);
  }

  show() {
    const { payload, state } = this;
    const { axes, limit, selected } = payload.options;
    const isSame = this.picture && state.identity === payload.identity;
    const viewport = isSame && this.picture.viewport;
    this.matrix = new FieldMatrix(payload.arrays.values, limit);
    this.picture = new FieldPicture({ ...payload, matrix: this.matrix });
    this.picture.axes = axes;
    if (viewport) this.picture.show(viewport);
    const [row, column] = (isSame && state.selected) || selected || [0, 0];
    state.selected = [
      clamp(row, 0, this.matrix.rows - 1),
      clamp(column, 0, this.matrix.columns - 1),
    ];
    state.identity = payload.identity;
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.frame.tools.replaceChildren(this.zoomButtons(), this.frame.exportButtons(this.stage));
    this.stage.refresh();
    this.picked();
  }

  zoomButtons() {
    return element(
      "div",
      { class: "choice", role: "group", "aria-label": "Zoom" },
      button("−", { name: "Zoom out", tip: "Zoom out (key −)", onClick: () => this.zoom(0.5) }),
      button("+", { name: "Zoom in", tip: "Zoom in (key +, or Ctrl and wheel)", onClick: () => this.zoom(2) }),
      button("Fit", { name: "Show the whole matrix", tip: "Show all (key 0)", onClick: () => this.zoom(0) }),
    );
  }

  zoom(factor, anchor = this.state.selected) {
    if (!factor) this.picture.fit();
    else this.picture.zoom(factor, anchor);
    if (factor > 1 && anchor === this.state.selected) this.picture.reveal(anchor);
    this.moved();
  }

  moved() {
    this.stage.node.classList.toggle("zoomed", this.picture.isZoomed);
    this.stage.refresh();
  }

  select(cell, { reveal = false, say = false } = {}) {
    this.state.selected = cell;
    if (reveal && !this.picture.contains(...cell)) {
      this.picture.reveal(cell);
      this.moved();
    } else {
      this.stage.repaint();
    }
    this.picked();
    if (say) this.frame.say(this.sentence(cell));
  }

  commit() {
    this.host.setState("cell", this.state.selected);
  }

  hover(cell, event) {
    this.hovered = cell;
    if (cell) this.frame.setTip([event.clientX, event.clientY], this.sentence(cell));
    else this.frame.hideTip();
    this.stage.hover();
    this.frame.setReadout(this.sentence(cell || this.state.selected));
  }

  picked() {
    this.frame.setReadout(this.sentence(this.hovered || this.state.selected));
    (window.requestIdleCallback || setTimeout)(() => this.fillTable());
  }

  sentence([row, column]) {
    const { queries, keys, options, unit } = this.payload;
    const [rows, columns] = options.axes;
    const value = format(this.matrix.value(row, column));
    return `${rows.one} ${queries.display[row]}, ${columns.one} ${keys.display[column]}: ${unit} ${value}`;
  }

  /** The picked row, for a screen reader; of a long row its beginning. */
  fillTable() {
    const { matrix, payload, state } = this;
    const [row] = state.selected;
    const body = element("tbody");
    for (let column = 0; column < Math.min(matrix.columns, MAX_TABLE); column += 1) {
      const name = element("th", { scope: "row" }, payload.keys.display[column]);
      body.append(element("tr", {}, name, element("td", {}, format(matrix.value(row, column)))));
    }
    const caption = `${payload.options.axes[0].one} ${payload.queries.display[row]}`;
    this.frame.table.replaceChildren(element("table", {}, element("caption", {}, caption), body));
  }

  measure(context, width) {
    return this.picture.measure(context, this.theme, width, this.stage.ratio);
  }

  paint(context) {
    this.picture.paint(context, this.theme, this.state.selected);
  }

  overlay(context) {
    const { picture, theme, state } = this;
    if (this.hovered) picture.outline(context, this.hovered, theme.muted, 1.5);
    picture.outline(context, state.selected, theme.text, 2);
  }
}
