// Head cards: which heads have a clear role?

import { CardsPicture, HeadCards } from "./cards_picture.js";
import { button, element } from "./dom.js";
import { clamp, counted, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const CARD_ORDERS = {
  layer: "layer and head",
  role: "role",
  score: "role score",
  entropy: "entropy, sharpest first",
  distance: "distance, nearest first",
};
const ALL_ROLES = "all";
const NO_ROLE = "none";

export class CardsView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.scroller = element("div", { class: "scroller" });
    this.spacer = element("div");
    this.scroller.append(this.spacer);
    this.frame.body.append(this.scroller);
    this.picture = new CardsPicture(this);
    this.stage = this.addStage(new Stage(this, { label: "Head cards", description: "cards" }), this.spacer);
    this.stage.node.style.cursor = "pointer";
    this.scroller.addEventListener("scroll", () => this.stage.repaint(), { passive: true });
    this.detail = this.frame.sideCard("detail");
    this.hovered = -1;
    this.bind();
  }

  show() {
    const { payload, state } = this;
    this.cards = new HeadCards(payload);
    state.cardRole ??= ALL_ROLES;
    state.cardOrder ??= "role";
    if (state.cardRole !== ALL_ROLES && state.cardRole !== NO_ROLE && !this.cards.roles[this.asked]) {
      state.cardRole = ALL_ROLES;
    }
    this.selected = payload.options.selected || [0, 0];
    this.frame.tools.replaceChildren(this.rolePicker(), this.orderPicker(), this.frame.exportButtons(this.whole()));
    this.stage.node.setAttribute("aria-label", `${payload.caption} Arrow keys move, Enter opens a head.`);
    this.arrange();
  }

  /** The role that is asked for: its number, -1 for heads without one, null for all. */
  get asked() {
    const { cardRole } = this.state;
    if (cardRole === ALL_ROLES) return null;
    return cardRole === NO_ROLE ? -1 : this.cards.roles.findIndex((role) => role.name === cardRole);
  }

  rolePicker() {
    const { cards, state } = this;
    const count = (role) => cards.ordered(role, "layer").length;
    const choices = [[ALL_ROLES, `all heads (${cards.all.length})`]];
    cards.roles.forEach(({ name, texts }, role) => {
      if (texts) choices.push([name, `${name} (${count(role)})`]);
    });
    choices.push([NO_ROLE, `no clear role (${count(-1)})`]);
    return cardsPicker("Show", choices, state.cardRole, (value) => this.change({ cardRole: value }));
  }

  orderPicker() {
    const choices = Object.entries(CARD_ORDERS).filter(([key]) => key !== "distance" || this.hasDistance);
    return cardsPicker("Sort by", choices, this.state.cardOrder, (value) => this.change({ cardOrder: value }));
  }

  get hasDistance() {
    return this.cards.fact([0, 0]).distance !== undefined;
  }

  change(change) {
    Object.assign(this.state, change);
    this.scroller.scrollTop = 0;
    this.arrange();
  }

  /** Filter and sort; where no head plays the role clearly, show who comes nearest, and say so. */
  arrange() {
    const { cards, picture, state } = this;
    const role = this.asked !== null && this.asked >= 0 ? this.asked : null;
    let order = cards.ordered(this.asked, state.cardOrder);
    this.isNearest = !order.length && role !== null;
    if (this.isNearest) {
      order = cards.all.filter((at) => cards.score(at, role));
      order.sort((a, b) => cards.score(b, role).score - cards.score(a, role).score);
      order = order.slice(0, 6);
    }
    picture.show(cards, order, role);
    this.hovered = -1;
    this.focus = Math.max(0, this.selectedIndex);
    this.stage.refresh();
    this.tell();
    this.fillTable();
  }

  get selectedIndex() {
    return this.picture.order.findIndex((at) => String(at) === String(this.selected));
  }

  /** The card that is looked at: under the pointer, at the keyboard's place, else the picked head. */
  get active() {
    const { order } = this.picture;
    if (this.hovered >= 0) return order[this.hovered];
    if (this.hasFocus || this.isTapped) return order[this.focus] || this.selected;
    return this.selected;
  }

  repaint() {
    super.repaint();
    this.told = null;
    if (this.cards) this.tell();
  }

  measure(context, width) {
    const height = this.picture.measure(context, width);
    this.spacer.style.height = `${this.picture.total}px`;
    return height;
  }

  paint(context) {
    this.picture.paint(context);
  }

  overlay(context) {
    const { picture, theme } = this;
    const offset = this.scroller.scrollTop;
    picture.outline(context, this.selectedIndex, theme.text, 2, offset);
    if (this.hovered >= 0) picture.outline(context, this.hovered, theme.query, 2, offset);
    else if (this.hasFocus || this.isTapped) picture.outline(context, this.focus, theme.query, 2, offset);
  }

  /** All cards, for a file: what the screen shows a part of. */
  whole() {
    const view = this;
    return {
      painter: {
        paint: (context) => view.picture.paint(context, 0, Infinity),
        overlay: (context) => view.picture.outline(context, view.selectedIndex, view.theme.text, 2, 0),
      },
      get width() {
        return view.stage.width;
      },
      get height() {
        return view.picture.total;
      },
    };
  }

  bind() {
    const { node } = this.stage;
    const at = (event) => this.picture.hit(this.stage.point(event), this.scroller.scrollTop);
    node.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") this.hover(at(event));
    });
    node.addEventListener("pointerleave", () => this.hover(-1));
    node.addEventListener("click", (event) => this.click(at(event), event.pointerType));
    node.addEventListener("focus", () => this.setFocus(node.matches(":focus-visible")));
    node.addEventListener("blur", () => this.setFocus(false));
    node.addEventListener("keydown", (event) => this.onKey(event));
  }

  setFocus(hasFocus) {
    this.hasFocus = hasFocus;
    this.changed();
  }

  hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.changed();
  }

  changed() {
    this.stage.hover();
    if (this.cards) this.tell();
  }

  /** A click opens the head; a first tap, which cannot hover, shows it. */
  click(index, pointer) {
    if (index < 0) return;
    if (pointer === "touch" && !(this.isTapped && this.focus === index)) {
      Object.assign(this, { isTapped: true, focus: index, hovered: -1 });
      this.changed();
      return;
    }
    this.open(this.picture.order[index]);
  }

  open(at) {
    this.host.trigger("head", at);
  }

  onKey(event) {
    const { picture } = this;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -picture.columns, ArrowDown: picture.columns };
    const last = picture.order.length - 1;
    if (steps[event.key] !== undefined) this.focus = clamp(this.focus + steps[event.key], 0, last);
    else if (event.key === "Home") this.focus = 0;
    else if (event.key === "End") this.focus = last;
    else if ((event.key === "Enter" || event.key === " ") && picture.order[this.focus]) {
      this.open(picture.order[this.focus]);
      event.preventDefault();
      return;
    } else return;
    this.hasFocus = true;
    this.hovered = -1;
    this.reveal();
    this.changed();
    this.frame.say(this.cards.describe(this.active));
    event.preventDefault();
  }

  reveal() {
    const { scroller, picture } = this;
    const top = picture.corner(this.focus)[1];
    if (top < scroller.scrollTop) scroller.scrollTop = top - 8;
    const bottom = picture.corner(this.focus + picture.columns)[1];
    if (bottom > scroller.scrollTop + picture.height) scroller.scrollTop = bottom - picture.height;
  }

  tell() {
    const { frame, picture, cards } = this;
    let text = `${counted(picture.order.length, "head")} shown. Point at a card for all its scores.`;
    if (this.isNearest) {
      text = `No head plays the role “${this.state.cardRole}” clearly. These come nearest.`;
    } else if (!picture.order.length) text = "No head here is without a clear role.";
    frame.setReadout(text);
    const at = this.active;
    const isSame = this.told && this.told[0] === cards && String(this.told[1]) === String(at);
    if (!isSame) this.detail.replaceChildren(...detailNodes(cards, at, this.theme.sequential[4], () => this.open(at)));
    this.told = [cards, at];
  }

  fillTable() {
    const { cards, picture, frame, payload } = this;
    const body = element("tbody");
    for (const at of picture.order) {
      body.append(element("tr", {}, element("td", {}, cards.describe(at))));
    }
    frame.table.replaceChildren(element("table", {}, element("caption", {}, payload.caption), body));
  }
}

/** Everything that is known about one head. */
function detailNodes(cards, at, colour, open) {
  const clear = cards.clearOf(at);
  const facts = cards.fact(at);
  const name = `L${at[0]} H${at[1]}`;
  const bars = element("div", { class: "bars" });
  cards.roles.forEach((role, index) => {
    const score = cards.score(at, index);
    if (score) bars.append(...scoreRow(cards, at, score, clear.includes(index), colour));
  });
  const distance = facts.distance === undefined ? "" : ` · mean distance ${format(facts.distance)} tokens`;
  const on = cards.isAlone ? "On this text alone" : "On the probe set: mean ± spread over texts";
  return [
    element("h3", { class: "title" }, `${name}: ${clear.length ? cards.roles[clear[0]].name : "no clear role"}`),
    element("p", { class: "subtitle" }, meaningOf(cards, clear)),
    bars,
    element("p", { class: "subtitle" }, `${on}; tick: shuffled.`),
    element("p", { class: "subtitle" }, `On this text: entropy ${format(facts.entropy)} of ${format(cards.bits)} bits${distance}.`),
    button(`Open ${name}`, { onClick: open }),
  ];
}

function meaningOf(cards, clear) {
  if (!clear.length) return "None of these roles describes it. That is an answer, not a gap.";
  const [first, ...others] = clear;
  const also = others.map((role) => cards.roles[role].name).join(", ");
  const { material, meaning } = cards.roles[first];
  const where = material === "repeats" ? " Seen on random words said twice." : "";
  return `${meaning}${where}${also ? ` Also: ${also}.` : ""}`;
}

function scoreRow(cards, at, { role, score, baseline }, isClear, colour) {
  const { name, meaning } = cards.roles[role];
  const fill = element("span", { class: "fill" });
  fill.style.cssText = `width:${Math.min(1, score) * 100}%;background:${isClear ? colour : "var(--tw-muted)"};opacity:${isClear ? 1 : 0.45}`;
  const tick = element("span", { class: "tick" });
  tick.style.left = `${Math.min(1, baseline) * 100}%`;
  return [
    element("span", { class: `name ${isClear ? "result" : ""}`, title: meaning }, name),
    element("span", { class: "track ticked", "aria-hidden": "true" }, fill, tick),
    element(
      "span",
      { class: isClear ? "number result" : "number", title: `shuffled: ${format(baseline)}` },
      cards.scoreText(at, role),
    ),
  ];
}

function cardsPicker(label, choices, value, onPick) {
  const select = element("select", { on: { change: () => onPick(select.value) } });
  for (const [key, text] of choices) {
    select.append(element("option", { value: key, selected: key === value }, text));
  }
  return element("label", { class: "picker" }, element("span", {}, label), select);
}
