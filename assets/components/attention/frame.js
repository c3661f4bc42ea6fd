// The frame around a picture: question, tools, read-out, proof, and what a screen reader gets.

import { button, element, tokenNode } from "./dom.js";
import { readTheme } from "./palette.js";
import { wrapped } from "./stage.js";

const EXPORT_SCALE = 2;

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
      element("div", { class: "head" }, this.title, this.tools),
      this.subtitle,
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
    this.subtitle.replaceChildren(payload.subtitle);
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

  pngButton(stage) {
    return button("PNG", {
      tip: "Save this picture as PNG, with title and caption",
      name: "Save this picture as PNG",
      onClick: () => this.savePng(stage),
    });
  }

  /** The picture as it is now, with title above and caption below. */
  toCanvas(stage) {
    const { theme, payload } = this;
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const width = Math.max(stage.width, 420);
    context.font = `12px ${theme.font}`;
    const lines = wrapped(context, payload.caption, width - 32);
    const top = payload.subtitle ? 62 : 44;
    canvas.width = (width + 32) * EXPORT_SCALE;
    canvas.height = (stage.height + top + 24 + lines.length * 16) * EXPORT_SCALE;
    context.scale(EXPORT_SCALE, EXPORT_SCALE);
    context.fillStyle = theme.card;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.textBaseline = "middle";
    context.fillStyle = theme.text;
    context.font = `bold 16px ${theme.font}`;
    context.fillText(payload.title, 16, 24);
    context.fillStyle = theme.muted;
    context.font = `12px ${theme.font}`;
    context.fillText(payload.subtitle, 16, 46);
    lines.forEach((line, i) => context.fillText(line, 16, top + stage.height + 20 + i * 16));
    context.translate(16, top);
    stage.painter.paint(context);
    stage.painter.overlay(context);
    return canvas;
  }

  savePng(stage) {
    this.toCanvas(stage).toBlob((blob) => {
      const place = [this.payload.view, this.payload.model, this.payload.layer, this.payload.head];
      const name = place.filter((part) => part !== null && part !== "").join("-");
      const url = URL.createObjectURL(blob);
      const link = element("a", { href: url, download: `${name.replace(/[^\w.-]+/g, "_")}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
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
