// The candidates of one step as bars, kept and cut apart, the tail as a bar, and one in a formula.

import { button, element } from "./dom.js";
import { entropyOf, KEPT, MIN_P, shownOf, TOP_K, TOP_P } from "./distribution.js";
import { format } from "./numbers.js";

const SHOWN = 12;

/** Bars of the candidates; `onPick` opens one, `onWrite` writes one instead. */
export class Candidates {
  constructor({ onPick, onWrite }) {
    Object.assign(this, { onPick, onWrite });
    this.summary = element("p", { class: "subtitle candidates-summary" });
    this.list = element("div", { class: "candidates" });
    this.node = element("div", {}, this.summary, this.list);
  }

  show(distribution, context) {
    const { rows, tail } = shownOf(distribution, SHOWN, context.step.id);
    const scale = Math.max(...rows.map((i) => Math.max(distribution.own[i], distribution.chances[i])), tail.own, tail.chance);
    this.context = { ...context, distribution, scale };
    const kept = rows.filter((i) => distribution.cut[i] === KEPT);
    const cut = rows.filter((i) => distribution.cut[i] !== KEPT);
    this.rows = rows;
    this.summary.textContent =
      `${distribution.kept.toLocaleString("en")} of ${distribution.total.toLocaleString("en")} tokens can be chosen · ` +
      `${format(entropyOf(distribution))} bits of choice · solid: chance to be chosen, line: the model's own`;
    this.list.replaceChildren(
      element("h4", { class: "line-name" }, "Kept"),
      ...kept.map((i) => this.row(i)),
      this.tail(tail),
      ...(cut.length ? [element("h4", { class: "line-name" }, "Cut"), ...cut.map((i) => this.row(i))] : []),
    );
  }

  name(id) {
    return this.context.names[id] ?? `#${id}`;
  }

  row(i) {
    const { distribution, step, opened, reasons, isStatic } = this.context;
    const { ids, own, chances, cut, logits } = distribution;
    const id = ids[i];
    const isWritten = id === step.id;
    const reason = reasons[cut[i]];
    const open = button("", {
      name: `${this.name(id)}: chosen with probability ${format(chances[i])}, the model's own ${format(own[i])}${reason ? `; cut: ${reason}` : ""}`,
      pressed: id === opened,
      onClick: () => this.onPick(id),
    });
    open.className = "candidate";
    Object.assign(open.dataset, { id, p: chances[i], own: own[i], logit: logits[i], cut: cut[i] });
    open.append(
      element("span", { class: "tok" }, this.name(id)),
      this.bar(own[i], chances[i]),
      element("span", { class: "number" }, cut[i] === KEPT ? format(chances[i]) : "cut"),
    );
    const write = isWritten
      ? element("span", { class: "written muted" }, step.isForced ? "written by hand" : "written")
      : button("Write this", { tip: "Write this token instead and go on from here", name: `Write ${this.name(id)} instead`, onClick: () => this.onWrite(id) });
    if (isStatic && !isWritten) write.hidden = true;
    const node = element("div", { class: "candidate-row" }, open, write);
    if (reason) node.append(element("span", { class: "reason muted" }, reason));
    return node;
  }

  bar(own, chance) {
    const { scale } = this.context;
    const fill = element("span", { class: "fill query" });
    fill.style.width = `${(100 * chance) / scale}%`;
    const line = element("span", { class: "own" });
    line.style.left = `${(100 * own) / scale}%`;
    return element("span", { class: "track wide" }, fill, line);
  }

  tail(tail) {
    const words = `${tail.count.toLocaleString("en")} others`;
    const node = element(
      "div",
      { class: "candidate tail" },
      element("span", { class: "muted" }, words),
      this.bar(tail.own, tail.chance),
      element("span", { class: "number" }, format(tail.chance)),
    );
    Object.assign(node.dataset, { p: tail.chance, kept: tail.kept, count: tail.count });
    return element(
      "div",
      { class: "candidate-row" },
      node,
      element("span", { class: "written muted" }, `${tail.kept.toLocaleString("en")} kept`),
    );
  }

  /** The same as a table for a screen reader. */
  table(caption) {
    const { distribution, reasons } = this.context;
    const cell = (text) => element("td", {}, text);
    const body = this.rows.map((i) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, this.name(distribution.ids[i])),
        cell(format(distribution.logits[i])),
        cell(format(distribution.own[i])),
        cell(format(distribution.chances[i])),
        cell(reasons[distribution.cut[i]] || "kept"),
      ),
    );
    const heads = ["token", "logit", "the model's probability", "probability to be chosen", "kept or why cut"];
    return element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...body),
    );
  }
}

/** One candidate from logit to probability, with its numbers. */
export function formulaOf(distribution, id, { name, settings, reasons, isLog }) {
  const i = distribution.ids.indexOf(id);
  if (i < 0) return element("p", { class: "subtitle" }, "Its score was not sent: it is far down in the tail.");
  const { logits, penalised, scaled, cut, weights, normaliser, chances, own, largest } = distribution;
  const line = (label, ...parts) =>
    element("div", { class: "formula-line" }, element("span", { class: "muted" }, label), element("span", { class: "number" }, ...parts));
  const lines = [line(isLog ? "log-probability" : "logit", format(logits[i], 4))];
  if (penalised[i] !== logits[i]) {
    const sign = logits[i] < 0 ? "×" : "÷";
    lines.push(line("repetition penalty", `${format(logits[i], 4)} ${sign} ${format(settings.penalty)} = ${format(penalised[i], 4)}`));
  }
  lines.push(line("÷ temperature", `${format(penalised[i], 4)} ÷ ${format(settings.temperature)} = ${format(scaled[i], 4)}`));
  lines.push(...filterLines(distribution, i, settings, reasons).map(([label, words]) => line(label, words)));
  if (cut[i] !== KEPT) {
    lines.push(line("exp", "cut, so its weight is 0"), line("÷ sum over what is kept", `0 ÷ ${format(normaliser, 4)} = 0`));
  } else {
    lines.push(
      line("exp", `e^(${format(scaled[i], 4)} − ${format(largest, 4)}) = ${format(weights[i], 4)}`),
      line("÷ sum over what is kept", `${format(weights[i], 4)} ÷ ${format(normaliser, 4)} = ${format(chances[i], 4)}`),
    );
  }
  lines.push(line("the model's own probability", format(own[i], 4)));
  return element("div", { class: "formula" }, element("p", { class: "tok query" }, name), ...lines);
}

/** What each filter that is on found, in their order; the first that cuts is the last. */
function filterLines({ scaled, cut, filters }, i, settings, reasons) {
  const lines = [];
  const verdict = (reason) => (cut[i] === reason ? "cut" : "kept");
  if (cut[i] !== KEPT && cut[i] < TOP_K) return [["filter", `cut: ${reasons[cut[i]]}`]];
  const passes = (reason) => cut[i] === KEPT || cut[i] >= reason;
  if (filters.topK && passes(TOP_K)) {
    const sign = scaled[i] < filters.topK.limit ? "<" : "≥";
    lines.push([`top-k ${settings.topK.toLocaleString("en")}`, `${format(scaled[i], 4)} ${sign} ${format(filters.topK.limit, 4)}, the last one's: ${verdict(TOP_K)}`]);
  }
  if (filters.topP && passes(TOP_P)) {
    lines.push([`top-p ${format(settings.topP)}`, `those before it make up ${format(filters.topP.before[i], 4)}: ${verdict(TOP_P)}`]);
  }
  if (filters.minP && passes(MIN_P)) {
    const ratio = filters.minP.weights[i];
    lines.push([`min-p ${format(settings.minP)}`, `${format(ratio, 4)} of the best ${ratio < settings.minP ? "<" : "≥"} ${format(settings.minP)}: ${verdict(MIN_P)}`]);
  }
  return lines.length ? lines : [["filter", "none is on: kept"]];
}
