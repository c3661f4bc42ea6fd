// What all views share: a frame, a place for state, listeners that go away with the view.

import { Frame } from "./frame.js";

/** A view draws payloads of one kind. Subclasses implement `show()` and may extend `destroy()`. */
export class View {
  constructor(node, host, state) {
    this.frame = new Frame(node, host);
    this.host = host;
    this.state = state;
    this.stages = [];
    this.frame.onTheme = () => this.repaint();
  }

  /** Draw another payload, keeping what the reader had picked. */
  update(payload) {
    this.payload = payload;
    this.frame.show(payload);
    this.show();
  }

  get theme() {
    return this.frame.theme;
  }

  repaint() {
    for (const stage of this.stages) stage.repaint();
  }

  addStage(stage, parent = this.frame.body) {
    this.stages.push(stage);
    parent.append(stage.node);
    return stage;
  }

  destroy() {
    for (const stage of this.stages) stage.destroy();
    this.frame.destroy();
  }
}
