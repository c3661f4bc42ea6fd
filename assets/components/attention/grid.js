// The grid: what do all heads look like?

import { choice, element } from "./dom.js";
import { HeadsPicture, bindHeads } from "./heads_picture.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

export class GridView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.heads = new HeadsPicture(this);
    const label = "All heads: arrow keys move, Enter opens a head";
    this.stage = this.addStage(new Stage(this.heads, { label, description: "grid of maps" }));
    this.frame.layout.classList.add("single");
    bindHeads(this.stage, this.heads, {
      onMove: (text) => this.frame.setReadout(text),
      onSay: (text) => this.frame.say(text),
      onOpen: (head) => host.trigger("head", head),
    });
  }

  show() {
    const { heads, frame, payload } = this;
    heads.show(payload);
    heads.isShared = this.state.sharedHeads !== false;
    frame.tools.replaceChildren(
      choice("Colour scale", { linear: "Linear", log: "Log" }, this.state.scale || "linear", (scale) =>
        this.restyle({ scale }),
      ),
      choice(
        "Range of colours",
        { shared: "Shared range", own: "Own range" },
        heads.isShared ? "shared" : "own",
        (how) => this.restyle({ sharedHeads: how === "shared" }),
      ),
      frame.exportButtons(this.stage),
    );
    this.stage.node.setAttribute("aria-label", `${payload.caption} Arrow keys move, Enter opens.`);
    this.stage.refresh();
    frame.setReadout(heads.describe(heads.selected));
    this.fillTable();
  }

  restyle(change) {
    Object.assign(this.state, change);
    this.heads.isShared = this.state.sharedHeads !== false;
    this.heads.images.clear();
    this.stage.repaint();
  }

  fillTable() {
    const { heads, frame, payload } = this;
    const body = element("tbody");
    for (let layer = 0; layer < heads.layers; layer += 1) {
      for (let head = 0; head < heads.heads; head += 1) {
        body.append(element("tr", {}, element("td", {}, heads.describe([layer, head]))));
      }
    }
    frame.table.replaceChildren(element("table", {}, element("caption", {}, payload.caption), body));
  }
}
