// Temperature and filters as sliders: what would this step choose from with other settings?

import { button, element } from "./dom.js";
import { format } from "./numbers.js";

const STEPS = 200;

/** The settings of a strategy; a filter that is off is null. */
export function settingsOf(strategy) {
  return {
    temperature: strategy.temperature ?? 1,
    topK: strategy.top_k ?? null,
    topP: strategy.top_p ?? null,
    minP: strategy.min_p ?? null,
    penalty: strategy.repetition_penalty ?? 1,
  };
}

/** Sliders for every setting, each with its value in words; `onChange` gets all settings. */
export class WhatIf {
  constructor(onChange) {
    this.onChange = onChange;
    this.node = element("div", { class: "what-if", role: "group", "aria-label": "What if" });
    this.badge = element("span", { class: "what-if-badge" });
    this.reset = button("Back to the strategy", { onClick: () => this.take(this.used) });
  }

  /** Begin with the settings that the text was written with. */
  show(strategy, vocab, settings) {
    this.used = settingsOf(strategy);
    this.kind = strategy.kind;
    this.settings = { ...(settings || this.used) };
    this.node.replaceChildren(
      ...slidersFor(vocab).map((slider) => this.row(slider)),
      element("div", { class: "what-if-state" }, this.badge, this.reset),
    );
    this.tell();
  }

  row(slider) {
    const value = element("output", { class: "number" });
    const input = element("input", {
      type: "range",
      min: 0,
      max: STEPS,
      "aria-label": slider.label || slider.name,
      "data-setting": slider.key,
      on: {
        input: () => {
          this.settings[slider.key] = slider.read(Number(input.value));
          say();
          this.tell();
          this.onChange(this.settings);
        },
      },
    });
    const say = () => {
      const text = slider.say(this.settings[slider.key]);
      value.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    input.value = slider.place(this.settings[slider.key]);
    say();
    return element("label", {}, element("span", {}, slider.name), input, value);
  }

  take(settings) {
    this.settings = { ...settings };
    this.onChange(this.settings, true);
  }

  get isOther() {
    return Object.keys(this.used).some((key) => this.used[key] !== this.settings[key]);
  }

  /** The settings in words, for a file. */
  words() {
    const parts = slidersFor(2).map(({ key, name, say }) => `${name.toLowerCase()} ${say(this.settings[key])}`);
    return `${parts.join(", ")} · ${this.badge.textContent.toLowerCase()}`;
  }

  tell() {
    const { isOther } = this;
    this.badge.textContent = isOther
      ? "What if: not how this text was written"
      : this.kind === "sample"
        ? "As this text was written"
        : `As this text was written (${this.kind}: the best is taken, nothing is drawn)`;
    this.badge.classList.toggle("other", isOther);
    this.reset.hidden = !isOther;
  }
}

/** Where a value stands on its slider, and back; the temperature and k on scales of logarithms. */
function slidersFor(vocab) {
  const share = (place) => place / STEPS;
  return [
    {
      key: "temperature",
      name: "Temperature",
      place: (value) => ((Math.log10(value) + 1) / 2) * STEPS,
      read: (place) => Number((10 ** (2 * share(place) - 1)).toPrecision(3)),
      say: (value) => format(value),
    },
    {
      key: "topK",
      name: "Top-k",
      place: (value) => (value === null ? STEPS : (Math.log(value) / Math.log(vocab)) * STEPS),
      read: (place) => (place >= STEPS ? null : Math.max(1, Math.round(vocab ** share(place)))),
      say: (value) => (value === null ? "off" : value.toLocaleString("en")),
    },
    {
      key: "topP",
      name: "Top-p",
      place: (value) => (value ?? 1) * STEPS,
      read: (place) => (place >= STEPS ? null : Math.max(0.005, share(place))),
      say: (value) => (value === null ? "off" : format(value)),
    },
    {
      key: "minP",
      name: "Min-p",
      place: (value) => (value ?? 0) * STEPS,
      read: (place) => (place <= 0 ? null : share(place)),
      say: (value) => (value === null ? "off" : format(value)),
    },
    {
      key: "penalty",
      name: "Penalty",
      label: "Repetition penalty",
      place: (value) => (value - 1) * STEPS,
      read: (place) => 1 + share(place),
      say: (value) => (value === 1 ? "off" : format(value)),
    },
  ];
}
