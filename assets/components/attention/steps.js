// By the numbers: how does attention compute its output? The equation at work for one query.

import { choice, element, tokenPicker } from "./dom.js";
import { Evidence } from "./evidence.js";
import { pairNodes } from "./frame.js";
import { approximate, clamp, format } from "./numbers.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";
import { StepsNumbers, stepsOf } from "./steps_numbers.js";
import { StepsPicture } from "./steps_picture.js";
import { stepName, stepSentence } from "./steps_words.js";
import { fillSteps } from "./table.js";
import { View } from "./view.js";

const SHOWN = [16, 32, 64];

export class StepsView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("single");
    this.picture = new StepsPicture(this);
    this.player = new Player({ onTime: (time) => this.onTime(time), onSettled: () => this.settle() });
    this.sentence = element("p", { class: "sentence" });
    this.frame.body.append(this.player.node, this.sentence);
    this.stage = this.addStage(new Stage(this.picture, { label: "Steps", description: "steps of a computation" }));
    this.hovered = null;
    this.bind();
  }

  show() {
    const { payload, state } = this;
    this.evidence = Evidence.of(payload);
    this.keepCell(this.evidence.nQuery, this.evidence.nKey);
    state.shownKeys ??= SHOWN[0];
    this.steps = stepsOf(this.evidence);
    state.time ??= this.steps.length;
    this.player.setSteps(this.steps.map((step) => stepName(step, this.evidence)), state.time);
    state.time = this.player.time;
    this.buildTools();
    this.pick(state.selected);
  }

  buildTools() {
    const { payload, state, frame, evidence } = this;
    const tools = [tokenPicker("Query", payload.queries, state.selected[0], "query", (i) => this.choose([i, state.selected[1]]))];
    if (evidence.nKey > SHOWN[0]) {
      const counts = Object.fromEntries(SHOWN.map((count) => [count, `${count} keys`]));
      tools.push(choice("Keys shown", counts, String(state.shownKeys), (count) => {
        state.shownKeys = Number(count);
        this.pick(state.selected);
      }));
    }
    frame.tools.replaceChildren(...tools, frame.exportButtons(this.stage));
  }

  choose(cell) {
    this.state.isPicked = true;
    this.pick(cell);
  }

  /** Show another query, or the vectors of another key; the picked key is one of those shown. */
  pick([query, key]) {
    const { state, picture } = this;
    if (!this.numbers || this.numbers.evidence !== this.evidence || this.numbers.query !== query || this.counted !== state.shownKeys) {
      this.numbers = new StepsNumbers(this.evidence, query, state.shownKeys);
      this.counted = state.shownKeys;
      picture.show(this.numbers, this.steps);
    }
    const { shown, weight } = this.numbers;
    const heaviest = shown.reduce((best, other) => (weight[other] > weight[best] ? other : best), shown[0]);
    state.selected = [query, shown.includes(key) ? key : heaviest];
    this.stage.refresh();
    this.tell();
    this.settle({ isQuiet: true });
  }

  onTime(time) {
    const before = this.picture.now().step;
    this.state.time = time;
    // On a narrow screen each step has columns of its own.
    if (this.picture.isNarrow && before !== this.picture.now().step) this.stage.refresh();
    else this.stage.repaint();
    this.tell();
  }

  tell() {
    const { numbers, payload, state, picture } = this;
    const { step } = picture.now();
    const name = element("b", {}, `${picture.place()}. `);
    this.sentence.replaceChildren(name, ...stepSentence(step, numbers, state.selected[1], payload));
    this.readout();
  }

  /** Time stands still: name the step to a screen reader and bring its table up to date. */
  settle({ isQuiet = false } = {}) {
    const { frame, payload, numbers, stage } = this;
    stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption} ${this.picture.place()}`);
    fillSteps(frame.table, payload, numbers, this.steps);
    if (!isQuiet) frame.say(this.sentence.textContent);
  }

  readout() {
    const { numbers, payload, state, frame, hovered, evidence } = this;
    const is = (value) => approximate(value, evidence.isExact);
    if (hovered && hovered.cell >= 0) {
      frame.setReadout(this.dimensionText(hovered.cell));
      return;
    }
    const row = hovered ? hovered.row : -1;
    const key = row >= 0 ? numbers.shown[row] : state.selected[1];
    const masked = numbers.isMasked[key] ? " masked:" : "";
    const line = `:${masked} q·k ${is(numbers.dot[key])} → score ${is(numbers.mask[key])} → weight ${is(numbers.weight[key])}`;
    frame.setReadout(...pairNodes(payload, [numbers.query, key]), line);
  }

  dimensionText(i) {
    const { numbers, evidence, state } = this;
    const parts = [];
    const name = (label, vector) => {
      if (i < vector.length) parts.push(`${label} ${format(vector[i])}`);
    };
    const key = state.selected[1];
    for (const vector of ["q", "k", "v"]) name(vector, numbers.vector(vector, key));
    name("z", numbers.output);
    if (evidence.z) name("module's z", numbers.vector("z", key));
    return `dimension ${i}: ${parts.join(" · ")}`;
  }

  hover(at) {
    if (JSON.stringify(at) === JSON.stringify(this.hovered)) return;
    this.hovered = at;
    this.stage.hover();
    this.readout();
  }

  moveKey(by) {
    const { shown } = this.numbers;
    const { selected } = this.state;
    const row = clamp(shown.indexOf(selected[1]) + by, 0, shown.length - 1);
    this.choose([selected[0], shown[row]]);
    this.frame.say(this.frame.readout.textContent);
  }

  bind() {
    const { node } = this.stage;
    node.addEventListener("pointermove", (event) => this.hover(this.picture.hit(this.stage.point(event))));
    node.addEventListener("pointerleave", () => this.hover(null));
    node.addEventListener("click", (event) => {
      const at = this.picture.hit(this.stage.point(event));
      if (at && at.row >= 0) this.choose([this.state.selected[0], this.numbers.shown[at.row]]);
    });
    node.addEventListener("keydown", (event) => {
      if (event.altKey || event.metaKey || event.ctrlKey) return;
      const action = {
        ArrowRight: () => this.player.step(1),
        ArrowLeft: () => this.player.step(-1),
        ArrowDown: () => this.moveKey(1),
        ArrowUp: () => this.moveKey(-1),
        " ": () => this.player.toggle(),
        Home: () => this.player.jump(0),
        End: () => this.player.jump(this.steps.length),
      }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  destroy() {
    this.player.stop();
    super.destroy();
  }
}
