// Decoding step by step: what each token was chosen from, with filters that answer at once.

import { Candidates, formulaOf } from "./candidates.js";
import { candidatesPicture } from "./candidates_picture.js";
import { distributionOf, scoresOf } from "./distribution.js";
import { button, debounce, element } from "./dom.js";
import { clamp, format } from "./numbers.js";
import { CacheCard, Lens, shade, StepReading } from "./step_reading.js";
import { StepTransport } from "./step_transport.js";
import { TextTree } from "./text_tree.js";
import { View } from "./view.js";
import { settingsOf, WhatIf } from "./what_if.js";

const TELL_MS = 800;

export class DecoderView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    const { body } = this.frame;
    this.transport = new StepTransport((index) => this.showStep(index));
    this.prefix = element("div", { class: "sentence-line target prefix", role: "group", "aria-label": "The text, a token a step" });
    this.said = element("p", { class: "readout step-facts" });
    this.whatIf = new WhatIf((settings, isReset) => this.changeSettings(settings, isReset));
    this.candidates = new Candidates({
      onPick: (id) => this.open(id),
      onWrite: (id) => this.write(id),
    });
    body.append(this.transport.node, this.prefix, this.said, this.whatIf.node, this.candidates.node);
    this.wide = element("section", { class: "card wide", "aria-label": "Layers and texts" });
    this.frame.layout.append(this.wide);
    this.lens = new Lens(this.wide, (index) => this.transport.go(index));
    this.tree = new TextTree(this.wide, {
      step: (index) => this.transport.go(index),
      fork: (wish) => this.host.trigger("fork", wish),
    });
    this.formula = this.frame.sideCard("formula-card");
    this.reading = new StepReading(this.frame.sideCard("reading"), (state.reading ??= {}));
    this.cache = new CacheCard(this.frame.sideCard("cache"));
    this.onKey = (event) => this.key(event);
    this.frame.layout.addEventListener("keydown", this.onKey);
    // The page keeps the step for its link; it hears of it when somebody has come to rest there.
    this.tell = debounce((index) => {
      const { text, hypothesis } = this.payload.options.shown;
      if (state.told !== index) this.host.setState("step", [this.payload.identity, text, hypothesis, index]);
      state.told = index;
    }, TELL_MS);
  }

  /** What is drawn already stays as it is, with whatever somebody holds in it. */
  update(payload) {
    if (this.payload && this.payload.id === payload.id && !this.isBegun) return;
    this.isBegun = false;
    super.update(payload);
  }

  show() {
    const { payload, state } = this;
    const { options } = payload;
    this.steps = options.steps;
    const strategy = JSON.stringify(options.strategy);
    if (state.strategy !== strategy) Object.assign(state, { strategy, settings: settingsOf(options.strategy) });
    const shown = JSON.stringify([payload.identity, options.shown]);
    if (state.shown !== shown || state.wasRunning) Object.assign(state, { shown, step: options.shown.start, told: options.shown.start, opened: null });
    state.wasRunning = options.isRunning;
    state.step = clamp(options.isRunning ? options.first : state.step, 0, this.steps.length - 1);
    this.scores = new Map();
    this.frame.tools.replaceChildren(this.frame.exportButtons(candidatesPicture(() => this.scene())));
    this.whatIf.show(options.strategy, options.vocab, state.settings);
    this.fillPrefix();
    this.reading.show(payload);
    this.cache.show(options);
    this.lens.show(options, this.theme);
    this.tree.show(options, state, this.host.isStatic);
    this.wide.hidden = this.lens.node.hidden && this.tree.node.hidden;
    this.transport.show(this.steps.map(({ token }) => token), state.step, options.isRunning);
    this.showStep(this.transport.index);
  }

  fillPrefix() {
    this.prefix.replaceChildren(
      ...this.steps.map((step, i) => {
        const p = Math.exp(step.logProb);
        const node = button(step.token, { name: `Step ${i}: ${step.token}, probability ${format(p)}`, onClick: () => this.payload.options.isRunning || this.transport.go(i) });
        node.className = "tok token";
        shade(node, 1 - p, this.theme);
        return node;
      }),
    );
  }

  showStep(index) {
    const { state } = this;
    if (state.step !== index) state.opened = null;
    state.step = index;
    [...this.prefix.querySelectorAll("button")].forEach((node, i) => {
      node.setAttribute("aria-pressed", String(i === index));
    });
    const step = this.steps[index];
    const ended = { eos: " · the text ends here", limit: " · as long as it may be", stopped: " · stopped" }[step.ended] || "";
    this.said.replaceChildren(
      element("span", { class: "tok query" }, step.token),
      ` probability ${format(Math.exp(step.logProb))} · log-probability of the text so far ${format(step.cumulative)} · ${format(1000 * step.seconds, 2)} ms${step.isForced ? " · chosen by hand" : ""}${ended}`,
    );
    this.frame.say(`Step ${index}: ${step.token}`);
    this.reading.step(index, this.theme);
    this.cache.step(index);
    this.lens.step(index);
    this.tree.step(index);
    if (!this.host.isStatic && !this.payload.options.isRunning) this.tell(index);
    this.choose();
  }

  changeSettings(settings, isReset) {
    this.state.settings = { ...settings };
    if (isReset) this.whatIf.show(this.payload.options.strategy, this.payload.options.vocab, settings);
    this.choose();
  }

  /** The distribution of the step under the settings, drawn anew. */
  choose() {
    const { state, payload } = this;
    const { names, reasons, isLog } = payload.options;
    const step = this.steps[state.step];
    if (!this.scores.has(state.step)) this.scores.set(state.step, scoresOf(payload, state.step - payload.options.first));
    this.distribution = distributionOf(this.scores.get(state.step), state.settings, step);
    const opened = state.opened ?? step.id;
    this.candidates.show(this.distribution, { step, names, reasons, opened, isStatic: this.host.isStatic });
    this.formula.replaceChildren(
      element("h3", { class: "title" }, "From score to probability"),
      element("p", { class: "subtitle" }, this.whatIf.isOther ? "With the settings of the sliders, not those of the text." : "Click a candidate to see its numbers."),
      formulaOf(this.distribution, opened, { name: names[opened] ?? `#${opened}`, settings: state.settings, reasons, isLog }),
    );
    this.frame.table.replaceChildren(this.candidates.table(`Candidates of step ${state.step}`));
  }

  /** What is on the screen, for a file. */
  scene() {
    const { distribution, steps, state, theme, whatIf } = this;
    const { names, reasons } = this.payload.options;
    const settings = whatIf.words();
    return { distribution, steps, index: state.step, step: steps[state.step], theme, names, reasons, settings };
  }

  /** Write another token here: it stands at once, and what follows it comes from the model. */
  write(id) {
    const { state, steps, prefix } = this;
    const token = this.payload.options.names[id] ?? `#${id}`;
    this.isBegun = true;
    this.host.trigger("fork", [steps[state.step].index, id]);
    [...prefix.children].slice(state.step).forEach((node) => node.remove());
    prefix.append(element("span", { class: "tok token begun" }, token), element("span", { class: "muted" }, "…"));
    this.frame.say(`Step ${state.step}: ${token} instead. Writing on.`);
  }

  open(id) {
    this.state.opened = id;
    this.choose();
    const again = this.candidates.list.querySelector(`button[data-id="${id}"]`);
    if (again) again.focus();
  }

  key(event) {
    if (event.defaultPrevented || this.payload.options.isRunning) return;
    if (event.altKey || event.metaKey || event.ctrlKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    const { transport } = this;
    const action = {
      ArrowLeft: () => transport.go(transport.index - 1),
      ArrowRight: () => transport.go(transport.index + 1),
      Home: () => transport.go(0),
      End: () => transport.go(transport.length - 1),
      p: () => transport.toggle(),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  repaint() {
    if (!this.payload) return;
    this.fillPrefix();
    this.lens.show(this.payload.options, this.theme);
    this.showStep(this.state.step);
  }

  destroy() {
    this.transport.stop();
    this.tell.cancel();
    this.frame.layout.removeEventListener("keydown", this.onKey);
    super.destroy();
  }
}
