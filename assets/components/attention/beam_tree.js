// A beam search as a tree: every hypothesis it considered, and the finished ones ranked anew at will.

import { button, choice, element } from "./dom.js";
import { format } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const COLUMN = 92;
const ROW = 19;

export class BeamTree {
  constructor(parent, onHypothesis) {
    this.onHypothesis = onHypothesis;
    this.tools = element("div", { class: "tools" });
    this.scroller = element("div", { class: "tree-scroller", tabindex: 0, role: "region", "aria-label": "Tree of hypotheses" });
    this.ranking = element("div", { class: "options" });
    this.node = element(
      "section",
      { class: "beam-tree" },
      element("h4", { class: "line-name" }, "What did the beam consider?"),
      element("p", { class: "subtitle" }, "A column a token; grey: pruned. The score of a finished text is its log-probability ÷ tokens^length penalty."),
      this.tools,
      this.ranking,
      this.scroller,
    );
    parent.append(this.node);
  }

  show(tree, state, isStatic) {
    this.node.hidden = !tree;
    if (!tree) return;
    Object.assign(this, { tree, state, isStatic });
    this.rows = tree.rows.map((row) => Object.fromEntries(tree.columns.map((name, i) => [name, row[i]])));
    if (state.treeOf !== tree.lengthPenalty) Object.assign(state, { treeOf: tree.lengthPenalty, lengthPenalty: tree.lengthPenalty });
    state.pruned ??= "with";
    const output = element("output", { class: "number" }, format(state.lengthPenalty));
    const slider = element("input", {
      type: "range", min: -1, max: 3, step: 0.05, "aria-label": "Length penalty",
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
    this.tools.replaceChildren(
      choice("Pruned hypotheses", { with: "With pruned", without: "Without" }, state.pruned, (pruned) => {
        state.pruned = pruned;
        this.draw();
      }),
      element("label", { class: "picker" }, element("span", {}, "Length penalty"), slider, output),
    );
    this.rank();
    this.draw();
  }

  score({ total, depth }) {
    return total / depth ** this.state.lengthPenalty;
  }

  get ranked() {
    const finished = this.rows.filter(({ state }) => state === "finished");
    const of = finished.length ? finished : this.rows.filter(({ state }) => state === "alive");
    return of.sort((a, b) => this.score(b) - this.score(a));
  }

  rank() {
    const { tree, state, ranked } = this;
    const note = state.lengthPenalty === tree.lengthPenalty ? "" : "What if: ranked anew, not searched anew; with this penalty the search itself might have ended elsewhere.";
    this.ranking.replaceChildren(
      ...ranked.slice(0, 2 * tree.nBeams).map((hypothesis, i) => this.text(hypothesis, i)),
      element("p", { class: "what-if-badge other" }, note),
    );
    this.best = ranked[0];
  }

  text(hypothesis, i) {
    const words = this.tree.texts[hypothesis.id] || "";
    const node = button("", {
      name: `Rank ${i + 1}, score ${format(this.score(hypothesis))}: ${words}`,
      onClick: () => this.onHypothesis(hypothesis.id),
    });
    node.dataset.hypothesis = hypothesis.id;
    node.className = i ? "hypothesis" : "hypothesis own";
    node.disabled = this.isStatic;
    node.append(element("span", { class: "number" }, format(this.score(hypothesis))), element("span", {}, words));
    return node;
  }

  draw() {
    const { rows, state } = this;
    const shown = rows.filter((row) => state.pruned === "with" || row.state !== "pruned");
    const best = this.pathOf(this.best);
    const place = placed(shown, best);
    const width = COLUMN * (1 + Math.max(...shown.map(({ depth }) => depth), 1));
    const height = ROW * (2 + Math.max(...place.values(), 0));
    const picture = svg("svg", { width, height, role: "img", "aria-label": `${rows.length} hypotheses` });
    const at = (row) => [(row.depth - 1) * COLUMN + 8, place.get(row.id) * ROW + ROW / 2 + 3];
    for (const row of shown) {
      const kind = best.has(row.id) ? "best" : row.state;
      if (row.parent !== null) {
        const [x0, y0] = at(rows[row.parent]);
        const [x, y] = at(row);
        picture.append(svg("path", { class: kind, d: `M${x0 + COLUMN - 22} ${y0} C${x0 + COLUMN - 8} ${y0} ${x - 14} ${y} ${x - 4} ${y}` }));
      }
    }
    for (const row of shown) picture.append(this.label(row, at(row), best.has(row.id) ? "best" : row.state));
    this.scroller.replaceChildren(picture);
  }

  label(row, [x, y], kind) {
    const text = svg("text", { x, y: y + 4, class: kind });
    const token = [...row.token];
    text.textContent = (token.length > 8 ? `${token.slice(0, 8).join("")}…` : row.token) + (row.ended ? " ■" : "");
    const title = svg("title", {});
    title.textContent = `${row.token}: log p ${format(row.log_prob)}, total ${format(row.total)}, rank ${row.rank} of its step, ${row.state}${row.ended ? `, ended (${row.ended})` : ""}`;
    text.append(title);
    return text;
  }

  pathOf(hypothesis) {
    const path = new Set();
    for (let row = hypothesis; row; row = row.parent === null ? null : this.rows[row.parent]) path.add(row.id);
    return path;
  }
}

/** A column for each length: the best text on top, the others in the order of what they continue. */
function placed(rows, best) {
  const place = new Map();
  const byDepth = Map.groupBy(rows, ({ depth }) => depth);
  for (const depth of [...byDepth.keys()].sort((a, b) => a - b)) {
    const key = (row) => [best.has(row.id) ? 0 : 1, place.get(row.parent) ?? 0, row.rank];
    const column = byDepth.get(depth).map((row) => ({ row, key: key(row) }));
    column.sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2]);
    column.forEach(({ row }, i) => place.set(row.id, i));
  }
  return place;
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}
