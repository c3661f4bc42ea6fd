// Going through the steps of a text: first, back, play, next, last, and a slider.

import { button, element, prefersReducedMotion } from "./dom.js";
import { clamp } from "./numbers.js";

const HOLD_MS = 900;
const STILL_MS = 2000;

export class StepTransport {
  constructor(onStep) {
    this.onStep = onStep;
    this.index = 0;
    this.timer = 0;
    this.first = button("⇤", { name: "First step", tip: "First step (key Home)", onClick: () => this.go(0) });
    this.back = button("Back", { tip: "One step back (key ←)", onClick: () => this.go(this.index - 1) });
    this.play = button("Play", { tip: "Play from here (key p)", onClick: () => this.toggle() });
    this.next = button("Next", { tip: "One step on (key →)", onClick: () => this.go(this.index + 1) });
    this.last = button("⇥", { name: "Last step", tip: "Last step (key End)", onClick: () => this.go(this.length - 1) });
    this.scrub = element("input", {
      type: "range", min: 0, step: 1, "aria-label": "Step",
      on: { input: () => this.go(Number(this.scrub.value)) },
    });
    this.where = element("span", { class: "muted number" });
    const group = element("div", { class: "choice", role: "group", "aria-label": "Steps" }, this.first, this.back, this.play, this.next, this.last);
    this.node = element("div", { class: "transport" }, group, this.scrub, this.where);
  }

  /** `isRunning`: the text grows still, and only this step can be looked at. */
  show(names, index, isRunning = false) {
    Object.assign(this, { names, isRunning });
    this.length = names.length;
    this.scrub.max = this.length - 1;
    this.set(clamp(index, 0, this.length - 1));
  }

  set(index) {
    this.index = index;
    this.scrub.value = index;
    this.scrub.setAttribute("aria-valuetext", `Step ${index}: ${this.names[index]}`);
    const { isRunning } = this;
    this.first.disabled = this.back.disabled = isRunning || index === 0;
    this.next.disabled = this.last.disabled = isRunning || index === this.length - 1;
    this.play.disabled = this.scrub.disabled = isRunning;
    this.where.textContent = isRunning ? `writing: step ${this.length - 1}` : `step ${index} of 0 to ${this.length - 1}`;
    this.play.textContent = this.timer ? "Pause" : "Play";
  }

  go(index) {
    this.stop();
    this.move(index);
  }

  move(index) {
    this.set(clamp(index, 0, this.length - 1));
    this.onStep(this.index);
  }

  toggle() {
    if (this.timer) {
      this.stop();
      return;
    }
    if (this.index === this.length - 1) this.move(0);
    const tick = () => {
      this.move(this.index + 1);
      if (this.index === this.length - 1) this.stop();
    };
    this.timer = setInterval(tick, prefersReducedMotion() ? STILL_MS : HOLD_MS);
    this.set(this.index);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    if (this.names) this.set(this.index);
  }
}
