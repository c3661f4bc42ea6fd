// Every text from one source on one tree, and the finished ones ranked anew at will.

import { button, choice, element } from "./dom.js";
import { format } from "./numbers.js";
import { drawTree, placesOf } from "./text_tree_picture.js";

const MANY = 1500; // nodes beyond which the pruned ones are left out at first
const KINDS = { greedy: "greedily", beam: "by beam search", sample: "another sample" };

export class TextTree {
  /** `on.step(index)` goes to a step of the text shown; `on.fork(wish)` asks the page. */
  constructor(parent, on) {
    this.on = on;
    this.tools = element("div", { class: "tools" });
    this.scroller = element("div", { class: "tree-scroller" });
    this.ranking = element("div", { class: "options" });
    this.say = element("p", { class: "readout" });
    this.node = element(
      "section",
      { class: "text-tree" },
      element("h4", { class: "line-name" }, "What else was written or considered?"),
      element(
        "p",
        { class: "subtitle" },
        "All texts from this source; a column a token. Blue: the text above; dark: other texts; grey: given up by a beam search, with its score so far. A click opens that state.",
      ),
      this.tools,
      this.ranking,
      element(
        "p",
        { class: "subtitle" },
        "Score: log-probability ÷ tokens^length penalty, with a beam's own sums where it searched (after repetition penalty and bans). Keys in the tree: arrows and Enter.",
      ),
      this.scroller,
      this.say,
    );
    parent.append(this.node);
  }

  show(options, state, isStatic) {
    const { tree, shown, isRunning } = options;
    this.node.hidden = !tree;
    if (!tree) return;
    Object.assign(this, { tree, state, isStatic, shown, isRunning });
    this.rows = tree.rows.map((row) => Object.fromEntries(tree.columns.map((name, i) => [name, row[i]])));
    this.names = new Map(tree.texts.map(({ number, name }) => [number, name]));
    if (state.treeOf !== tree.lengthPenalty) Object.assign(state, { treeOf: tree.lengthPenalty, lengthPenalty: tree.lengthPenalty });
    state.pruned ??= this.rows.length > MANY ? "without" : "with";
    this.path = this.pathOf(tree.tip);
    state.node = this.path.includes(state.node) ? state.node : (tree.tip ?? 0);
    this.tools.replaceChildren(...this.writers(), this.penalty(), this.pruning(), ...this.forget());
    this.rank();
    this.draw();
  }

  writers() {
    if (this.isStatic) return [];
    const group = element("div", { class: "choice", role: "group", "aria-label": "Write it also" });
    for (const [kind, words] of Object.entries(KINDS)) {
      group.append(button(words, { tip: `Write a text ${kind === "sample" ? "with another seed" : words} on this tree`, onClick: () => this.on.fork(["write", kind]) }));
    }
    return [element("span", { class: "picker" }, "Write also", group)];
  }

  penalty() {
    const { state } = this;
    const output = element("output", { class: "number" }, format(state.lengthPenalty));
    const slider = element("input", {
      type: "range", min: -1, max: 3, step: 0.05, "aria-label": "Length penalty of the ranking",
      on: {
        input: () => {
          state.lengthPenalty = Number(slider.value);
          output.textContent = format(state.lengthPenalty);
          this.rank();
          this.draw();
        },
      },
    });
    slider.value = state.lengthPenalty;
    return element("label", { class: "picker" }, element("span", {}, "Length penalty"), slider, output);
  }

  pruning() {
    if (!this.rows.some((row) => row.state === "pruned")) return "";
    return choice("Pruned hypotheses", { with: "With pruned", without: "Without" }, this.state.pruned, (pruned) => {
      this.state.pruned = pruned;
      this.draw();
    });
  }

  forget() {
    if (this.isStatic || this.tree.texts.length < 2) return [];
    return [button("Forget the others", { tip: "Keep only the text above", onClick: () => this.on.fork(["only", this.shown.text]) })];
  }

  score({ total, depth }) {
    return total / depth ** this.state.lengthPenalty;
  }

  /** Finished texts, best first; then those that are not. */
  get ranked() {
    const tips = new Set(this.tree.texts.map(({ tip }) => tip));
    const byScore = (a, b) => this.score(b) - this.score(a);
    const finished = this.rows.filter(({ state }) => state === "finished").sort(byScore);
    return [...finished, ...this.rows.filter((row) => row.state === "alive" && tips.has(row.id)).sort(byScore)];
  }

  rank() {
    const { tree, state, ranked } = this;
    const searched = tree.texts.some(({ name }) => name.startsWith("beam"));
    const isOther = state.lengthPenalty !== tree.lengthPenalty;
    const note = isOther && searched ? "Ranked anew, not searched anew: with this penalty a search itself might have ended elsewhere." : "";
    this.ranking.replaceChildren(...ranked.slice(0, 12).map((row, i) => this.text(row, i)));
    if (ranked.length > 12) this.ranking.append(element("p", { class: "subtitle" }, `and ${ranked.length - 12} more in the tree`));
    this.ranking.append(element("p", { class: "what-if-badge other" }, note));
  }

  text(row, i) {
    const words = this.tree.words[row.id] || "(no words)";
    const by = this.writtenBy(row);
    const isHere = row.id === this.tree.tip;
    const node = button("", {
      name: `Rank ${i + 1}, score ${format(this.score(row))}, ${by}: ${words}`,
      pressed: isHere,
      onClick: () => isHere || this.open(row, 0),
    });
    Object.assign(node.dataset, { node: row.id, hypothesis: row.hypothesis ?? "" });
    node.className = isHere ? "ending own" : "ending";
    node.disabled = this.isStatic && !isHere;
    node.append(
      element("span", { class: "number" }, format(this.score(row))),
      element("span", {}, words, element("span", { class: "muted by" }, ` ${by}${row.state === "alive" ? ", not at its end" : ""}`)),
    );
    return node;
  }

  /** Who wrote a text, or considered it. */
  writtenBy(row) {
    if (row.texts.length) return row.texts.map((text) => this.names.get(text)).join(" · ");
    return `${this.names.get(row.text)}, not its best`;
  }

  draw() {
    const { rows, state, path } = this;
    const onPath = new Set(path);
    const shown = rows.filter((row) => state.pruned === "with" || row.state !== "pruned" || onPath.has(row.id));
    this.places = placesOf(shown, onPath);
    const [x, y] = [this.scroller.scrollLeft, this.scroller.scrollTop];
    this.picture = drawTree(shown, rows, {
      places: this.places,
      onPath,
      selected: state.node,
      score: (row) => this.score(row),
      by: (row) => row.texts.filter((text) => this.tree.texts.some((one) => one.number === text && one.tip === row.id)).map((text) => this.names.get(text)),
      words: (row) => this.facts(row),
      isClosed: (row) => this.isStatic && !onPath.has(row.id),
      onClick: (row) => {
        this.select(row.id);
        this.open(row, row.depth - 1);
      },
    });
    this.picture.addEventListener("keydown", (event) => this.key(event));
    this.scroller.replaceChildren(this.picture);
    this.scroller.scrollTo(x, y);
    this.step(this.index ?? 0);
  }

  facts(row) {
    const ended = row.ended ? `, ended (${row.ended})` : "";
    return `${row.token}: log-probability ${format(row.logProb)}, sum ${format(row.total)}, score ${format(this.score(row))}, ${row.state}${ended}`;
  }

  open(row, step) {
    if (this.path.includes(row.id)) {
      if (!this.isRunning) this.on.step(row.depth - 1);
    } else if (!this.isStatic) this.on.fork(["open", row.text, row.hypothesis, step]);
  }

  select(id) {
    this.state.node = id;
    for (const node of this.picture.querySelectorAll("g[data-node]")) {
      const isIt = Number(node.dataset.node) === id;
      node.setAttribute("aria-selected", String(isIt));
      if (isIt) {
        this.picture.setAttribute("aria-activedescendant", node.id);
        node.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    }
    this.say.textContent = this.facts(this.rows[id]);
  }

  key(event) {
    const here = this.rows[this.state.node];
    const column = [...this.places.keys()].map((id) => this.rows[id]).filter(({ depth }) => depth === here.depth);
    column.sort((a, b) => this.places.get(a.id) - this.places.get(b.id));
    const at = column.indexOf(here);
    const children = [...this.places.keys()].filter((id) => this.rows[id].parent === here.id);
    children.sort((a, b) => this.places.get(a) - this.places.get(b));
    const target = {
      ArrowLeft: here.parent,
      ArrowRight: children[0],
      ArrowUp: column[at - 1]?.id,
      ArrowDown: column[at + 1]?.id,
      Home: this.path[0],
      End: this.path.at(-1),
    };
    if (event.key === "Enter" || event.key === " ") this.open(here, here.depth - 1);
    else if (!(event.key in target)) return;
    else if (target[event.key] !== null && target[event.key] !== undefined) this.select(target[event.key]);
    event.preventDefault();
    event.stopPropagation();
  }

  /** Mark where the text above is being looked at. */
  step(index) {
    this.index = index;
    if (!this.picture) return;
    for (const node of this.picture.querySelectorAll("g.now")) node.classList.remove("now");
    const id = this.path[index];
    if (id !== undefined) this.picture.querySelector(`g[data-node="${id}"]`)?.classList.add("now");
  }

  pathOf(tip) {
    const path = [];
    for (let id = tip; id !== null && id !== undefined; id = this.rows[id].parent) path.unshift(id);
    return path;
  }
}
