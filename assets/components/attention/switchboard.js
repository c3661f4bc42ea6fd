// The switchboard: switch heads off, see at once what changes.

import { HeadBoard } from "./board.js";
import { BoardPainter } from "./board_painter.js";
import { button, choice, debounce, element } from "./dom.js";
import { EffectCard } from "./effect.js";
import { counted, format } from "./numbers.js";
import { View } from "./view.js";

const SWITCH_DELAY = 40;
const LEAST_SHARES = [0.25, 0.5, 0.75];

export class SwitchboardView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.off = new Set();
    this.board = new HeadBoard({
      kind: "switch",
      label: "Heads: arrow keys move, Space switches",
      onPick: (at) => this.toggle([at]),
      onLayer: (layer) => this.toggleLayer(layer),
      onHover: (at) => this.readout(at),
      describe: (at) => this.describe(at),
    });
    this.board.isOff = (at) => this.off.has(at.join());
    this.frame.body.append(this.board.node, this.board.legend);
    this.effect = new EffectCard(this.frame.sideCard("effect"));
    this.send = debounce(() => this.host.setState("switches", this.switches()), SWITCH_DELAY);
  }

  show() {
    const { payload, state } = this;
    const { options } = payload;
    this.keepSwitches();
    this.board.show({
      layers: options.n_layers,
      heads: options.n_heads,
      values: options.importance,
      theme: this.theme,
      scale: state.scale || "linear",
      unit: options.unit,
      isEnabled: options.is_live,
    });
    this.ranks = rankOf(options.importance);
    this.buildTools();
    this.showEffect();
    this.readout(null);
    this.fillTable();
  }

  /** The browser's switches are the ones that count, until another model, text or site comes. */
  keepSwitches() {
    const { payload, state } = this;
    const given = payload.options.switches.map(([layer, head]) => `${layer},${head}`);
    if (!state.switches || state.switches.identity !== payload.identity) {
      state.switches = { identity: payload.identity, off: new Set(given) };
    }
    this.off = state.switches.off;
    const isSame = given.length === this.off.size && given.every((name) => this.off.has(name));
    const isMode = payload.options.switches.every((item) => item[2] === payload.options.mode);
    this.isStale = !isSame || !isMode;
    if (this.isStale && payload.options.is_live) this.send();
  }

  buildTools() {
    const { frame, board, state } = this;
    const { options } = this.payload;
    const tools = [];
    if (options.is_live) {
      tools.push(
        element(
          "div",
          { class: "choice", role: "group", "aria-label": "Switch many heads" },
          button("All on", { tip: "Switch every head on", onClick: () => this.set([]) }),
          button("Invert", { tip: "Swap on and off", onClick: () => this.toggle(board.all()) }),
        ),
      );
      if (this.ranks) tools.push(this.leastPicker());
    }
    if (this.ranks) {
      tools.push(
        choice("Colour scale", { linear: "Linear", log: "Log" }, state.scale || "linear", (scale) => {
          state.scale = scale;
          this.repaint();
        }),
      );
    }
    frame.tools.replaceChildren(...tools, frame.exportButtons(new BoardPainter(board)));
  }

  /** Switch off the heads that matter least alone: what pruning does (Michel et al. 2019). */
  leastPicker() {
    const select = element("select", { "aria-label": "Switch off the least important heads" });
    select.append(element("option", { value: "" }, "Least important…"));
    for (const share of LEAST_SHARES) {
      const count = Math.round(share * this.ranks.length);
      select.append(element("option", { value: count }, `${share * 100} % (${count}) off`));
    }
    select.addEventListener("change", () => {
      if (select.value) this.set(this.ranks.slice(-Number(select.value)));
    });
    return select;
  }

  toggleLayer(layer) {
    const heads = this.board.layer(layer);
    const isAllOff = heads.every((at) => this.off.has(at.join()));
    for (const at of heads) this.off[isAllOff ? "delete" : "add"](at.join());
    this.switched();
  }

  toggle(heads) {
    for (const at of heads) {
      const name = at.join();
      if (!this.off.delete(name)) this.off.add(name);
    }
    this.switched();
  }

  set(heads) {
    this.off.clear();
    for (const at of heads) this.off.add(at.join());
    this.switched();
  }

  switched() {
    this.board.refresh();
    this.effect.wait();
    this.frame.setReadout(`${counted(this.off.size, "head")} off`);
    this.fillTable();
    this.send();
  }

  switches() {
    const { mode } = this.payload.options;
    const heads = [...this.off].map((name) => name.split(",").map(Number));
    heads.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return heads.map((at) => [...at, mode]);
  }

  showEffect() {
    const { options } = this.payload;
    const switched = options.switches.map((item) => [item[0], item[1]]);
    const alone = switched.map(([layer, head]) => this.importance([layer, head]));
    const isKnown = alone.every((size) => size !== null);
    this.effect.show(options.effect, {
      nOff: switched.length,
      alone: isKnown ? alone.reduce((sum, size) => sum + size, 0) : null,
      isLive: options.is_live,
    });
    if (this.isStale && options.is_live) this.effect.wait();
    if (!this.isStale && options.effect) {
      const { size, unit } = options.effect;
      this.frame.say(`${counted(switched.length, "head")} off: ${format(size)} ${unit}`);
    }
  }

  importance([layer, head]) {
    const { importance } = this.payload.options;
    return importance ? importance[layer][head] : null;
  }

  describe(at) {
    const size = this.importance(at);
    const alone = size === null ? "" : `, alone ${format(size)} ${this.payload.options.unit}`;
    return `L${at[0]} H${at[1]}${alone}`;
  }

  readout(at) {
    if (!at) {
      const n = this.off.size;
      this.frame.setReadout(n ? `${counted(n, "head")} off` : "Every head is on");
      return;
    }
    const nodes = [element("b", {}, `L${at[0]} H${at[1]}`), this.off.has(at.join()) ? " off" : " on"];
    const size = this.importance(at);
    if (size !== null) {
      const rank = this.ranks.findIndex((other) => other.join() === at.join()) + 1;
      nodes.push(
        " · alone off: ",
        element("b", { class: "number" }, format(size)),
        element("span", { class: "muted" }, ` ${this.payload.options.unit}, rank ${rank} of ${this.ranks.length}`),
      );
    }
    this.frame.setReadout(...nodes);
  }

  repaint() {
    if (!this.payload) return;
    this.board.show({ ...this.board, theme: this.theme, scale: this.state.scale || "linear" });
  }

  fillTable() {
    const body = element("tbody");
    for (const at of this.board.all()) {
      const state = this.off.has(at.join()) ? "off" : "on";
      const name = element("th", { scope: "row" }, `L${at[0]} H${at[1]}`);
      const size = this.importance(at);
      body.append(element("tr", {}, name, element("td", {}, state), element("td", {}, format(size))));
    }
    const caption = element("caption", {}, this.payload.caption);
    this.frame.table.replaceChildren(element("table", {}, caption, body));
  }

  destroy() {
    this.send.cancel();
    super.destroy();
  }
}

/** Heads by importance, largest first; null before the first is known. */
function rankOf(importance) {
  if (!importance) return null;
  const known = importance.flatMap((row, layer) =>
    row.map((size, head) => ({ at: [layer, head], size })).filter(({ size }) => size !== null),
  );
  known.sort((a, b) => b.size - a.size);
  return known.length ? known.map(({ at }) => at) : null;
}
