// Patches: where does a vision model look? Attention and rollout over the picture.

import { button, choice, element } from "./dom.js";
import { Matrix } from "./matrix.js";
import { clamp, format } from "./numbers.js";
import { PatchesPicture } from "./patches_picture.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const PATCH_MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const PATCH_TABLE = 64;
const PATCH_NAMED = 3;

export class PatchesView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    const label = "Picture with patches: arrow keys move the query, Home picks the first special token";
    this.stage = this.addStage(new Stage(this, { label, description: "picture with patches" }));
    this.frame.layout.classList.add("single");
    const { node: stage } = this.stage;
    stage.addEventListener("keydown", (event) => this.onKey(event));
    stage.addEventListener("pointermove", (event) => this.hover(this.picture.hit(this.stage.point(event)), event));
    stage.addEventListener("pointerleave", () => this.hover(null));
    stage.addEventListener("click", (event) => {
      const patch = this.picture.hit(this.stage.point(event));
      if (patch !== null) this.select(patch);
    });
  }

  show() {
    const { payload, state } = this;
    const { grid, n_special: nSpecial, labels } = payload.options;
    this.keepCell(payload.queries.length, 1);
    this.grid = grid;
    this.nSpecial = nSpecial;
    this.maps = [new Matrix(payload.arrays.weights), new Matrix(payload.arrays.rollout)];
    this.picture = new PatchesPicture(payload.arrays.image, grid, labels);
    this.picture.nSpecial = nSpecial;
    this.picture.how = state.how || "over";
    this.stage.node.setAttribute("aria-label", `${payload.caption} Arrow keys move the query, Home goes back to ${payload.queries.display[0]}.`);
    this.buildTools();
    this.stage.refresh();
    this.picked();
  }

  buildTools() {
    const { payload, state, frame, nSpecial } = this;
    this.specials = Array.from({ length: nSpecial }, (_, i) =>
      button(payload.queries.display[i], {
        pressed: this.query === i,
        tip: `Where does ${payload.queries.display[i]} look? (key Home)`,
        onClick: () => this.select(i),
      }),
    );
    const group = element("div", { class: "choice tok", role: "group", "aria-label": "Query that is no patch" }, ...this.specials);
    const how = choice("How weights are drawn", { over: "Over the picture", alone: "Alone" }, this.picture.how, (name) => {
      state.how = name;
      this.picture.how = name;
      this.stage.repaint();
    });
    frame.tools.replaceChildren(group, how, frame.exportButtons(this.stage));
  }

  get query() {
    return this.state.selected[0];
  }

  select(query, { say = false } = {}) {
    Object.assign(this.state, { selected: [query, 0], isPicked: true });
    this.specials.forEach((one, i) => one.setAttribute("aria-pressed", String(i === query)));
    this.stage.repaint();
    this.picked();
    if (say) this.frame.say(this.summary());
  }

  onKey(event) {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    const [rows, columns] = this.grid;
    const move = PATCH_MOVES[event.key];
    if (event.key === "Home") this.select(0, { say: true });
    else if (move && this.query < this.nSpecial) this.select(this.nSpecial, { say: true });
    else if (move) {
      const patch = this.query - this.nSpecial;
      const row = clamp(Math.floor(patch / columns) + move[0], 0, rows - 1);
      const column = clamp((patch % columns) + move[1], 0, columns - 1);
      this.select(this.nSpecial + row * columns + column, { say: true });
    } else return;
    event.preventDefault();
  }

  hover(patch, event) {
    if (patch === null && this.hovered === null) return;
    this.hovered = patch;
    if (patch === null) this.frame.hideTip();
    else this.frame.setTip([event.clientX, event.clientY], this.sentence(patch));
    this.stage.hover();
  }

  /** The weights of a map from the picked query: on each patch, and on what is no patch. */
  row(map) {
    const { nSpecial, query } = this;
    const all = Array.from({ length: map.columns }, (_, key) => map.value(query, key));
    const patches = all.slice(nSpecial);
    return { all, patches, peak: Math.max(...patches, 1e-12), sum: patches.reduce((a, b) => a + b, 0) };
  }

  sentence(key) {
    const [weight, reached] = this.maps.map((map) => format(map.value(this.query, key)));
    const { queries } = this.payload;
    return `${queries.display[this.query]} reads ${queries.display[key]}: ${weight} by this head, ${reached} by rollout`;
  }

  summary() {
    const { queries } = this.payload;
    const { patches, sum } = this.row(this.maps[0]);
    const order = patches.map((_, i) => i).sort((a, b) => patches[b] - patches[a]);
    const named = order.slice(0, PATCH_NAMED).map((i) => `${queries.display[this.nSpecial + i]} ${format(patches[i])}`);
    return `${queries.display[this.query]} reads most of ${named.join(", ")}; of all patches together ${format(sum)}`;
  }

  picked() {
    this.frame.setReadout(this.summary());
    (window.requestIdleCallback || setTimeout)(() => this.fillTable());
  }

  /** Patches by weight, for a screen reader. */
  fillTable() {
    const { payload, maps, query } = this;
    const rows = maps.map((map) => this.row(map).all);
    const order = rows[0].map((_, i) => i).sort((a, b) => rows[0][b] - rows[0][a]).slice(0, PATCH_TABLE);
    const body = element("tbody");
    for (const key of order) {
      const cells = rows.map((row) => element("td", {}, format(row[key])));
      body.append(element("tr", {}, element("th", { scope: "row" }, payload.queries.display[key]), ...cells));
    }
    const names = ["key", "weight of this head", "rollout"].map((name) => element("th", { scope: "col" }, name));
    const caption = `What ${payload.queries.display[query]} reads, largest weight first`;
    const table = element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...names)), body);
    this.frame.table.replaceChildren(table);
  }

  measure(context, width) {
    return this.picture.measure(width);
  }

  paint(context) {
    this.picture.paint(context, this.theme, this.maps.map((map) => this.row(map)));
  }

  overlay(context) {
    const { picture, theme, query, nSpecial, hovered } = this;
    if (hovered !== null && hovered !== undefined) picture.outline(context, hovered - nSpecial, theme.text, theme.card, 1.5);
    if (query >= nSpecial) picture.outline(context, query - nSpecial, theme.query, theme.card, 3);
  }
}
