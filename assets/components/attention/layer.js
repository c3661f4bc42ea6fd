// Inside a layer: the walk along the residual stream, and the tensor that is open beside it.

import { element, tokenPicker } from "./dom.js";
import { LayerPicture } from "./layer_picture.js";
import { LayerSheet } from "./layer_sheet.js";
import { clamp, format } from "./numbers.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 6, PageUp: -6 };

export class LayerView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    this.frame.layout.classList.add("even");
    this.frame.side.classList.add("sticky");
    this.stage = this.addStage(new Stage(this, { label: "Walk", description: "diagram" }));
    this.sheet = new LayerSheet(this, this.frame.sideCard("open"));
    this.stages.push(this.sheet.stage);
    this.listen();
  }

  show() {
    const { payload, state } = this;
    if (state.identity !== payload.identity) {
      Object.assign(state, { identity: payload.identity, token: payload.options.token, sheet: null });
    }
    state.token = clamp(state.token ?? 0, 0, payload.queries.length - 1);
    state.at ??= payload.options.open.id;
    if (state.open !== payload.options.open.id) state.sheet = null;
    state.open = payload.options.open.id;
    this.picture = new LayerPicture(payload);
    const picker = tokenPicker("Token", payload.queries, state.token, "query", (token) => {
      state.token = token;
      state.sheet = [token, state.sheet ? state.sheet[1] : 0];
      this.sheet.show();
      this.stage.repaint();
      this.fillTable();
    });
    this.frame.tools.replaceChildren(picker, this.frame.exportButtons(this.stage));
    if (this.host.isStatic) this.frame.subtitle.replaceChildren(payload.subtitle);
    this.stage.node.setAttribute("aria-label", `${payload.title} ${payload.caption}`);
    this.stage.refresh();
    this.sheet.show();
    this.setReadout();
    if (this.isOpening) this.showOpened();
    (window.requestIdleCallback || setTimeout)(() => this.fillTable());
  }

  /** On a phone the open tensor stands below the walk: bring it into sight. */
  showOpened() {
    this.isOpening = false;
    const { side } = this.frame;
    if (side.getBoundingClientRect().top > window.innerHeight - 120) {
      side.scrollIntoView({ block: "nearest" });
    }
  }

  listen() {
    const { node } = this.stage;
    node.addEventListener("keydown", (event) => this.onKey(event));
    node.addEventListener("pointermove", (event) => this.hover(this.picture.hit(this.stage.point(event)), event));
    node.addEventListener("pointerleave", () => this.hover(null));
    node.addEventListener("click", (event) => {
      const target = this.picture.hit(this.stage.point(event));
      if (target) this.pick(target);
    });
  }

  onKey(event) {
    const { targets } = this.picture;
    const index = Math.max(0, targets.findIndex((target) => target.id === this.state.at));
    let next = null;
    if (event.key in STEPS) next = clamp(index + STEPS[event.key], 0, targets.length - 1);
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = targets.length - 1;
    else if (event.key === "Enter" || event.key === " ") this.pick(targets[index]);
    else return;
    event.preventDefault();
    if (next === null) return;
    this.state.at = targets[next].id;
    this.stage.hover();
    this.setReadout();
    this.frame.say(this.sentence(targets[next]));
    this.reveal(targets[next]);
  }

  /** Keyboard steps stay in sight. */
  reveal(target) {
    const top = this.stage.node.getBoundingClientRect().top + target.box.y;
    if (top > 60 && top + target.box.height < window.innerHeight) return;
    const mark = element("i", { class: "mark" });
    Object.assign(mark.style, { position: "absolute", top: `${target.box.y - 40}px`, height: `${target.box.height + 80}px` });
    this.stage.node.append(mark);
    mark.scrollIntoView({ block: "nearest" });
    mark.remove();
  }

  /** Open a tensor large, or show a head's q, k and v. */
  pick(target) {
    this.state.at = target.id;
    this.stage.hover();
    this.setReadout();
    if (this.host.isStatic) return; // a saved page: nobody computes another tensor
    if (target.head !== undefined) this.host.trigger("head", [this.payload.layer, target.head]);
    else {
      this.isOpening = true;
      this.host.trigger("open", target.id);
    }
  }

  hover(target, event) {
    this.hovered = target;
    this.stage.node.style.cursor = target ? "pointer" : "default";
    if (target) this.frame.setTip([event.clientX, event.clientY], this.sentence(target));
    else this.frame.hideTip();
    this.stage.hover();
  }

  setReadout() {
    const target = this.picture.targets.find((one) => one.id === this.state.at);
    this.frame.setReadout(target ? this.sentence(target) : "");
  }

  sentence(target) {
    const { picture, state } = this;
    if (target.head !== undefined) {
      const norm = picture.writes(target.block, target.head, state.token);
      return `Head ${target.head} writes ${format(norm)} at ${this.tokenName()} (length of z W_O).`;
    }
    const { station } = target;
    const [rows, columns] = station.shape;
    const where = station.rows === "query" ? `at ${this.tokenName()}` : "on average";
    const norm = `norm ${format(picture.norm(target.index, state.token))} ${where}`;
    return `${station.name}: ${station.words}. ${rows} × ${columns}, ${norm}, largest entry ${format(station.peak)}.`;
  }

  tokenName() {
    return `“${this.payload.queries.display[this.state.token]}”`;
  }

  /** Every station with its shape and norm, and the neurons, for a screen reader. */
  fillTable() {
    const { picture, state } = this;
    const row = (...cells) => element("tr", {}, ...cells.map((text, i) =>
      element(i ? "td" : "th", i ? {} : { scope: "row" }, text)));
    const body = element("tbody");
    for (const target of picture.targets) {
      if (target.head !== undefined) continue;
      const { name, words, shape } = target.station;
      body.append(row(name, words, shape.join(" × "), format(picture.norm(target.index, state.token))));
    }
    const names = ["tensor", "what it is", "shape", `norm at ${this.tokenName()}`];
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
    const neurons = picture.neurons(state.token).map(({ name, value }) => `${name} ${format(value)}`);
    this.frame.table.replaceChildren(
      element("table", {}, element("caption", {}, this.payload.caption), element("thead", {}, head), body),
      element("p", {}, `Most active neurons at ${this.tokenName()}: ${neurons.join(", ")}`),
    );
  }

  measure(context, width) {
    return this.picture.measure(context, this.theme, width);
  }

  paint(context) {
    this.picture.paint(context, this.theme, this.state);
  }

  overlay(context) {
    this.picture.overlay(context, this.theme, this.state, this.hovered);
  }
}
