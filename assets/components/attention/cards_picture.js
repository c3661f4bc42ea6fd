// Head cards: map, role, entropy and distance of every head, as many as scroll into view.

import { Matrix } from "./matrix.js";
import { codeColours } from "./palette.js";
import { format } from "./numbers.js";
import { fitted } from "./stage.js";

const CARD_WIDTH = 214;
const CARD_HEIGHT = 84;
const CARD_GAP = 8;
const CARD_PAD = 10;
const CARDS_SHOWN = 640;
const SCORE_KINDS = 3;

/** The facts of a payload's heads, in the browser's words. */
export class HeadCards {
  constructor(payload) {
    const { options, arrays } = payload;
    Object.assign(this, { layers: options.n_layers, heads: options.n_heads, roles: options.roles });
    Object.assign(this, { facts: options.heads, clear: options.clear, bits: options.bits });
    this.isAlone = options.alone;
    this.array = arrays.thumbnails;
    this.scores = arrays.roles.codes;
    this.all = Array.from({ length: this.layers * this.heads }, (_, i) => [
      Math.floor(i / this.heads),
      i % this.heads,
    ]);
    this.farthest = Math.max(1, ...this.all.map((at) => this.fact(at).distance ?? 0));
  }

  fact([layer, head]) {
    return this.facts[layer][head];
  }

  /** Score, spread and baseline of a head in a role; null where it could not be measured. */
  score([layer, head], role) {
    const at = ((layer * this.heads + head) * this.roles.length + role) * SCORE_KINDS;
    const [score, spread, baseline] = this.scores.subarray(at, at + SCORE_KINDS);
    return score < 0 ? null : { role, score, spread, baseline };
  }

  /** Roles that a head clearly plays, the clearest first. */
  clearOf([layer, head]) {
    return this.clear[layer][head];
  }

  /** The score on a head's card: of the asked role, else of the clearest; null for none. */
  shown(at, asked) {
    const role = asked ?? this.clearOf(at)[0];
    return role === undefined ? null : this.score(at, role);
  }

  matrix([layer, head]) {
    return Matrix.slice(this.array, layer * this.heads + head);
  }

  /** Heads that clearly play a role (null: all, -1: none), in an order. */
  ordered(asked, order) {
    const wanted = (at) => {
      if (asked === null) return true;
      return asked < 0 ? !this.clearOf(at).length : this.clearOf(at).includes(asked);
    };
    const role = asked !== null && asked >= 0 ? asked : null;
    const score = (at) => this.shown(at, role)?.score ?? -1;
    // Heads at work first, then those at rest, then those without a clear role.
    const place = (role) => (role === undefined ? 2 : this.roles[role].rest ? 1 : 0) * this.roles.length + (role ?? 0);
    const kind = (at) => place(this.clearOf(at)[0]);
    const keys = {
      layer: () => 0,
      role: (a, b) => kind(a) - kind(b) || score(b) - score(a),
      score: (a, b) => score(b) - score(a),
      entropy: (a, b) => this.fact(a).entropy - this.fact(b).entropy,
      distance: (a, b) => (this.fact(a).distance ?? 0) - (this.fact(b).distance ?? 0),
    };
    return this.all.filter(wanted).sort(keys[order]);
  }

  /** "L3 H1: induction 0.87 ± 0.05, shuffled 0.03; entropy 1.88 bits, mean distance 6.0 tokens". */
  describe(at) {
    const facts = this.fact(at);
    const clear = this.clearOf(at).map((role) => {
      const shuffled = this.score(at, role).baseline.toFixed(2);
      return `${this.roles[role].name} ${this.scoreText(at, role)}, shuffled ${shuffled}`;
    });
    const parts = [`entropy ${format(facts.entropy)} bits`];
    if (facts.distance !== undefined) parts.push(`mean distance ${format(facts.distance, 2)} tokens`);
    return `L${at[0]} H${at[1]}: ${clear.join("; ") || "no clear role"}; ${parts.join(", ")}`;
  }

  /** "0.87 ± 0.05": mean and spread over texts; of one text alone there is no spread. */
  scoreText(at, role) {
    const { score, spread } = this.score(at, role);
    return this.isAlone ? score.toFixed(2) : `${score.toFixed(2)} ± ${spread.toFixed(2)}`;
  }
}

/** Lays out and paints the cards; `view` gives theme, scroller and what is picked. */
export class CardsPicture {
  constructor(view) {
    this.view = view;
    this.images = new Map();
    this.order = [];
  }

  show(cards, order, asked) {
    if (cards !== this.cards) this.images.clear();
    Object.assign(this, { cards, order, asked });
  }

  measure(context, width) {
    this.columns = Math.max(1, Math.floor((width + CARD_GAP) / (CARD_WIDTH + CARD_GAP)));
    this.cardWidth = (width + CARD_GAP) / this.columns - CARD_GAP;
    this.width = width;
    const rows = Math.ceil(this.order.length / this.columns);
    this.total = Math.max(1, rows * (CARD_HEIGHT + CARD_GAP) - CARD_GAP) + 2;
    this.height = Math.min(this.total, CARDS_SHOWN);
    return this.height;
  }

  corner(index) {
    const column = index % this.columns;
    const row = Math.floor(index / this.columns);
    return [column * (this.cardWidth + CARD_GAP), 1 + row * (CARD_HEIGHT + CARD_GAP)];
  }

  hit([px, py], offset) {
    const row = Math.floor((py + offset) / (CARD_HEIGHT + CARD_GAP));
    const column = Math.floor(px / (this.cardWidth + CARD_GAP));
    const index = row * this.columns + column;
    const isInside = px >= 0 && column < this.columns && index >= 0 && index < this.order.length;
    return isInside ? index : -1;
  }

  /** Paint the cards between two heights. */
  paint(context, offset = this.view.scroller.scrollTop, height = this.height) {
    const { theme } = this.view;
    if (this.imagesOf !== theme.name) this.images.clear();
    this.imagesOf = theme.name;
    this.order.forEach((at, index) => {
      const [x, y] = this.corner(index);
      if (y + CARD_HEIGHT < offset || y > offset + height) return;
      this.paintCard(context, at, x, y - offset);
    });
  }

  paintCard(context, at, x, y) {
    const { theme } = this.view;
    context.fillStyle = theme.card;
    context.strokeStyle = theme.border;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(x + 0.5, y + 0.5, this.cardWidth - 1, CARD_HEIGHT - 1, 6);
    context.fill();
    context.stroke();
    const size = CARD_HEIGHT - 2 * CARD_PAD;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image(at), x + CARD_PAD, y + CARD_PAD, size, size);
    const left = x + size + 2 * CARD_PAD;
    this.paintWords(context, at, left, y + CARD_PAD, x + this.cardWidth - CARD_PAD - left);
  }

  paintWords(context, at, x, y, width) {
    const { theme } = this.view;
    const shown = this.cards.shown(at, this.asked);
    const isClear = shown !== null && this.cards.clearOf(at).includes(shown.role);
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = theme.text;
    context.font = `600 12px ${theme.mono}`;
    context.fillText(`L${at[0]} H${at[1]}`, x, y + 6);
    if (shown !== null) {
      context.textAlign = "right";
      context.fillStyle = isClear ? theme.text : theme.muted;
      context.fillText(shown.score.toFixed(2), x + width, y + 6);
      context.textAlign = "left";
    }
    context.font = `12.5px ${theme.font}`;
    context.fillStyle = isClear ? theme.text : theme.muted;
    context.fillText(fitted(context, this.roleWords(context, at, shown, isClear, width), width), x, y + 22);
    if (shown !== null) this.paintScore(context, shown, isClear, x, y + 33, width);
    this.paintFacts(context, at, x, y + 50, width);
  }

  roleWords(context, at, shown, isClear, width) {
    if (shown === null) return "no clear role";
    const { name, rest } = this.cards.roles[shown.role];
    if (!isClear) return `${name}: not clear`;
    const others = this.cards.clearOf(at).filter((role) => role !== shown.role);
    if (rest) return `rests on ${name}`;
    if (!others.length) return name;
    const whole = `${name} + ${this.cards.roles[others[0]].name}`;
    return others.length === 1 && context.measureText(whole).width <= width ? whole : `${name} +${others.length}`;
  }

  /** Bar of the score, and a tick at the score of shuffled rows. */
  paintScore(context, { score, baseline }, isClear, x, y, width) {
    const { theme } = this.view;
    context.fillStyle = theme.track;
    context.fillRect(x, y, width, 6);
    context.fillStyle = isClear ? theme.sequential[4] : theme.muted;
    context.globalAlpha = isClear ? 1 : 0.45;
    context.fillRect(x, y, width * Math.min(1, score), 6);
    context.globalAlpha = 1;
    context.fillStyle = theme.text;
    context.fillRect(x + width * Math.min(1, baseline) - 0.75, y - 2, 1.5, 10);
  }

  paintFacts(context, at, x, y, width) {
    const { theme } = this.view;
    const { entropy, distance } = this.cards.fact(at);
    const half = (width - 10) / 2;
    const facts = [[x, `${entropy.toFixed(2)} bits`, entropy / this.cards.bits]];
    if (distance !== undefined) {
      facts.push([x + half + 10, `${format(distance, 2)} away`, distance / this.cards.farthest]);
    }
    context.font = `11px ${theme.font}`;
    for (const [left, words, share] of facts) {
      context.fillStyle = theme.muted;
      context.fillText(fitted(context, words, half), left, y);
      context.fillStyle = theme.track;
      context.fillRect(left, y + 9, half, 3);
      context.fillStyle = theme.muted;
      context.fillRect(left, y + 9, half * Math.min(1, share), 3);
    }
  }

  image(at) {
    const key = String(at);
    if (this.images.has(key)) return this.images.get(key);
    const matrix = this.cards.matrix(at);
    const colours = codeColours(matrix, this.view.theme.sequential, matrix.ownPeak(), "linear");
    const canvas = document.createElement("canvas");
    canvas.width = matrix.columns;
    canvas.height = matrix.rows;
    const data = new ImageData(matrix.columns, matrix.rows);
    const pixels = new Uint32Array(data.data.buffer);
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[matrix.codes[i]] || colours[1];
    canvas.getContext("2d").putImageData(data, 0, 0);
    this.images.set(key, canvas);
    return canvas;
  }

  outline(context, index, colour, width, offset) {
    if (index < 0) return;
    const [x, y] = this.corner(index);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.roundRect(x + 1, y - offset + 1, this.cardWidth - 2, CARD_HEIGHT - 2, 6);
    context.stroke();
  }
}
