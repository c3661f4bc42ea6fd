// A pair of maps: what changes from one to the other?

import { prepareStrip } from "./decode.js";
import { DifferenceMatrix, DifferencePicture } from "./difference.js";
import { button, choice, element, tokenNode } from "./dom.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { PairMap, PairPicture } from "./pair_map.js";
import { RankedHeads } from "./ranked_heads.js";
import { fitted } from "./stage.js";
import { View } from "./view.js";

const PAIR_ZOOMABLE = 24;
const PAIR_HEIGHT = 460;
const PAIR_TABLE = 400;
const PAIR_HEAD = 22;
const PAIR_GAP = 34;

export class PairView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    const names = ["First map", "Second map", "Difference map"];
    this.maps = names.map((name, index) => new PairMap(this, index, `${name}: arrow keys move the cell`));
    this.stages.push(...this.maps.map((map) => map.stage));
    this.frame.body.append(
      element("div", { class: "pair-maps" }, this.maps[0].node, this.maps[1].node),
      this.maps[2].node,
    );
    this.ranked = new RankedHeads(this.frame.sideCard("ranked-heads"), {
      onOpen: (head) => host.trigger("head", head),
    });
  }

  show() {
    const { payload, state, maps } = this;
    const { options, arrays } = payload;
    const identity = `${payload.identity} ${options.other.identity}`;
    const isSame = state.pairIdentity === identity;
    const views = isSame && this.matrices ? maps.map((map) => map.picture.viewport) : [null, null, null];
    this.matrices = [new Matrix(arrays.weights), new Matrix(arrays.other)];
    this.matrices.push(new DifferenceMatrix(...this.matrices, options.query_pairs, options.key_pairs));
    this.strips = this.prepareStrips();
    this.index();
    maps.forEach((map, i) => map.show(this.picture(i), this.mapTitle(i), views[i]));
    state.pairIdentity = identity;
    const isKept = isSame && state.pairOffered === String(options.selected);
    state.pairOffered = String(options.selected);
    this.buildTools();
    this.ranked.show(options.board, this.theme, Boolean(options.is_live));
    this.mark("shown", isKept && state.pair ? state.pair : { side: 0, cell: options.selected });
    for (const map of maps) map.stage.refresh();
    this.readout();
    this.fillTable();
  }

  /** Labels of rows and columns of the three maps; what differs is marked. */
  prepareStrips() {
    const { payload } = this;
    const { other, query_pairs: queries, key_pairs: keys, query_same, key_same } = payload.options;
    other.keys = other.keys || other.queries;
    for (const strip of [other.queries, other.keys]) prepareStrip(strip);
    const sides = [[payload.queries, payload.keys], [other.queries, other.keys]];
    sides.forEach(([rows, columns], side) => {
      rows.isOther = otherTokens(rows, queries, query_same, side);
      columns.isOther = otherTokens(columns, keys, key_same, side);
    });
    return [...sides, [joinedStrip(sides, 0, queries, query_same), joinedStrip(sides, 1, keys, key_same)]];
  }

  /** Which aligned pair a row or column of each side belongs to. */
  index() {
    const { query_pairs: queries, key_pairs: keys } = this.payload.options;
    const invert = (pairs, side) => new Map(pairs.map((pair, k) => [pair[side], k]));
    this.pairOf = [0, 1].map((side) => [invert(queries, side), invert(keys, side)]);
    this.pairs = [queries, keys];
  }

  picture(i) {
    const [queries, keys] = this.strips[i];
    const matrix = this.matrices[i];
    if (i === 2) return new DifferencePicture({ matrix, queries, keys, unit: "Δ weight", maxHeight: PAIR_HEIGHT });
    const picture = new PairPicture({ matrix, queries, keys, maxHeight: PAIR_HEIGHT });
    picture.scale = this.state.scale || "linear";
    picture.peak = Math.max(this.matrices[0].ownPeak(), this.matrices[1].ownPeak());
    return picture;
  }

  mapTitle(i) {
    const { labels, other } = this.payload.options;
    const places = [`L${this.payload.layer} H${this.payload.head}`, other.place];
    if (i < 2) return `${labels[i]} · ${places[i]}`;
    return "Difference: second − first, tokens that have a counterpart";
  }

  buildTools() {
    const { frame, state, maps, matrices } = this;
    const tools = [
      choice("Colour scale of the two maps", { linear: "Linear", log: "Log" }, state.scale || "linear", (scale) => {
        state.scale = scale;
        for (const map of maps.slice(0, 2)) map.picture.scale = scale;
        this.repaint();
      }),
    ];
    if (Math.max(...matrices.map((matrix) => Math.max(matrix.rows, matrix.columns))) > PAIR_ZOOMABLE) {
      tools.push(this.zoomButtons());
    }
    frame.tools.replaceChildren(...tools, frame.exportButtons(new PairPainter(this)));
  }

  zoomButtons() {
    const one = (label, name, factor) => button(label, { name, tip: name, onClick: () => this.zoom(factor) });
    const group = { class: "choice", role: "group", "aria-label": "Zoom" };
    return element("div", group, one("−", "Zoom out", 0.5), one("+", "Zoom in", 2), one("Fit", "Show the whole maps", 0));
  }

  zoom(factor) {
    for (const map of this.maps) {
      if (factor) map.picture.zoom(factor, map.state.selected);
      else map.picture.fit();
      map.moved();
    }
  }

  /** Where a cell of one map stands in another; null where there is no counterpart. */
  place(from, [row, column], to) {
    if (from === to) return { row, column };
    const one = (axis, at) => {
      const k = from === 2 ? at : this.pairOf[from][axis].get(at);
      if (k === undefined) return null;
      return to === 2 ? k : this.pairs[axis][k][to];
    };
    return { row: one(0, row), column: one(1, column) };
  }

  mark(name, at) {
    if (name === "shown") this.state.pair = at;
    const nowhere = { row: null, column: null };
    for (const map of this.maps) map.mark(name, at ? this.place(at.side, at.cell, map.index) : nowhere);
  }

  select(side, cell, { say = false } = {}) {
    this.mark("shown", { side, cell });
    for (const map of this.maps) {
      if (map.isWhole(map.shown) && !map.picture.contains(map.shown.row, map.shown.column)) {
        map.picture.reveal([map.shown.row, map.shown.column]);
      }
    }
    this.repaint();
    this.readout();
    if (say) this.frame.say(this.frame.readout.textContent);
  }

  hover(side, cell, event) {
    const at = cell && { side, cell };
    this.mark("hovered", at);
    for (const map of this.maps) map.stage.hover();
    if (!at) this.frame.hideTip();
    else this.frame.setTip([event.clientX, event.clientY], ...this.words(at));
    this.readout(at);
  }

  readout(at) {
    this.frame.setReadout(...this.words(at || this.state.pair), ...this.rowWords(at || this.state.pair));
  }

  /** "it reads animal: 0.677 → 0.641 (Δ −0.036)". */
  words({ side, cell }) {
    const [first, second] = [0, 1].map((to) => this.place(side, cell, to));
    const nodes = [
      ...this.tokens(0, first, second, "query"),
      element("span", { class: "muted" }, " reads "),
      ...this.tokens(1, first, second, "key"),
      ": ",
    ];
    const values = [first, second].map((place, i) =>
      place.row === null || place.column === null ? null : this.matrices[i].value(place.row, place.column),
    );
    if (values.includes(null)) {
      const at = values[0] === null ? 1 : 0;
      const only = ["the first", "the second"][at];
      return [...nodes, pairNumber(format(values[at])), element("span", { class: "muted" }, ` in ${only} only`)];
    }
    const change = values[1] - values[0];
    const delta = ` (Δ ${change > 0 ? "+" : ""}${format(change, 2)})`;
    return [...nodes, pairNumber(`${format(values[0])} → ${format(values[1])}`), delta];
  }

  /** The token of a row or column: both of them where it was substituted. */
  tokens(axis, first, second, part) {
    const name = axis === 0 ? "row" : "column";
    const labels = [first, second].map((place, side) =>
      place[name] === null ? null : this.strips[side][axis].display[place[name]],
    );
    if (labels[0] === null || labels[1] === null || sameToken(labels[0], labels[1])) {
      return [tokenNode(labels[0] ?? labels[1], part)];
    }
    return [tokenNode(labels[0], part), element("span", { class: "muted" }, " / "), tokenNode(labels[1], part)];
  }

  rowWords({ side, cell }) {
    const { row } = this.place(side, cell, 2);
    const bits = row === null ? null : this.payload.options.row_bits[row];
    if (bits === null) return [];
    return [element("span", { class: "muted" }, ` · this row: ${format(bits)} bits`)];
  }

  repaint() {
    super.repaint();
    if (this.payload) this.ranked.recolour(this.theme);
  }

  /** The difference as a table where it is small, else the rows' divergence. */
  fillTable() {
    const { strips, matrices, payload, frame } = this;
    const matrix = matrices[2];
    const isSmall = matrix.rows * matrix.columns <= PAIR_TABLE;
    const heads = isSmall ? strips[2][1].display : ["divergence in bits"];
    const head = ["difference", ...heads].map((name) => element("th", { scope: "col" }, name));
    const body = element("tbody");
    for (let row = 0; row < matrix.rows; row += 1) {
      const cells = isSmall
        ? Array.from({ length: matrix.columns }, (_, column) => matrix.value(row, column))
        : [payload.options.row_bits[row]];
      const line = cells.map((value) => element("td", {}, format(value)));
      body.append(element("tr", {}, element("th", { scope: "row" }, strips[2][0].display[row]), ...line));
    }
    const caption = element("caption", {}, payload.caption);
    frame.table.replaceChildren(element("table", {}, caption, element("thead", {}, element("tr", {}, ...head)), body));
  }
}

/** The three maps as they stand on the page, for a file. */
class PairPainter {
  constructor(view) {
    this.maps = view.maps;
    this.owner = view;
    this.painter = this;
  }

  /** Where each map stands; the first two beside each other where the page has them so. */
  places() {
    const [first, second, third] = this.maps.map((map) => map.stage);
    const isBeside = first.width + second.width <= third.width;
    const below = isBeside ? Math.max(first.height, second.height) : first.height + PAIR_GAP + second.height;
    const beside = isBeside ? [third.width - second.width, 0] : [0, first.height + PAIR_GAP];
    return [[0, 0], beside, [0, below + PAIR_GAP]];
  }

  get width() {
    return Math.max(...this.maps.map((map) => map.stage.width));
  }

  get height() {
    return this.places()[2][1] + PAIR_HEAD + this.maps[2].stage.height;
  }

  each(context, draw) {
    this.places().forEach(([x, y], i) => {
      context.save();
      context.translate(x, y);
      draw(this.maps[i]);
      context.restore();
    });
  }

  paint(context) {
    this.each(context, (map) => {
      context.fillStyle = this.owner.theme.text;
      context.font = `bold 13px ${this.owner.theme.font}`;
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText(fitted(context, map.title.textContent, map.stage.width), 0, 10);
      context.translate(0, PAIR_HEAD);
      map.paint(context);
    });
  }

  overlay(context) {
    this.each(context, (map) => {
      context.translate(0, PAIR_HEAD);
      map.overlay(context);
    });
  }
}

function pairNumber(text) {
  return element("b", { class: "number" }, text);
}

function sameToken(a, b) {
  return a.toLowerCase() === b.toLowerCase();
}

/** Positions of a side without a counterpart, or with another token in its place. */
function otherTokens(strip, pairs, isSame, side) {
  const equal = new Set(pairs.filter((_, k) => isSame[k]).map((pair) => pair[side]));
  return new Set(strip.display.map((_, i) => i).filter((i) => !equal.has(i)));
}

/** Labels of the pairs: one token where they are equal, both where they are not. */
function joinedStrip(sides, axis, pairs, isSame) {
  const [first, second] = [sides[0][axis], sides[1][axis]];
  const display = pairs.map(([i, j], k) =>
    isSame[k] ? first.display[i] : `${first.display[i]}/${second.display[j]}`,
  );
  const special = pairs.map((_, k) => k).filter((k) => first.isSpecial.has(pairs[k][0]));
  return { display, length: display.length, isSpecial: new Set(special), isJoined: new Set() };
}
