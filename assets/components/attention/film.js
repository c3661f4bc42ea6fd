// The film: how do heads form while a model learns? A heat map whose time can be moved.

import { button, element, prefersReducedMotion } from "./dom.js";
import { HeatmapView } from "./heatmap.js";
import { clamp } from "./numbers.js";

const FRAME_MS = 260;
const STILL_MS = 900;

export class FilmView extends HeatmapView {
  constructor(node, host, state) {
    super(node, host, state);
    // Patterns were kept, not the queries and keys behind them: there is no why to tell.
    this.whyCard.card.remove();
    this.timer = 0;
    this.play = button("Play", { tip: "Play from here", onClick: () => this.toggle() });
    this.back = button("Back", { tip: "One frame back", onClick: () => this.step(-1) });
    this.next = button("Next", { tip: "One frame on", onClick: () => this.step(1) });
    this.scrub = element("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": "Step of the training",
      on: { input: () => this.goTo(Number(this.scrub.value)) },
    });
    this.label = element("output", { class: "film-step" });
    const buttons = element(
      "div",
      { class: "choice", role: "group", "aria-label": "Play" },
      this.back,
      this.play,
      this.next,
    );
    this.transport = element("div", { class: "transport film" }, buttons, this.scrub, this.label);
    this.frame.body.before(this.transport);
  }

  /** New frames may have come: who watched the last one goes on watching the last. */
  update(payload) {
    const { state } = this;
    const isOther = state.film !== payload.identity;
    if (isOther) Object.assign(state, { film: payload.identity, moment: null, place: null });
    this.source = payload;
    const { steps, place } = payload.options.film;
    this.scrub.max = steps.length - 1;
    if (!state.place) state.place = place;
    if (state.moment === null) this.draw(steps.length - 1);
    else this.draw(state.moment);
  }

  get steps() {
    return this.source.options.film.steps;
  }

  goTo(moment) {
    this.stop();
    this.draw(moment);
  }

  step(by) {
    this.goTo(this.moment + by);
  }

  /** Draw one frame of the film as the heat map that it is. */
  draw(moment) {
    const { source, state, steps } = this;
    const last = steps.length - 1;
    this.moment = clamp(moment, 0, last);
    state.moment = this.moment === last ? null : this.moment;
    const [layer, head] = state.place;
    const { n_layers: layers, n_heads: heads } = source.options.overview;
    const array = source.arrays.film;
    const [rows, columns] = array.shape.slice(-2);
    const size = rows * columns;
    const first = this.moment * layers * heads;
    const cut = (from, count, shape) => ({
      ...array,
      codes: array.codes.subarray(from * size, (from + count) * size),
      shape,
    });
    const step = steps[this.moment].toLocaleString("en");
    this.payload = {
      ...source,
      layer,
      head,
      subtitle: `L${layer} H${head} after step ${step}. ${source.subtitle}`,
      options: { ...source.options, overview: { ...source.options.overview, selected: state.place } },
      arrays: {
        weights: cut(first + layer * heads + head, 1, [rows, columns]),
        thumbnails: cut(first, layers * heads, [layers, heads, rows, columns]),
      },
    };
    this.frame.show(this.payload);
    this.show();
    this.showTime();
  }

  showTime() {
    const step = `step ${this.steps[this.moment].toLocaleString("en")}`;
    this.scrub.value = this.moment;
    this.scrub.setAttribute("aria-valuetext", step);
    this.label.textContent = step;
    this.back.disabled = this.moment === 0;
    this.next.disabled = this.moment === this.steps.length - 1;
    this.play.textContent = this.timer ? "Pause" : "Play";
  }

  toggle() {
    if (this.timer) {
      this.stop();
      this.showTime();
      return;
    }
    if (this.moment === this.steps.length - 1) this.draw(0);
    const pause = prefersReducedMotion() ? STILL_MS : FRAME_MS;
    this.timer = setInterval(() => {
      if (this.moment + 1 >= this.steps.length - 1) this.stop();
      this.draw(this.moment + 1);
    }, pause);
    this.showTime();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }

  /** Another head of the film: everything is here, nobody need be asked. */
  openHead(head) {
    this.state.place = head;
    this.draw(this.moment);
  }

  destroy() {
    this.stop();
    super.destroy();
  }
}
