// What all views share: a frame, a place for state, listeners that go away with the view.

import { Frame } from "./frame.js";
import { clamp } from "./numbers.js";

/** A view draws payloads of one kind. Subclasses implement `show()` and may extend `destroy()`. */
export class View {
  constructor(node, host, state) {
    this.frame = new Frame(node, host);
    this.host = host;
    this.state = state;
    this.stages = [];
    this.frame.onTheme = () => this.repaint();
    // A canvas does not redraw itself when the font that it asked for arrives.
    this.onFonts = () => this.refresh();
    document.fonts.addEventListener("loadingdone", this.onFonts);
  }

  /** Draw another payload, keeping what the reader had picked. */
  update(payload) {
    this.payload = payload;
    this.frame.show(payload);
    this.show();
  }

  /** A cell that the reader picked stays while model, text and site do; else the one offered. */
  keepCell(rows, columns) {
    const { payload, state } = this;
    if (state.identity !== payload.identity) {
      Object.assign(state, { identity: payload.identity, isPicked: false, pinned: null });
    }
    if (!state.isPicked) state.selected = payload.options.selected || [0, 0];
    const [row, column] = state.selected;
    state.selected = [clamp(row, 0, rows - 1), clamp(column, 0, columns - 1)];
  }

  get theme() {
    return this.frame.theme;
  }

  repaint() {
    for (const stage of this.stages) stage.repaint();
  }

  refresh() {
    for (const stage of this.stages) stage.refresh();
  }

  addStage(stage, parent = this.frame.body) {
    this.stages.push(stage);
    parent.append(stage.node);
    return stage;
  }

  destroy() {
    document.fonts.removeEventListener("loadingdone", this.onFonts);
    for (const stage of this.stages) stage.destroy();
    this.frame.destroy();
  }
}
