// Rotary positions as motion: q and k turn as they move along the text, the angle between them stays.

import { button, element, prefersReducedMotion } from "./dom.js";
import { clamp, format } from "./numbers.js";
import { speedOf, wavelengthOf } from "./positions_matrix.js";
import { RotationPicture } from "./rotation_picture.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const POSITION_MS = 700;
const STILL_MS = 1000;
const PAGE = 10;

export class RotationView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.picture = new RotationPicture(this);
    this.buildTransport();
    this.stage = new Stage(this.picture, { label: "Rotation", description: "dials" });
    this.stage.node.style.cursor = "default";
    this.addStage(this.stage);
    this.stage.node.addEventListener("keydown", (event) => this.onKey(event));
    this.stage.node.addEventListener("click", (event) => {
      const pair = this.picture.hit(this.stage.point(event));
      if (pair >= 0) this.choose({ pair });
    });
  }

  buildTransport() {
    this.back = button("Back", { tip: "Both one position back (key ←)", onClick: () => this.step(-1) });
    this.play = button("Play", { tip: "Move both along the text (space bar)", onClick: () => this.toggle() });
    this.next = button("Next", { tip: "Both one position on (key →)", onClick: () => this.step(1) });
    this.scrub = this.range("Position of the key", (value) => this.goTo(value), { step: "any" });
    this.pairs = this.range("Pair of dimensions", (pair) => this.choose({ pair }));
    this.distances = this.range("Distance from key to query", (distance) => this.choose({ distance }));
    const buttons = element("div", { class: "choice", role: "group", "aria-label": "Play" }, this.back, this.play, this.next);
    this.frame.body.append(
      element(
        "div",
        { class: "player" },
        element("div", { class: "transport" }, buttons, this.scrub.input, this.scrub.words),
        element("div", { class: "transport" }, this.pairs.words, this.pairs.input, this.distances.words, this.distances.input),
      ),
    );
  }

  range(label, onValue, { step = 1 } = {}) {
    const input = element("input", {
      type: "range", min: 0, step, "aria-label": label,
      on: { input: () => onValue(Number(input.value)) },
    });
    return { input, words: element("span", { class: "muted" }, label) };
  }

  show() {
    const { options } = this.payload;
    const { state } = this;
    if (state.identity !== this.payload.identity) {
      Object.assign(state, { identity: this.payload.identity, pair: options.pair, distance: options.distance });
      state.position ??= 0;
    }
    state.pair = this.picture.clampPair(state.pair);
    state.distance = clamp(state.distance, 0, options.n_pos - 1);
    this.pairs.input.max = options.width / 2 - 1;
    this.distances.input.max = options.n_pos - 1;
    this.frame.tools.replaceChildren(this.frame.exportButtons(this.stage));
    this.stage.node.setAttribute("aria-label", `${this.payload.title} ${this.payload.caption}`);
    this.stage.refresh();
    this.goTo(state.position, { isQuiet: true });
    this.fillTable();
  }

  get last() {
    return Math.max(0, this.payload.options.n_pos - 1 - this.state.distance);
  }

  /** Another pair or distance; the server is told, so that the link holds it. */
  choose(change) {
    Object.assign(this.state, change);
    const { state } = this;
    state.pair = this.picture.clampPair(state.pair);
    this.goTo(state.position);
    this.fillTable();
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.host.setState("cell", [state.pair, state.distance]), 400);
  }

  goTo(position, { isQuiet = false } = {}) {
    const { state } = this;
    state.position = clamp(position, 0, this.last);
    this.stage.repaint();
    this.tell(isQuiet);
  }

  tell(isQuiet) {
    const { state, scrub, pairs, distances } = this;
    scrub.input.max = this.last;
    scrub.input.value = state.position;
    pairs.input.value = state.pair;
    distances.input.value = state.distance;
    const key = Math.round(state.position);
    scrub.words.textContent = `key at ${key}, query at ${key + state.distance}`;
    scrub.input.setAttribute("aria-valuetext", scrub.words.textContent);
    pairs.words.textContent = `Pair ${state.pair}`;
    distances.words.textContent = `Distance ${state.distance}`;
    this.back.disabled = state.position <= 0;
    this.next.disabled = state.position >= this.last;
    this.play.textContent = this.isPlaying ? "Pause" : state.position >= this.last ? "Replay" : "Play";
    this.frame.setReadout(this.sentence());
    if (!isQuiet && !this.isPlaying) this.frame.say(this.sentence());
  }

  sentence() {
    const { state, payload } = this;
    const { width, base } = payload.options;
    const speed = speedOf(state.pair, width, base);
    const key = Math.round(state.position);
    const angle = (at) => `${at} × ${format(speed)} = ${format(at * speed)} rad`;
    const product = Math.cos(state.distance * speed);
    return (
      `Key: ${angle(key)}. Query: ${angle(key + state.distance)}. Between them ${state.distance} × ` +
      `${format(speed)} = ${format(state.distance * speed)} rad wherever they stand: their product in this ` +
      `pair stays ${format(product)}, the score over all pairs ${format(this.score())}.`
    );
  }

  /** Mean of the cosines: the score of equal query and key, 1 at distance 0. */
  score() {
    const { width, base } = this.payload.options;
    let sum = 0;
    for (let pair = 0; pair < width / 2; pair += 1) sum += Math.cos(this.state.distance * speedOf(pair, width, base));
    return sum / (width / 2);
  }

  /** The small dials as numbers. */
  fillTable() {
    const { width, base } = this.payload.options;
    const { distance } = this.state;
    const row = (tag, cells) => element("tr", {}, ...cells.map((text) => element(tag, {}, text)));
    const body = RotationPicture.pairsOf(width).map((pair) =>
      row("td", [
        String(pair),
        format(wavelengthOf(pair, width, base)),
        format(distance * speedOf(pair, width, base)),
        format(Math.cos(distance * speedOf(pair, width, base))),
      ]),
    );
    const head = row("th", ["pair", "wavelength", "angle between (rad)", "product"]);
    this.frame.table.replaceChildren(element("table", {}, element("caption", {}, `Distance ${distance}`), head, ...body));
  }

  onKey(event) {
    const { state } = this;
    const moves = {
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      PageDown: () => this.step(PAGE),
      PageUp: () => this.step(-PAGE),
      ArrowUp: () => this.choose({ pair: state.pair - 1 }),
      ArrowDown: () => this.choose({ pair: state.pair + 1 }),
      Home: () => this.step(-Infinity),
      End: () => this.step(Infinity),
      " ": () => this.toggle(),
    };
    if (!moves[event.key] || event.altKey || event.metaKey || event.ctrlKey) return;
    moves[event.key]();
    event.preventDefault();
  }

  /** One position on is drawn as it happens, one back is there at once. */
  step(by) {
    const target = clamp(Math.round(this.state.position) + by, 0, this.last);
    this.stop();
    if (by !== 1 || prefersReducedMotion()) this.goTo(target);
    else this.run(target, false);
  }

  toggle() {
    if (this.isPlaying) {
      this.stop();
      this.goTo(Math.round(this.state.position));
      return;
    }
    if (this.state.position >= this.last) this.state.position = 0;
    this.run(this.last, true);
  }

  /** Move on to a position; without motion it stands at each for a while. */
  run(target, isPlaying) {
    this.stop();
    this.isPlaying = isPlaying;
    const isStill = prefersReducedMotion();
    const [from, begin] = [this.state.position, performance.now()];
    const tick = (now) => {
      const moved = (now - begin) / (isStill ? STILL_MS : POSITION_MS);
      const position = Math.min(target, from + (isStill ? Math.floor(moved) : moved));
      if (position >= target) {
        this.isPlaying = false;
        this.goTo(target);
        return;
      }
      if (position !== this.state.position) this.goTo(position);
      this.handle = requestAnimationFrame(tick);
    };
    this.handle = requestAnimationFrame(tick);
    this.tell(true);
  }

  stop() {
    cancelAnimationFrame(this.handle);
    this.isPlaying = false;
  }

  destroy() {
    this.stop();
    clearTimeout(this.telling);
    super.destroy();
  }
}
