// The tree of texts as a drawing: columns of tokens, joined to what they continue.

import { format } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const COLUMN = 132;
const ROW = 20;
const LETTERS = 8;
const LETTER = 7.3;

/** A row for each node: the text shown on top, the others in the order of what they continue. */
export function placesOf(rows, onPath) {
  const places = new Map();
  const byDepth = Map.groupBy(rows, ({ depth }) => depth);
  for (const depth of [...byDepth.keys()].sort((a, b) => a - b)) {
    const order = (row) => [onPath.has(row.id) ? 0 : 1, places.get(row.parent) ?? 0, row.state === "pruned" ? 1 : 0, row.id];
    const column = byDepth.get(depth).map((row) => ({ row, order: order(row) }));
    column.sort((a, b) => a.order.reduce((found, value, i) => found || value - b.order[i], 0));
    column.forEach(({ row }, i) => places.set(row.id, i));
  }
  return places;
}

/** Draw nodes and joints; `view` says how each looks, what it is called and what a click does. */
export function drawTree(shown, rows, view) {
  const { places } = view;
  const width = COLUMN * (1.6 + Math.max(...shown.map(({ depth }) => depth), 1));
  const height = ROW * (1 + Math.max(...places.values(), 0)) + 10;
  const label = `${shown.length} beginnings of texts`;
  const picture = svg("svg", { width, height, role: "tree", tabindex: 0, "aria-label": label });
  const at = (row) => [(row.depth - 1) * COLUMN + 8, places.get(row.id) * ROW + ROW / 2 + 3];
  const joints = svg("g", { role: "presentation" });
  for (const row of shown) {
    if (row.parent === null) continue;
    const [x0, y0] = at(rows[row.parent]);
    const [x, y] = at(row);
    const from = x0 + widthOf(rows[row.parent], view) + 3;
    joints.append(svg("path", { class: kindOf(row, view), d: `M${from} ${y0} L${x - 26} ${y0} C${x - 12} ${y0} ${x - 16} ${y} ${x - 4} ${y}` }));
  }
  picture.append(joints, ...shown.map((row) => node(row, at(row), view)));
  return picture;
}

function kindOf(row, { onPath }) {
  if (onPath.has(row.id)) return "path";
  return row.state === "pruned" ? "pruned" : "other";
}

function tokenOf(row) {
  const letters = [...row.token];
  return (letters.length > LETTERS ? `${letters.slice(0, LETTERS - 1).join("")}…` : row.token) + (row.ended ? " ■" : "");
}

function sideOf(row, view) {
  const by = view.by(row);
  if (by.length) return by.map((name) => name.split(",")[0]).join(" · ");
  return row.state === "pruned" || row.state === "finished" ? format(view.score(row)) : "";
}

function widthOf(row, view) {
  const side = sideOf(row, view);
  return LETTER * [...tokenOf(row)].length + (side ? 6 + 6.2 * side.length : 0);
}

function node(row, [x, y], view) {
  const kind = kindOf(row, view);
  const isClosed = view.isClosed(row);
  const group = svg("g", {
    class: `${kind}${isClosed ? " closed" : ""}`,
    role: "treeitem",
    id: `node-${row.id}`,
    "data-node": row.id,
    "aria-level": row.depth,
    "aria-selected": row.id === view.selected,
    "aria-label": view.words(row),
  });
  const title = svg("title", {});
  title.textContent = view.words(row);
  const token = tokenOf(row);
  const text = svg("text", { x, y: y + 4 });
  text.textContent = token;
  const back = svg("rect", { x: x - 4, y: y - 9, width: LETTER * [...token].length + 8, height: 18, rx: 4 });
  group.append(title, back, text);
  const side = sideOf(row, view);
  if (side) {
    const small = svg("text", { x: x + LETTER * [...token].length + 7, y: y + 4, class: "side-note" });
    small.textContent = side;
    group.append(small);
  }
  if (!isClosed) group.addEventListener("click", () => view.onClick(row));
  return group;
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
