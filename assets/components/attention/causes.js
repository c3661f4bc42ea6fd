// Attention or cause? For one token: what it looks at, beside what changes it.

import { AgreementPicture, MeasuresPicture, Measured, rhoText } from "./causes_picture.js";
import { choice, element, tokenNode, tokenPicker } from "./dom.js";
import { clamp, counted, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const TEXT_ORDER = "text";
const NEARLY_NONE = 0.3;

export class CausesView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.scroller = element("div", { class: "scroller" });
    this.spacer = element("div");
    this.scroller.append(this.spacer);
    this.frame.body.append(this.scroller);
    this.bars = new MeasuresPicture(this);
    this.stage = this.addStage(new Stage(this, { label: "Measures", description: "bars" }), this.spacer);
    this.scroller.addEventListener("scroll", () => this.stage.repaint(), { passive: true });
    this.buildAgreement();
    this.hovered = -1;
    this.focus = 0;
    this.bind();
  }

  buildAgreement() {
    this.matrix = new AgreementPicture(this);
    this.card = this.frame.sideCard("agreement");
    this.agreementTools = element("div", { class: "tools" });
    this.agreementTools.style.marginTop = "8px";
    this.agreementTable = element("div", { class: "sr" });
    this.finding = element("p", { class: "subtitle fixed" });
    const painter = {
      measure: (context, width) => this.matrix.measure(context, width),
      paint: (context) => this.matrix.paint(context),
      overlay: () => {},
    };
    const label = "Rank correlation of every two measures; the table below has the numbers";
    this.matrixStage = new Stage(painter, { label, role: "img" });
    this.matrixStage.node.removeAttribute("tabindex");
    this.matrixStage.node.style.cursor = "default";
    this.card.append(
      element("h3", { class: "title" }, "Do they agree?"),
      element("p", { class: "subtitle" }, "Spearman's ρ: 1 the same order, 0 none, −1 the reverse."),
      this.agreementTools,
    );
    this.addStage(this.matrixStage, this.card);
    this.matrixStage.node.style.marginTop = "10px";
    this.card.append(this.finding, this.agreementTable);
  }

  show() {
    const { payload, state } = this;
    const offered = `${payload.identity} ${payload.layer} ${payload.head}`;
    if (state.causesOf !== payload.identity || state.query === undefined) state.query = payload.options.selected;
    else if (state.causesFor !== offered && !state.isChosen) state.query = payload.options.selected;
    Object.assign(state, { causesOf: payload.identity, causesFor: offered });
    state.query = clamp(state.query, 0, payload.queries.length - 1);
    state.scope ??= 0;
    state.hidesSpecial ??= false;
    state.sourceOrder ??= TEXT_ORDER;
    state.isMean ??= false;
    this.buildTools();
    this.arrange();
  }

  buildTools() {
    const { payload, state, frame } = this;
    const tools = [
      tokenPicker("Token", payload.queries, state.query, "query", (query) => this.change({ query, isChosen: true })),
      choice("Whose attention", { 0: payload.options.scopes[0], 1: payload.options.scopes[1] }, String(state.scope), (scope) =>
        this.change({ scope: Number(scope) }),
      ),
    ];
    if (payload.keys.isSpecial.size) {
      tools.push(
        choice("Special tokens", { with: "With special tokens", without: "Without" }, state.hidesSpecial ? "without" : "with", (how) =>
          this.change({ hidesSpecial: how === "without" }),
        ),
      );
    }
    frame.tools.replaceChildren(...tools, this.orderPicker(), frame.exportButtons(this.whole()));
    this.agreementTools.replaceChildren(
      choice("Over which tokens", { one: "This token", mean: "Mean of all" }, state.isMean ? "mean" : "one", (which) =>
        this.change({ isMean: which === "mean" }),
      ),
    );
  }

  orderPicker() {
    const { payload, state } = this;
    const select = element("select", { on: { change: () => this.change({ sourceOrder: select.value }) } });
    const choices = [[TEXT_ORDER, "text"]];
    for (const { key, name, maps } of payload.options.measures) if (maps.length) choices.push([key, name]);
    for (const [value, label] of choices) {
      select.append(element("option", { value, selected: value === state.sourceOrder }, label));
    }
    this.orderSelect = select;
    return element("label", { class: "picker" }, element("span", {}, "Order"), select);
  }

  change(change) {
    Object.assign(this.state, change);
    this.arrange();
  }

  arrange() {
    const { payload, state, bars } = this;
    this.measured = new Measured(payload, state);
    const by = payload.options.measures.findIndex(({ key }) => key === state.sourceOrder);
    const sorted = by >= 0 && !this.measured.isMissing(by) ? by : null;
    bars.show(this.measured, this.measured.ordered(sorted), sorted);
    this.matrix.show(this.measured, state.isMean);
    this.hovered = -1;
    this.focus = clamp(this.focus, 0, Math.max(0, bars.order.length - 1));
    this.stage.node.setAttribute("aria-label", `${payload.caption} Arrow keys move over the sources.`);
    this.stage.refresh();
    this.matrixStage.refresh();
    this.tell();
    this.tellAgreement();
    this.fillTables();
  }

  measure(context, width) {
    const height = this.bars.measure(context, width);
    this.spacer.style.height = `${this.bars.total}px`;
    return height;
  }

  paint(context) {
    this.bars.paint(context);
  }

  overlay(context) {
    const { scrollTop } = this.scroller;
    if (this.hovered >= 0) this.bars.overlay(context, this.hovered, this.theme.muted, scrollTop);
    else if (this.hasFocus) this.bars.overlay(context, this.focus, this.theme.query, scrollTop);
  }

  /** Bars and correlations below one another, for a file. */
  whole() {
    const view = this;
    const gap = 28;
    return {
      painter: {
        paint(context) {
          view.bars.paint(context, 0, view.bars.total);
          context.save();
          context.translate(0, view.bars.total + gap);
          context.fillStyle = view.theme.muted;
          context.textAlign = "left";
          context.font = `12px ${view.theme.font}`;
          const { query } = view.measured;
          const whose = view.state.isMean ? "mean over all tokens" : `“${view.payload.queries.display[query]}”`;
          context.fillText(`Spearman's ρ, ${whose}, α of ${view.payload.options.scopes[view.measured.scope]}`, 0, -12);
          view.matrix.paint(context);
          context.restore();
        },
        overlay() {},
      },
      get width() {
        return view.stage.width;
      },
      get height() {
        return view.bars.total + gap + view.matrixStage.height;
      },
    };
  }

  bind() {
    const { node } = this.stage;
    const at = (event) => this.bars.hit(this.stage.point(event), this.scroller.scrollTop);
    node.addEventListener("pointermove", (event) => this.hover(at(event)));
    node.addEventListener("pointerleave", () => this.hover({ row: -1, column: -1 }));
    node.addEventListener("click", (event) => this.click(at(event)));
    node.addEventListener("focus", () => this.setFocus(node.matches(":focus-visible")));
    node.addEventListener("blur", () => this.setFocus(false));
    node.addEventListener("keydown", (event) => this.onKey(event));
  }

  setFocus(hasFocus) {
    this.hasFocus = hasFocus;
    this.stage.hover();
    if (this.measured) this.tell();
  }

  hover({ row, column }) {
    this.stage.node.style.cursor = column >= 0 || (row >= 0 && this.measured.isSelf) ? "pointer" : "default";
    if (row === this.hovered && column === this.hoveredColumn) return;
    this.hovered = row;
    this.hoveredColumn = column;
    this.stage.hover();
    this.tell();
  }

  /** A column's head sorts by it, once more undoes it; a token is asked the same question. */
  click({ row, column }) {
    const { state, bars, payload } = this;
    if (column >= 0 && payload.options.measures[column]?.maps.length) {
      const { key } = payload.options.measures[column];
      this.change({ sourceOrder: state.sourceOrder === key ? TEXT_ORDER : key });
      this.orderSelect.value = state.sourceOrder;
    } else if (row >= 0) this.ask(bars.order[row]);
  }

  ask(key) {
    if (!this.measured.isSelf) return;
    this.change({ query: key, isChosen: true });
    this.buildTools();
  }

  onKey(event) {
    const last = this.bars.order.length - 1;
    const moves = { ArrowUp: this.focus - 1, ArrowDown: this.focus + 1, Home: 0, End: last };
    if (event.key === "Enter" && this.measured.isSelf) this.ask(this.bars.order[this.focus]);
    else if (moves[event.key] === undefined) return;
    else {
      this.focus = clamp(moves[event.key], 0, last);
      this.reveal();
    }
    this.hasFocus = true;
    this.hovered = -1;
    this.stage.hover();
    this.tell();
    this.frame.say(this.frame.readout.textContent);
    event.preventDefault();
  }

  reveal() {
    const { scroller, bars } = this;
    const y = bars.y(this.focus, 0);
    if (y - scroller.scrollTop > bars.height - 30) scroller.scrollTop = y - bars.height + 30;
    if (bars.y(this.focus, scroller.scrollTop) < bars.y(0, 0)) scroller.scrollTop = y - bars.y(0, 0);
  }

  tell() {
    const { frame, bars, measured, payload } = this;
    if (this.hoveredColumn >= 0 && this.hovered < 0) {
      const measure = measured.measures[this.hoveredColumn];
      if (measure) frame.setReadout(element("b", {}, measure.name), `: ${measure.meaning}`);
      return;
    }
    const row = this.hovered >= 0 ? this.hovered : this.hasFocus ? this.focus : -1;
    if (row < 0) {
      const hidden = measured.unseen ? `; ${counted(measured.unseen, "later token")} cannot reach it` : "";
      const ask = measured.isSelf ? " Click a token to ask the same of it." : "";
      frame.setReadout(`${counted(measured.keys.length, "source")} of `, tokenNode(payload.queries.display[measured.query], "query"), `${hidden}.${ask}`);
      return;
    }
    const key = bars.order[row];
    const parts = measured.measures.map(({ short }, m) => {
      const value = measured.value(m, key);
      return value === null ? null : `${short} ${format(value)}`;
    });
    frame.setReadout(
      tokenNode(payload.queries.display[measured.query], "query"),
      element("span", { class: "muted" }, " from "),
      tokenNode(payload.keys.display[key], "key"),
      ` ${parts.filter(Boolean).join(" · ")}`,
    );
  }

  /** Which attention measure comes closest to each cause. */
  tellAgreement() {
    const { measured, state } = this;
    const of = (kind) => measured.measures.map((m, i) => ({ ...m, i })).filter((m) => m.kind === kind);
    const lines = of("cause").map((cause) => {
      const ranked = of("attention")
        .map((m) => ({ ...m, rho: measured.agreement(m.i, cause.i, state.isMean) }))
        .filter((m) => m.rho !== null)
        .sort((a, b) => b.rho - a.rho);
      if (!ranked.length) return null;
      const [{ name, rho }] = ranked;
      return rho < NEARLY_NONE
        ? `${cause.name}: none comes near (${name}, ρ ${rhoText(rho)})`
        : `${cause.name}: ${name} comes closest (ρ ${rhoText(rho)})`;
    });
    const missing = of("cause").find((m) => m.missing);
    const text = lines.filter(Boolean).join("; ");
    const without = missing ? `No causes yet: ${missing.missing}` : "Too few sources to compare.";
    this.finding.textContent = text ? `${text}.` : without;
  }

  fillTables() {
    const { measured, bars, frame, payload, agreementTable, state } = this;
    const names = measured.measures.map((m) => `${m.name} (${m.missing || m.unit})`);
    const rows = bars.order.map((key) => [
      payload.keys.display[key],
      measured.measures.map((_, m) => format(measured.value(m, key))),
    ]);
    const query = payload.queries.display[measured.query];
    frame.table.replaceChildren(numbersTable(`Sources of ${query}`, ["source", ...names], rows));
    const rho = measured.measures.map(({ name }, a) => [
      name,
      measured.measures.map((_, b) => rhoText(measured.agreement(a, b, state.isMean))),
    ]);
    const caption = `Rank correlation, ${state.isMean ? "mean over all tokens" : query}`;
    agreementTable.replaceChildren(numbersTable(caption, ["measure", ...measured.measures.map((m) => m.name)], rho));
  }
}

/** A table for a screen reader. */
function numbersTable(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map(([name, cells]) =>
    element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell))),
  );
  return element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
}
