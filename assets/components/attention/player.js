// Play, step and scrub: the time of a picture that moves, for those who want motion and those who do not.

import { button, element, prefersReducedMotion } from "./dom.js";
import { clamp } from "./numbers.js";

const REVEAL_MS = 1100;
const HOLD_MS = 1500;
const STILL_MS = 2600;

/** Runs a time from 0 to `length`; a whole number is a step that is done. */
export class Player {
  constructor({ onTime, onSettled }) {
    Object.assign(this, { onTime, onSettled, time: 0, length: 1, frame: 0, isPlaying: false });
    this.chips = element("div", { class: "chips", role: "group", "aria-label": "Steps" });
    this.back = button("Back", { tip: "One step back (key ←)", onClick: () => this.step(-1) });
    this.play = button("Play", { tip: "Play from here (space bar)", onClick: () => this.toggle() });
    this.next = button("Next", { tip: "One step on (key →)", onClick: () => this.step(1) });
    this.scrub = element("input", {
      type: "range", min: 0, step: "any", "aria-label": "Where in the computation",
      on: { input: () => this.goTo(Number(this.scrub.value)), change: () => this.onSettled() },
    });
    const buttons = element("div", { class: "choice", role: "group", "aria-label": "Play" }, this.back, this.play, this.next);
    const hint = element("span", { class: "muted hint" }, "Keys on the picture: ← → steps, ↑ ↓ keys, space plays");
    this.node = element("div", { class: "player" }, this.chips, element("div", { class: "transport" }, buttons, this.scrub, hint));
  }

  /** Set the steps by name; the time stays where it is as far as it fits. */
  setSteps(names, time) {
    this.length = names.length;
    this.scrub.max = names.length;
    this.chips.replaceChildren(
      ...names.map((name, i) =>
        button(`${i + 1}  ${name}`, { name: `Step ${i + 1}: ${name}`, onClick: () => this.jump(i + 1) }),
      ),
    );
    this.set(clamp(time, 0, this.length));
  }

  get index() {
    return clamp(Math.ceil(this.time) - 1, 0, this.length - 1);
  }

  set(time) {
    this.time = time;
    this.scrub.value = time;
    [...this.chips.children].forEach((chip, i) => {
      if (i === this.index) chip.setAttribute("aria-current", "step");
      else chip.removeAttribute("aria-current");
      chip.classList.toggle("done", i < time);
    });
    const name = this.chips.children[this.index].getAttribute("aria-label");
    this.scrub.setAttribute("aria-valuetext", name);
    this.back.disabled = time <= 0;
    this.next.disabled = time >= this.length;
    this.play.textContent = this.isPlaying ? "Pause" : time >= this.length ? "Replay" : "Play";
  }

  goTo(time) {
    this.stop();
    this.set(clamp(time, 0, this.length));
    this.onTime(this.time);
  }

  /** One step on is drawn as it happens; one back is there at once. */
  step(by) {
    if (by < 0) {
      this.goTo(Math.ceil(this.time) - 1);
      this.onSettled();
      return;
    }
    const target = Math.min(this.length, Math.floor(this.time) + 1);
    if (this.isPlaying || prefersReducedMotion() || target === this.time) this.jump(target);
    else this.run([[this.time, target, REVEAL_MS]]);
  }

  jump(time) {
    this.goTo(time);
    this.onSettled();
  }

  toggle() {
    if (this.isPlaying) {
      this.stop();
      this.onSettled();
      return;
    }
    const start = this.time >= this.length ? 0 : this.time;
    const parts = [];
    for (let end = Math.floor(start) + 1; end <= this.length; end += 1) {
      const from = Math.max(start, end - 1);
      // Without motion each step appears whole and is held.
      if (prefersReducedMotion()) parts.push([end, end, STILL_MS]);
      else parts.push([from, end, REVEAL_MS * (end - from)], [end, end, HOLD_MS]);
    }
    this.run(parts, { isPlay: true });
  }

  /** Run through parts `[from, to, milliseconds]`, then stop. */
  run(parts, { isPlay = false } = {}) {
    this.stop();
    this.isPlaying = isPlay;
    const [part, ...rest] = parts;
    const begin = performance.now();
    const tick = (now) => {
      const [from, to, duration] = part;
      const share = clamp((now - begin) / duration, 0, 1);
      const time = from + (to - from) * share;
      if (time !== this.time) {
        this.set(time);
        this.onTime(time);
      }
      if (share < 1) this.frame = requestAnimationFrame(tick);
      else if (rest.length) this.run(rest, { isPlay });
      else this.stop();
      if (share >= 1 && from !== to) this.onSettled();
    };
    this.set(this.time);
    this.frame = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.isPlaying = false;
    this.set(this.time);
  }
}
