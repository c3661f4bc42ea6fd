// A query and a key turned by where they stand: one pair of dimensions large, others as small dials.

import { clamp, format } from "./numbers.js";
import { speedOf, wavelengthOf } from "./positions_matrix.js";

const NARROW = 560;
const MAX_SMALL = 12;
const GAP = 16;
const LABEL = 34;
const TURN = 2 * Math.PI;

export class RotationPicture {
  constructor(view) {
    this.view = view;
  }

  /** Pairs that are shown small: from the fastest to the slowest, evenly spread. */
  static pairsOf(width) {
    const n = width / 2;
    const count = Math.min(MAX_SMALL, n);
    return Array.from({ length: count }, (_, i) =>
      count < 2 ? 0 : Math.round((i * (n - 1)) / (count - 1)),
    );
  }

  measure(context, width) {
    this.isNarrow = width < NARROW;
    this.pairs = RotationPicture.pairsOf(this.view.payload.options.width);
    const large = Math.min(this.isNarrow ? width - 40 : width * 0.42, 340);
    this.large = { x: this.isNarrow ? width / 2 : large / 2 + 26, y: large / 2 + 24, radius: large / 2 - 20 };
    const columns = this.isNarrow ? 4 : 4;
    const left = this.isNarrow ? 0 : large + 70;
    const cell = Math.min((width - left) / columns, 132);
    const top = this.isNarrow ? large + 84 : 26;
    this.small = this.pairs.map((pair, i) => ({
      pair,
      x: left + (i % columns) * cell + cell / 2,
      y: top + Math.floor(i / columns) * (cell + LABEL - GAP) + cell / 2 - 4,
      radius: Math.max(12, cell / 2 - GAP),
    }));
    const rows = Math.ceil(this.pairs.length / columns);
    this.foot = large + 52;
    return Math.max(this.foot + 10, top + rows * (cell + LABEL - GAP) + 8);
  }

  paint(context) {
    const { theme } = this.view;
    const { pair, distance } = this.view.state;
    this.paintLarge(context, theme, pair, distance);
    for (const dial of this.small) this.paintSmall(context, theme, dial);
  }

  angles(pair) {
    const { options } = this.view.payload;
    const { position, distance } = this.view.state;
    const speed = speedOf(pair, options.width, options.base);
    return { speed, key: position * speed, query: (position + distance) * speed };
  }

  paintLarge(context, theme, pair, distance) {
    const { large } = this;
    const { speed, key, query } = this.angles(pair);
    this.paintCircle(context, theme, large);
    this.paintTicks(context, theme, large, speed);
    this.paintBetween(context, theme, large, key, query);
    this.paintHand(context, theme.key, large, key, 3);
    this.paintHand(context, theme.query, large, query, 3);
    context.font = `bold 13px ${theme.font}`;
    context.textBaseline = "middle";
    context.textAlign = "center";
    this.paintName(context, theme.key, "k", large, key);
    this.paintName(context, theme.query, "q", large, query);
    context.font = `13px ${theme.font}`;
    context.fillStyle = theme.text;
    const degrees = (distance * speed * 360) / TURN;
    const inCircle = degrees % 360;
    const rest = degrees >= 360 ? `, ${format(inCircle)}° in the circle` : "";
    context.fillText(`angle between: ${format(degrees)}°${rest}`, large.x, this.foot - 6);
  }

  paintCircle(context, theme, { x, y, radius }) {
    context.strokeStyle = theme.border;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(x, y, radius, 0, TURN);
    context.stroke();
  }

  /** Where the next positions stand on the circle. */
  paintTicks(context, theme, { x, y, radius }, speed) {
    const count = Math.min(64, this.view.payload.options.n_pos);
    context.fillStyle = theme.muted;
    for (let i = 0; i < count; i += 1) {
      context.globalAlpha = 0.25 + 0.5 * (1 - i / count);
      context.beginPath();
      context.arc(x + radius * Math.cos(i * speed), y - radius * Math.sin(i * speed), 2, 0, TURN);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  paintBetween(context, theme, { x, y, radius }, key, query) {
    const span = (query - key) % TURN;
    context.fillStyle = theme.value;
    context.globalAlpha = 0.22;
    context.beginPath();
    context.moveTo(x, y);
    const steps = 48;
    for (let i = 0; i <= steps; i += 1) {
      const at = key + (span * i) / steps;
      context.lineTo(x + radius * 0.42 * Math.cos(at), y - radius * 0.42 * Math.sin(at));
    }
    context.closePath();
    context.fill();
    context.globalAlpha = 1;
  }

  paintHand(context, colour, { x, y, radius }, angle, width) {
    const [dx, dy] = [Math.cos(angle), -Math.sin(angle)];
    const tip = [x + radius * dx, y + radius * dy];
    const head = Math.min(11, radius * 0.3);
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + (radius - head) * dx, y + (radius - head) * dy);
    context.stroke();
    context.beginPath();
    context.moveTo(...tip);
    for (const side of [1, -1]) {
      const back = [tip[0] - head * dx, tip[1] - head * dy];
      context.lineTo(back[0] - side * head * 0.45 * dy, back[1] + side * head * 0.45 * dx);
    }
    context.closePath();
    context.fill();
  }

  paintName(context, colour, name, { x, y, radius }, angle) {
    context.fillStyle = colour;
    context.fillText(name, x + (radius + 12) * Math.cos(angle), y - (radius + 12) * Math.sin(angle));
  }

  paintSmall(context, theme, dial) {
    const { options } = this.view.payload;
    const { key, query } = this.angles(dial.pair);
    const isPicked = dial.pair === this.view.state.pair;
    this.paintCircle(context, theme, dial);
    this.paintBetween(context, theme, { ...dial, radius: dial.radius * 1.6 }, key, query);
    this.paintHand(context, theme.key, dial, key, 2);
    this.paintHand(context, theme.query, dial, query, 2);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${isPicked ? "bold " : ""}12px ${theme.font}`;
    context.fillStyle = isPicked ? theme.text : theme.muted;
    const long = format(wavelengthOf(dial.pair, options.width, options.base), 2);
    context.fillText(this.isNarrow ? `${dial.pair}: λ ${long}` : `pair ${dial.pair}, λ ${long}`, dial.x, dial.y + dial.radius + 13);
  }

  overlay(context) {
    const { theme, state } = this.view;
    const dial = this.small.find((one) => one.pair === state.pair);
    if (!dial) return;
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(dial.x, dial.y, dial.radius + 4, 0, TURN);
    context.stroke();
  }

  /** The pair of the small dial under a point, or −1. */
  hit([x, y]) {
    const dial = this.small.find((one) => Math.hypot(x - one.x, y - one.y) <= one.radius + 6);
    return dial ? dial.pair : -1;
  }

  clampPair(pair) {
    return clamp(pair, 0, this.view.payload.options.width / 2 - 1);
  }
}
