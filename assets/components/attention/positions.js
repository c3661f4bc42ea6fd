// Positions: which number stands for which position, in which dimension, and the wave it lies on.

import { FieldView } from "./field.js";
import { clamp, format } from "./numbers.js";
import { PositionsMatrix, wavelengthOf } from "./positions_matrix.js";
import { PositionsPicture } from "./positions_picture.js";

export class PositionsView extends FieldView {
  show() {
    const { payload, state } = this;
    const { axes, selected } = payload.options;
    const isSame = this.picture && state.identity === payload.identity;
    const viewport = isSame && this.picture.viewport;
    this.matrix = new PositionsMatrix(payload);
    this.picture = new PositionsPicture({ ...payload, matrix: this.matrix });
    this.picture.axes = axes;
    if (viewport) this.picture.show(viewport);
    const [row, column] = state.selected || selected || [0, 0];
    state.selected = [
      clamp(row, 0, this.matrix.rows - 1),
      clamp(column, 0, this.matrix.columns - 1),
    ];
    state.identity = payload.identity;
    this.hovered = null;
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.frame.tools.replaceChildren(this.zoomButtons(), this.frame.exportButtons(this.stage));
    this.stage.refresh();
    this.picked();
  }

  sentence([row, column]) {
    const { queries, keys, options, unit } = this.payload;
    const [rows, columns] = options.axes;
    const place = `${rows.one} ${queries.display[row]}, ${columns.one} ${keys.display[column]}`;
    if (this.matrix.isMasked(row, column)) return `${place}: after the query, which does not see it`;
    const value = format(this.matrix.value(row, column));
    const number = this.matrix.isExact ? `${unit} ${value}` : `mean of its block ${value}`;
    return `${place}${this.about(column)}: ${number}${this.more(row, column)}`;
  }

  /** What a column is: sine or cosine, of which pair. */
  about(column) {
    const part = column % 2 ? "cosine" : "sine";
    const isPaper = this.payload.options.formula.kind === "sinusoidal";
    return isPaper ? ` (${part} of pair ${Math.floor(column / 2)})` : "";
  }

  /** Wavelength, period or distance. */
  more(row, column) {
    const { kind, slope } = this.payload.options.formula;
    if (kind === "alibi") return ` = −${format(slope)} × ${Math.abs(row - column)} apart`;
    const long = this.wavelength(column);
    return long ? ` · ${long}` : "";
  }

  wavelength(column) {
    const { kind, width, base, periods } = this.payload.options.formula;
    const say = (length) => `wavelength ${format(length)} positions`;
    if (kind === "sinusoidal") return say(wavelengthOf(Math.floor(column / 2), width, base));
    if (kind === "rotary") return say(wavelengthOf(column % (width / 2), width, base));
    if (kind === "tutorial") return say(2 * Math.PI * base ** ((2 * column) / width));
    if (!periods) return "";
    const [period, share] = periods[column];
    const percent = Math.round(100 * share);
    return period ? `learned; its strongest wave: ${format(period)} positions, ${percent} % of its variance` : "";
  }

  waveWords([row, column]) {
    const { keys, options } = this.payload;
    const name = `${options.axes[1].one} ${keys.display[column]}${this.about(column)}`;
    const long = this.wavelength(column);
    return `${name[0].toUpperCase()}${name.slice(1)} by ${options.axes[0].one}${long ? ` · ${long}` : ""}`;
  }

  overlay(context) {
    super.overlay(context);
    const cell = this.hovered || this.state.selected;
    const { font } = this.theme;
    context.font = `12px ${font}`;
    this.picture.paintWave(context, this.theme, cell, this.waveWords(cell));
  }
}
