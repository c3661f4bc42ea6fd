// "Why does it look at animal?": from q·k to the weight, with the model's numbers.

import { button, element, tokenNode } from "./dom.js";
import { approximate, format } from "./numbers.js";

const MASKED = "Masked: this query may not look at this key. The weight is exactly 0.";
const SVG = "http://www.w3.org/2000/svg";

/** A card that explains the picked cell. */
export class WhyCard {
  constructor(card, { hasProducts = true } = {}) {
    this.card = card;
    this.hasProducts = hasProducts;
    this.isOpen = false;
  }

  show(payload, evidence, matrix, [row, column]) {
    this.args = [payload, evidence, matrix, [row, column]];
    const question = element(
      "h3",
      { class: "title" },
      "Why does ",
      tokenNode(payload.queries.display[row], "query"),
      " look at ",
      tokenNode(payload.keys.display[column], "key"),
      "?",
    );
    const rest = evidence && evidence.has(row, column)
      ? this.explanation(evidence, matrix, row, column)
      : [this.plain(payload, matrix, row, column)];
    this.card.replaceChildren(question, ...rest);
  }

  plain(payload, matrix, row, column) {
    const value = approximate(matrix.value(row, column), matrix.isExactAt(row, column));
    let text = `Weight ${value}: merged, renormalised or given, not straight from one query and key. See the notes under the map.`;
    if (matrix.isMasked(row, column)) text = MASKED;
    else if (matrix.isPooled && matrix.inWindow(row, column)) text = `Weight ${value}, exact.`;
    else if (matrix.isPooled) text = `${value} is the ${matrix.how} of a block. Zoom in for the exact weight.`;
    return element("p", { class: "subtitle" }, text);
  }

  explanation(evidence, matrix, row, column) {
    const subtitle = element("p", { class: "subtitle" }, "The cell that you picked, from its query and key.");
    const table = element("div", { class: "bars" });
    const isMasked = matrix.isMasked(row, column);
    for (const step of steps(evidence, row, column, isMasked)) table.append(...barRow(step, evidence));
    const nodes = [subtitle, table, this.proof(evidence, matrix, row, column, isMasked)];
    if (this.hasProducts) nodes.push(this.disclosure(evidence));
    if (this.isOpen) nodes.push(productBars(evidence, row, column));
    return nodes;
  }

  proof(evidence, matrix, row, column, isMasked) {
    let text = MASKED;
    if (!isMasked && evidence.isPartial) {
      text = "This model adds a position bias that was too large to send; the last line includes it.";
    } else if (!isMasked) {
      const difference = Math.abs(evidence.weight(row, column) - matrix.value(row, column));
      text = `Computed here from q and k. The map, rounded for drawing, differs by ${format(difference, 2)}.`;
    }
    return element("p", { class: "subtitle" }, text);
  }

  disclosure(evidence) {
    const label = `${this.isOpen ? "Hide" : "Show"} the ${evidence.width} products by dimension`;
    const toggle = button(label, {
      onClick: () => {
        this.isOpen = !this.isOpen;
        this.show(...this.args);
        this.card.querySelector(".disclosure").focus();
      },
    });
    toggle.className = "disclosure";
    toggle.setAttribute("aria-expanded", String(this.isOpen));
    return toggle;
  }
}

/** The lines of the card: what is done, its result, the bar's share and colour. */
function steps(evidence, row, column, isMasked) {
  const dot = evidence.dot(row, column);
  const largest = evidence.largestDot(row);
  const score = evidence.capped(dot * evidence.facts.scaling);
  const lines = [
    { label: "q · k", value: dot, share: Math.abs(dot) / largest, part: "query" },
    {
      label: evidence.scalingText(format),
      value: dot * evidence.facts.scaling,
      share: Math.abs(dot) / largest,
      part: "query",
    },
  ];
  if (evidence.facts.softcap) {
    lines.push({ label: `cap ± ${format(evidence.facts.softcap)}`, value: score, share: Math.abs(dot) / largest, part: "query" });
  }
  if (evidence.hasBias) {
    const total = evidence.score(row, column);
    lines.push({ label: "+ position bias", value: total, share: Math.abs(total) / (largest * evidence.facts.scaling), part: "query" });
  }
  if (isMasked) return [...lines, { label: "mask", value: -Infinity, share: 0, part: "key" }, weightLine(0)];
  if (evidence.isPartial) return lines;
  const exponential = evidence.exponential(row, column);
  const top = evidence.maxOf(row);
  const shifted = `s ${top < 0 ? "+" : "−"} ${format(Math.abs(top))}`;
  lines.push({ label: `exp(${shifted})`, value: exponential, share: exponential, part: "key" });
  return [...lines, weightLine(evidence.weight(row, column), evidence.sumOf(row))];
}

function weightLine(weight, rowSum = null) {
  const label = rowSum === null ? "÷ row sum" : `÷ row sum ${format(rowSum)}`;
  return { label, value: weight, share: weight, part: "value", isResult: true };
}

function barRow({ label, value, share, part, isResult }, evidence) {
  const fill = element("span", { class: `fill ${part} ${value < 0 ? "negative" : ""}` });
  fill.style.width = `${Math.min(1, share) * 100}%`;
  const number = approximate(value, evidence.isExact);
  return [
    element("span", { class: "name" }, label),
    element("span", { class: "track", "aria-hidden": "true" }, fill),
    element("span", { class: isResult ? "number result" : "number" }, number),
  ];
}

/** One bar a dimension, largest product first. */
function productBars(evidence, row, column) {
  const products = [...evidence.products(row, column)].map((value, dimension) => ({ value, dimension }));
  products.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const largest = Math.abs(products[0].value) || 1;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${products.length} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "products");
  svg.setAttribute("role", "img");
  const names = products.slice(0, 3).map((p) => `dimension ${p.dimension}: ${format(p.value)}`);
  svg.setAttribute("aria-label", `Products by dimension, largest first. ${names.join("; ")}`);
  products.forEach(({ value, dimension }, i) => {
    const bar = svgNode("rect", { x: i + 0.1, width: 0.8, class: value < 0 ? "key" : "query" });
    const height = Math.max(0.6, (Math.abs(value) / largest) * 48);
    bar.setAttribute("y", value < 0 ? 50 : 50 - height);
    bar.setAttribute("height", height);
    bar.append(svgNode("title", {}, `dimension ${dimension}: ${format(value)}`));
    svg.append(bar);
  });
  svg.append(svgNode("line", { x1: 0, x2: products.length, y1: 50, y2: 50, class: "axis" }));
  const legend = element("p", { class: "subtitle" }, `Largest first. ${names.join(" · ")}`);
  return element("div", {}, svg, legend);
}

function svgNode(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}
