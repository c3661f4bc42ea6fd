// The frame around a picture: question, tools, read-out, proof, and what a screen reader gets.

import { button, element, tokenNode } from "./dom.js";
import { savePng, saveSvg } from "./export.js";
import { readTheme } from "./palette.js";

export class Frame {
  constructor(node, host) {
    this.node = node;
    this.host = host;
    this.title = element("h3", { class: "title" });
    this.subtitle = element("p", { class: "subtitle" });
    this.tools = element("div", { class: "tools" });
    this.body = element("div", { class: "body" });
    this.readout = element("p", { class: "readout" });
    this.notes = element("ul", { class: "notes" });
    this.badge = element("div", { class: "badge" });
    this.tip = element("div", { class: "tip", "aria-hidden": "true" });
    this.side = element("div", { class: "side" });
    this.live = element("div", { class: "sr", "aria-live": "polite" });
    this.table = element("div", { class: "sr" });
    this.card = element(
      "section",
      { class: "card main" },
      element(
        "div",
        { class: "head" },
        element("div", { class: "words" }, this.title, this.subtitle),
        this.tools,
      ),
      this.body,
      this.readout,
      element("div", { class: "foot" }, this.badge, this.notes),
      this.live,
      this.table,
      this.tip,
    );
    this.layout = element("div", { class: "layout" }, this.card, this.side);
    this.probe = element("i", { class: "probe", "aria-hidden": "true" });
    this.node.append(this.layout, this.probe);
    this.onTheme = () => {};
    // A one-millisecond transition on the page's background colour tells of a change of theme.
    this.probe.addEventListener("transitionend", () => {
      this.applyTheme();
      this.onTheme();
    });
  }

  /** Words, colours and proof of a payload. */
  show(payload) {
    this.payload = payload;
    this.title.replaceChildren(payload.title);
    this.subtitle.replaceChildren([payload.subtitle, payload.hint].filter(Boolean).join(" "));
    this.card.setAttribute("aria-label", payload.title);
    this.notes.replaceChildren(...payload.notes.map((note) => element("li", {}, note)));
    this.showBadge(payload.badge);
    this.applyTheme();
  }

  applyTheme() {
    this.theme = readTheme(this.node, this.payload.theme);
    this.node.dataset.theme = this.theme.name;
    for (const [name, value] of Object.entries(this.theme)) {
      if (typeof value === "string" && value.startsWith("#")) {
        this.node.style.setProperty(`--tw-${name}`, value);
      }
    }
  }

  showBadge(badge) {
    this.badge.replaceChildren();
    if (!badge) return;
    const text = `${badge.ok ? "✓" : "✗"} ${badge.text}`;
    const kind = badge.ok ? "proof" : "proof failed";
    if (!badge.details.length) {
      this.badge.append(element("span", { class: kind }, text));
      return;
    }
    const lines = badge.details.map((line) => element("li", {}, line));
    const summary = element("summary", { class: kind, title: "How this was checked" }, text);
    this.badge.append(element("details", {}, summary, element("ul", {}, ...lines)));
  }

  /** Say something to a screen reader, once. */
  say(text) {
    if (this.live.textContent !== text) this.live.textContent = text;
  }

  setReadout(...nodes) {
    this.readout.replaceChildren(...nodes);
  }

  /** The words beside the pointer; no nodes: hide. */
  setTip([x, y], ...nodes) {
    this.tip.classList.toggle("shown", nodes.length > 0);
    if (!nodes.length) return;
    this.tip.replaceChildren(...nodes);
    const card = this.card.getBoundingClientRect();
    const left = Math.min(x - card.left + 14, card.width - this.tip.offsetWidth - 8);
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${y - card.top + 16}px)`;
  }

  hideTip() {
    this.tip.classList.remove("shown");
  }

  /** A card at the side of the picture. */
  sideCard(kind) {
    const card = element("section", { class: `card ${kind}` });
    this.side.append(card);
    return card;
  }

  /** Save the picture as it is now, with title and caption. */
  exportButtons(stage) {
    const one = (label, save) =>
      button(label, {
        tip: `Save this picture as ${label}, with title and caption`,
        name: `Save this picture as ${label}`,
        onClick: () => save(this, stage),
      });
    const group = { class: "choice", role: "group", "aria-label": "Save the picture" };
    return element("div", group, one("PNG", savePng), one("SVG", saveSvg));
  }

  destroy() {
    this.node.replaceChildren();
  }
}

/** "it → animal" in the colours of query and key. */
export function pairNodes(payload, [row, column]) {
  return [
    tokenNode(payload.queries.display[row], "query"),
    element("span", { class: "muted" }, " reads "),
    tokenNode(payload.keys.display[column], "key"),
  ];
}
