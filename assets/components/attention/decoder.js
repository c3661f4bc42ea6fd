// Decoding step by step: what each token was chosen from, with filters that answer at once.

import { BeamTree } from "./beam_tree.js";
import { Candidates, formulaOf } from "./candidates.js";
import { candidatesPicture } from "./candidates_picture.js";
import { distributionOf, scoresOf } from "./distribution.js";
import { button, element } from "./dom.js";
import { format } from "./numbers.js";
import { CacheCard, Lens, shade, StepReading } from "./step_reading.js";
import { StepTransport } from "./step_transport.js";
import { View } from "./view.js";
import { settingsOf, WhatIf } from "./what_if.js";

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
      onWrite: (id) => this.host.trigger("fork", [this.steps[this.state.step].index, id]),
    });
    body.append(this.transport.node, this.prefix, this.said, this.whatIf.node, this.candidates.node);
    this.lens = new Lens(body, (index) => this.transport.go(index));
    this.tree = new BeamTree(body, (id) => this.host.trigger("fork", ["hypothesis", id]));
    this.branches = this.frame.sideCard("branches");
    this.formula = this.frame.sideCard("formula-card");
    this.reading = new StepReading(this.frame.sideCard("reading"), (state.reading ??= {}));
    this.cache = new CacheCard(this.frame.sideCard("cache"));
    this.onKey = (event) => this.key(event);
    this.frame.card.addEventListener("keydown", this.onKey);
  }

  show() {
    const { payload, state } = this;
    const { options } = payload;
    this.steps = options.steps;
    const strategy = JSON.stringify(options.strategy);
    if (state.strategy !== strategy) Object.assign(state, { strategy, settings: settingsOf(options.strategy) });
    const shown = `${payload.identity} ${options.branch}`;
    if (state.shown !== shown) {
      const forked = options.branches.find(({ id }) => id === options.branch);
      Object.assign(state, { shown, step: forked && forked.parent !== null ? forked.step : 0, opened: null });
    }
    this.scores = new Map();
    this.frame.tools.replaceChildren(this.frame.exportButtons(candidatesPicture(() => this.scene())));
    this.whatIf.show(options.strategy, options.vocab, state.settings);
    this.fillPrefix();
    this.fillBranches();
    this.reading.show(payload);
    this.cache.show(options);
    this.lens.show(options, this.theme);
    this.tree.show(options.tree, state, this.host.isStatic);
    this.transport.show(this.steps.map(({ token }) => token), state.step);
    this.showStep(this.transport.index);
  }

  fillPrefix() {
    this.prefix.replaceChildren(
      ...this.steps.map((step, i) => {
        const p = Math.exp(step.logProb);
        const node = button(step.token, { name: `Step ${i}: ${step.token}, probability ${format(p)}`, onClick: () => this.transport.go(i) });
        node.className = "tok token";
        shade(node, 1 - p, this.theme);
        return node;
      }),
    );
  }

  fillBranches() {
    const { branches, branch } = this.payload.options;
    this.branches.hidden = branches.length < 2;
    if (this.branches.hidden) return;
    const depth = (one) => (one.parent === null ? 0 : 1 + depth(branches[one.parent]));
    const ordered = [];
    const add = (one) => {
      ordered.push(one);
      branches.filter(({ parent }) => parent === one.id).forEach(add);
    };
    branches.filter(({ parent }) => parent === null).forEach(add);
    this.branches.replaceChildren(
      element("h3", { class: "title" }, "Branches"),
      element("p", { class: "subtitle" }, "Every text stays; a click returns to it."),
      element("div", { class: "options" }, ...ordered.map((one) => this.branchButton(one, depth(one), one.id === branch))),
    );
  }

  branchButton(one, depth, isHere) {
    const label = one.parent === null ? "The model's own" : `step ${one.step}: ${one.token}`;
    const node = button("", { name: `${label}. ${one.text}`, pressed: isHere, onClick: () => isHere || this.host.trigger("fork", ["branch", one.id]) });
    node.className = "branch";
    node.style.marginLeft = `${14 * depth}px`;
    node.disabled = Boolean(this.host.isStatic) && !isHere;
    node.append(element("span", { class: "tok query" }, label), element("span", { class: "muted" }, one.text || "…"));
    return node;
  }

  showStep(index) {
    const { state } = this;
    if (state.step !== index) state.opened = null;
    state.step = index;
    [...this.prefix.children].forEach((node, i) => {
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
    if (!this.scores.has(state.step)) this.scores.set(state.step, scoresOf(payload, state.step));
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

  open(id) {
    this.state.opened = id;
    this.choose();
    const again = this.candidates.list.querySelector(`button[data-id="${id}"]`);
    if (again) again.focus();
  }

  key(event) {
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
    this.frame.card.removeEventListener("keydown", this.onKey);
    super.destroy();
  }
}
