// What one step looked at, and what each layer would have said.

import { choice, element } from "./dom.js";
import { levelsOf } from "./decode.js";
import { counted, format } from "./numbers.js";
import { css, mix } from "./palette.js";

const SITES = { cross: "Source", decoder: "Text before" };
const MEAN = "mean";
const EVEN = 0.179; // black and white stand out alike, at least 4.5 to 1

/** Colour a token by a share of 1; faint ones stay plain. */
export function shade(node, share, theme) {
  if (share < 0.04) {
    node.style.background = "";
    node.style.color = "";
    return;
  }
  const colour = mix(theme.sequential, share);
  node.style.background = css(colour);
  node.style.color = luminance(colour) < EVEN ? "#ffffff" : "#000000";
}

/** Relative luminance (WCAG 2.1) from 0 to 1. */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The attention of a step on its source and on what was written before. */
export class StepReading {
  constructor(card, state) {
    this.card = card;
    this.state = state;
    this.tools = element("div", { class: "tools" });
    this.body = element("div");
    this.say = element("p", { class: "readout" });
    card.append(
      element("h3", { class: "title" }, "What did this step look at?"),
      element("p", { class: "subtitle" }, "Attention of the last token read; the strongest colour is the row's largest."),
      this.tools,
      this.body,
      this.say,
    );
  }

  show(payload) {
    this.payload = payload;
    this.sites = Object.keys(SITES).filter((site) => payload.options.attention[site]);
    this.levels = Object.fromEntries(this.sites.map((site) => [site, levelsOf(payload.arrays[`attention_${site}`])]));
    this.state.site = this.sites.includes(this.state.site) ? this.state.site : this.sites[0];
    this.buildTools();
  }

  buildTools() {
    const { state, payload } = this;
    state.unit ??= "words";
    const { layers, heads, isMean } = payload.options.attention[state.site];
    if (state.layer === undefined || state.layer === null || state.layer >= layers) state.layer = layers - 1;
    if (isMean || state.head >= heads) state.head = MEAN;
    state.head ??= MEAN;
    const layerNames = Array.from({ length: layers }, (_, i) => [i, `L${i}`]);
    const headNames = [[MEAN, "mean of heads"], ...(isMean ? [] : Array.from({ length: heads }, (_, i) => [i, `H${i}`]))];
    this.tools.replaceChildren(
      ...(this.sites.length > 1
        ? [choice("Attention on", Object.fromEntries(this.sites.map((site) => [site, SITES[site]])), state.site, (site) => {
            state.site = site;
            this.buildTools();
            this.step(this.index, this.theme);
          })]
        : []),
      choice("What is shown", { words: "Words", tokens: "Tokens" }, state.unit, (unit) => this.pick({ unit })),
      picker("Layer", layerNames, state.layer, (value) => this.pick({ layer: Number(value) })),
      picker("Head", headNames, state.head, (value) => this.pick({ head: value === MEAN ? MEAN : Number(value) })),
    );
  }

  pick(change) {
    Object.assign(this.state, change);
    this.step(this.index, this.theme);
  }

  /** The row of a step: one weight a key. */
  row(step) {
    const { payload, state } = this;
    const array = payload.arrays[`attention_${state.site}`];
    const [, layers, heads, keys] = array.shape;
    const levels = this.levels[state.site];
    const from = ((step - payload.options.first) * layers + state.layer) * heads * keys;
    const isSeen = (key) => array.codes[from + key] !== 0;
    const chosen = state.head === MEAN ? [...Array(heads).keys()] : [state.head];
    const weights = [];
    for (let key = 0; key < keys && isSeen(key); key += 1) {
      weights.push(chosen.reduce((sum, head) => sum + levels[array.codes[from + head * keys + key]], 0) / chosen.length);
    }
    return weights;
  }

  /** What is shown: tokens, or words with the sum of their tokens' weights. */
  parts(step) {
    const { payload, state } = this;
    const strip = state.site === "cross" ? payload.keys : payload.queries;
    const weights = this.row(step);
    if (state.unit === "tokens") return weights.map((weight, i) => ({ text: strip.display[i], weight, count: 1, isSpecial: strip.isSpecial.has(i) }));
    return payload.options.words[state.site].flatMap(([text, positions, isSpecial]) => {
      const read = positions.filter((position) => position < weights.length);
      if (!read.length) return [];
      // The last word may be half written yet.
      const name = read.length === positions.length ? text : read.map((position) => strip.display[position]).join("");
      return [{ text: name, weight: read.reduce((sum, position) => sum + weights[position], 0), count: read.length, isSpecial }];
    });
  }

  step(index, theme) {
    Object.assign(this, { index, theme });
    const parts = this.parts(index);
    const largest = Math.max(...parts.map(({ weight }) => weight), 1e-12);
    const nodes = parts.map(({ text, weight, count, isSpecial }) => {
      const title = `${text}: ${format(weight)}${count > 1 ? `, the sum over ${count} tokens` : ""}`;
      const node = element("span", { class: isSpecial ? "tok word muted" : "tok word", title }, text);
      shade(node, weight / largest, theme);
      return node;
    });
    this.body.replaceChildren(element("div", { class: "sentence-line small" }, ...nodes));
    const ranked = [...parts].sort((a, b) => b.weight - a.weight);
    const merged = parts.some(({ count }) => count > 1) ? " A word's weight is the sum of its tokens'." : "";
    this.say.textContent = `Most: ${ranked.slice(0, 3).map(({ text, weight }) => `${text} ${format(weight)}`).join(", ")}.${merged}`;
  }
}

function picker(label, options, value, onPick) {
  const select = element("select", { on: { change: () => onPick(select.value) } });
  for (const [key, name] of options) select.append(element("option", { value: key, selected: String(key) === String(value) }, name));
  return element("label", { class: "picker" }, element("span", {}, label), select);
}

/** The logit lens: layers up, steps across, the best token of each layer in each cell. */
export class Lens {
  constructor(parent, onStep) {
    this.onStep = onStep;
    this.scroller = element("div", { class: "lens-scroller", tabindex: 0, role: "region", "aria-label": "Logit lens" });
    this.node = element(
      "section",
      { class: "lens" },
      element("h4", { class: "line-name" }, "What would each layer write?"),
      element("p", { class: "subtitle" }, "Logit lens: the residual stream after a layer, unembedded at once. Colour: probability of the token in the cell; outlined: the token that was written."),
      this.scroller,
    );
    parent.append(this.node);
  }

  show({ lens, steps }, theme) {
    this.node.hidden = !lens || !lens.length;
    if (this.node.hidden) return;
    const layers = lens[0].length;
    const head = element("tr", {}, element("th", { scope: "col" }, "after"));
    steps.slice(0, lens.length).forEach(({ token }, i) => {
      const cell = element("th", { scope: "col", class: "tok", on: { click: () => this.onStep(i) } }, token);
      cell.dataset.step = i;
      head.append(cell);
    });
    const rows = [];
    for (let layer = layers - 1; layer >= 0; layer -= 1) {
      const name = layer === 0 ? "input" : `L${layer - 1}`;
      rows.push(
        element("tr", {}, element("th", { scope: "row" }, name), ...lens.map((cells, i) => this.cell(cells[layer], i, name, steps[i].token, theme))),
      );
    }
    const caption = element("caption", { class: "sr" }, "Most probable token after each layer, by step");
    this.scroller.replaceChildren(element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...rows)));
  }

  cell([token, p, own], step, layer, written, theme) {
    const title = `${layer}, step ${step}: ${token} ${format(p)}; ${written} ${format(own)}`;
    const node = element("td", { class: "tok", title, on: { click: () => this.onStep(step) } }, token);
    node.dataset.step = step;
    node.classList.toggle("agrees", token === written);
    shade(node, p, theme);
    return node;
  }

  step(index) {
    for (const node of this.scroller.querySelectorAll("[data-step]")) node.classList.toggle("now", Number(node.dataset.step) === index);
  }
}

/** The key–value cache as it fills, and what it spared. */
export class CacheCard {
  constructor(card) {
    this.bars = element("div", { class: "cache-bars", "aria-hidden": "true" });
    this.words = element("p", { class: "readout" });
    this.formula = element("p", { class: "subtitle" });
    card.append(element("h3", { class: "title" }, "What does the cache hold?"), this.bars, this.words, this.formula);
  }

  show({ steps, cache }) {
    this.steps = steps;
    this.cache = cache;
    const most = Math.max(...steps.map((step) => step.nbytes), 1);
    this.bars.replaceChildren(
      ...steps.map((step) => {
        const bar = element("i");
        bar.style.height = `${(100 * step.nbytes) / most}%`;
        return bar;
      }),
    );
    this.formula.textContent =
      `Counted: projections to keys and values, ${cache.formula}. Without a cache every step would make them for all ` +
      "positions again; what else it would compute again is left out, so this is the least that is saved.";
  }

  step(index) {
    const { steps, cache } = this;
    [...this.bars.children].forEach((bar, i) => bar.classList.toggle("filled", i <= index));
    const { nPos, nbytes } = steps[index];
    const without = steps.slice(0, index + 1).reduce((sum, step) => sum + step.nPos + cache.nSource, 0) * cache.perPosition;
    const withCache = (nPos + cache.nSource) * cache.perPosition;
    const saved = without - withCache;
    this.words.textContent =
      `${counted(nPos, "position")}${cache.nSource ? ` and ${cache.nSource} of the source` : ""} · ${format(nbytes / 1024)} KiB · ` +
      `${format(saved / 1e6)} million multiplications saved so far of ${format(without / 1e6)}`;
  }
}
