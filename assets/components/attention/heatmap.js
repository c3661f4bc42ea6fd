// The heat map: where does each token look?

import { button, choice, debounce, element } from "./dom.js";
import { Evidence } from "./evidence.js";
import { pairNodes } from "./frame.js";
import { HeadsPicture, bindHeads } from "./heads_picture.js";
import { LostLinks } from "./lost_links.js";
import { MapPicture } from "./map_picture.js";
import { matrixOf } from "./matrix.js";
import { approximate, clamp } from "./numbers.js";
import { bindMap } from "./map_input.js";
import { Stage } from "./stage.js";
import { cellText, fillTable } from "./table.js";
import { View } from "./view.js";
import { WhyCard } from "./why.js";

const MAX_WINDOW = 256;
const ZOOMABLE = 24;

export class HeatmapView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.stage = this.addStage(
      new Stage(this, { label: "Attention map", description: "heat map" }),
    );
    bindMap(this);
    this.whyCard = new WhyCard(this.frame.sideCard("why"));
    this.overviewCard = null;
    this.askWindow = debounce((window) => this.host.setState("window", window), 250);
  }

  show() {
    const { payload, state } = this;
    const viewport = this.picture && state.identity === payload.identity && this.picture.viewport;
    this.matrix = matrixOf(payload);
    this.evidence = Evidence.of(payload);
    this.lost = payload.arrays.lost ? new LostLinks(payload.arrays.lost) : null;
    this.picture = new MapPicture({ ...payload, matrix: this.matrix, lost: this.lost });
    this.keepState(viewport);
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.buildTools();
    this.stage.refresh();
    this.showOverview();
    this.picked();
  }

  /** Selection, zoom and scale stay while model, text and site are the same. */
  keepState(viewport) {
    const { state, matrix, picture } = this;
    this.keepCell(matrix.rows, matrix.columns);
    if (viewport) picture.show(viewport);
    if (matrix.isPooled) matrix.how = state.how || "maximum";
    picture.scale = state.scale || "linear";
    picture.peak = state.shared ? 1 : matrix.ownPeak();
  }

  buildTools() {
    const { state, matrix, frame } = this;
    const tools = [
      choice("Colour scale", { linear: "Linear", log: "Log" }, state.scale || "linear", (scale) =>
        this.restyle({ scale }),
      ),
      choice("Range of colours", { own: "Own range", shared: "0 – 1" }, state.shared ? "shared" : "own", (how) =>
        this.restyle({ shared: how === "shared" }),
      ),
    ];
    if (matrix.isPooled) {
      tools.push(
        choice("Pooling", { maximum: "Largest", mean: "Mean" }, matrix.how, (how) => this.restyle({ how })),
      );
    }
    if (Math.max(matrix.rows, matrix.columns) > ZOOMABLE) tools.push(this.zoomButtons());
    frame.tools.replaceChildren(...tools, frame.exportButtons(this.stage));
  }

  zoomButtons() {
    return element(
      "div",
      { class: "choice", role: "group", "aria-label": "Zoom" },
      button("−", { name: "Zoom out", tip: "Zoom out (key −)", onClick: () => this.zoom(0.5) }),
      button("+", { name: "Zoom in", tip: "Zoom in (key +, or Ctrl and wheel)", onClick: () => this.zoom(2) }),
      button("Fit", { name: "Show the whole map", tip: "Show the whole map (key 0)", onClick: () => this.zoom(0) }),
    );
  }

  restyle(change) {
    Object.assign(this.state, change);
    this.keepState(this.picture.viewport);
    this.stage.refresh();
    this.readout(this.hovered);
  }

  /** Zoom about a cell (default: the picked one); 0 shows everything. */
  zoom(factor, anchor = this.state.selected) {
    const { picture } = this;
    if (!factor) picture.fit();
    else picture.zoom(factor, anchor);
    if (factor > 1 && anchor === this.state.selected) picture.reveal(anchor);
    this.moved();
  }

  /** The part shown has changed: repaint, and ask for exact cells where only blocks are known. */
  moved() {
    this.stage.node.classList.toggle("zoomed", this.picture.isZoomed);
    this.stage.refresh();
    this.readout(this.hovered);
    const { matrix, picture } = this;
    const v = picture.viewport;
    if (!matrix.isPooled || matrix.covers(v)) return;
    if (v.rows > MAX_WINDOW || v.columns > MAX_WINDOW) return;
    const around = (start, count, length) => {
      const first = clamp(Math.floor(start + count / 2 - MAX_WINDOW / 2), 0, Math.max(0, length - MAX_WINDOW));
      return [first, Math.min(length, first + MAX_WINDOW)];
    };
    this.askWindow([
      ...around(v.row, v.rows, matrix.rows),
      ...around(v.column, v.columns, matrix.columns),
    ]);
  }

  select(cell, { reveal = false, say = false } = {}) {
    Object.assign(this.state, { selected: cell, isPicked: true });
    if (reveal && !this.picture.contains(...cell)) {
      this.picture.reveal(cell);
      this.moved();
    } else {
      this.stage.repaint();
    }
    this.picked();
    if (say) this.frame.say(this.cellSentence(cell));
  }

  commit() {
    this.host.setState("cell", this.state.selected);
  }

  picked() {
    const { payload, matrix, state } = this;
    this.readout(this.hovered);
    this.whyCard.show(payload, this.evidence, matrix, state.selected);
    const fill = () => fillTable(this.frame.table, payload, matrix, state.selected);
    (window.requestIdleCallback || setTimeout)(fill);
  }

  cellSentence([row, column]) {
    const { queries, keys } = this.payload;
    const value = cellText(this.matrix, row, column);
    const lost = this.lost?.has(row, column) ? ", lost" : "";
    return `Query ${queries.display[row]}, key ${keys.display[column]}: weight ${value}${lost}`;
  }

  hover(cell, event) {
    const before = String(this.hovered);
    this.hovered = cell;
    if (!cell) this.frame.hideTip();
    else this.frame.setTip([event.clientX, event.clientY], ...this.cellNodes(cell));
    if (String(cell) === before) return;
    this.stage.hover();
    this.readout(cell);
  }

  cellNodes(cell) {
    const { matrix } = this;
    const isMasked = matrix.isMasked(...cell);
    const value = approximate(matrix.value(...cell), matrix.isExactAt(...cell));
    const nodes = [...pairNodes(this.payload, cell), element("b", { class: "number" }, ` ${value}`)];
    if (this.lost?.has(...cell)) nodes.push(element("span", { class: "muted" }, " lost"));
    if (isMasked) nodes.push(element("span", { class: "muted" }, " masked"));
    else if (matrix.isPooled && !matrix.inWindow(...cell)) {
      nodes.push(element("span", { class: "muted" }, ` ${matrix.how} of its block`));
    }
    return nodes;
  }

  readout(cell) {
    const at = cell || this.state.selected;
    const place = element("span", { class: "muted" }, ` · positions ${at[0]}, ${at[1]}`);
    this.frame.setReadout(...this.cellNodes(at), place, this.waiting());
  }

  /** Zoomed in so far that exact cells are asked for, which are not there yet. */
  waiting() {
    const { matrix, picture, host } = this;
    const { rows, columns } = picture.viewport;
    if (!matrix.isPooled || matrix.covers(picture.viewport)) return "";
    if (rows > MAX_WINDOW || columns > MAX_WINDOW) return "";
    const text = host.isStatic ? " · exact cells are in the app" : " · exact cells are on their way";
    return element("span", { class: "muted" }, text);
  }

  showOverview() {
    const { payload } = this;
    const overview = payload.options.overview;
    if (!overview) {
      if (this.overviewCard) this.overviewCard.hidden = true;
      return;
    }
    if (!this.overviewCard) this.buildOverview();
    this.overviewCard.hidden = false;
    this.heads.show({ ...payload, options: overview });
    this.overviewLine.textContent = this.heads.describe(this.heads.selected);
    this.overviewStage.refresh();
  }

  buildOverview() {
    this.overviewCard = this.frame.sideCard("overview");
    this.heads = new HeadsPicture(this, { hasLabels: false });
    this.overviewLine = element("p", { class: "subtitle fixed" });
    this.overviewCard.append(
      element("h3", { class: "title" }, "All heads"),
      element("p", { class: "subtitle" }, "Layers down, heads across; the picked one is framed."),
    );
    const label = "All heads: arrow keys move, Enter opens";
    this.overviewStage = this.addStage(new Stage(this.heads, { label }), this.overviewCard);
    this.overviewCard.append(this.overviewLine);
    bindHeads(this.overviewStage, this.heads, {
      onMove: (text) => {
        this.overviewLine.textContent = text;
      },
      onSay: (text) => this.frame.say(text),
      onOpen: (head) => this.openHead(head),
    });
  }

  openHead(head) {
    this.host.trigger("head", head);
  }

  measure(context, width) {
    return this.picture.measure(context, this.theme, width, this.stage.ratio);
  }

  paint(context) {
    this.picture.paint(context, this.theme, this.state.selected);
  }

  overlay(context) {
    const { picture, theme, state } = this;
    if (this.hovered) picture.crosshair(context, theme, this.hovered);
    if (this.hovered) picture.outline(context, this.hovered, theme.muted, 1.5);
    picture.outline(context, state.selected, theme.text, 2);
  }

  destroy() {
    this.askWindow.cancel();
    super.destroy();
  }
}

