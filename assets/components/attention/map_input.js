// Pointer and keyboard on a map: hover, pick, move, zoom, pan.

const PAGE = 10;
const CLICK_DISTANCE = 4;

const MOVES = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-PAGE, 0],
  PageDown: [PAGE, 0],
};

/** Wire a view that has `stage`, `picture`, `matrix`, `select`, `hover`, `zoom`, `moved`, `commit`. */
export function bindMap(view) {
  const { node } = view.stage;
  node.addEventListener("keydown", (event) => onKey(view, event));
  node.addEventListener("wheel", (event) => onWheel(view, event), { passive: false });
  node.addEventListener("pointerleave", () => view.hover(null));
  node.addEventListener("pointerdown", (event) => startDrag(view, event));
  node.addEventListener("pointermove", (event) => {
    if (view.drag) onDrag(view, event);
    else view.hover(view.picture.hit(view.stage.point(event)), event);
  });
  node.addEventListener("pointerup", (event) => endDrag(view, event));
  node.addEventListener("pointercancel", () => {
    view.drag = null;
  });
  node.addEventListener("dblclick", () => view.commit());
}

function onKey(view, event) {
  const target = targetOf(view, event);
  if (target) view.select(target, { reveal: true, say: true });
  else if (event.key === "Enter") view.commit();
  else if (event.key === "+" || event.key === "=") view.zoom(2);
  else if (event.key === "-") view.zoom(0.5);
  else if (event.key === "0") view.zoom(0);
  else return;
  event.preventDefault();
}

/** The cell that a key leads to, or null for other keys. */
function targetOf(view, event) {
  if (event.altKey || event.metaKey) return null;
  const { rows, columns } = view.matrix;
  const [row, column] = view.state.selected;
  if (event.key === "Home") return [event.ctrlKey ? 0 : row, 0];
  if (event.key === "End") return [event.ctrlKey ? rows - 1 : row, columns - 1];
  const move = MOVES[event.key];
  if (!move) return null;
  return [
    Math.min(Math.max(row + move[0], 0), rows - 1),
    Math.min(Math.max(column + move[1], 0), columns - 1),
  ];
}

function onWheel(view, event) {
  if (!event.ctrlKey) return;
  const cell = view.picture.hit(view.stage.point(event));
  if (!cell) return;
  event.preventDefault();
  view.zoom(event.deltaY < 0 ? 1.25 : 0.8, cell);
}

function startDrag(view, event) {
  if (event.button !== 0) return;
  const point = view.stage.point(event);
  const cell = view.picture.hit(point);
  if (!cell) return;
  view.drag = { point, cell, viewport: view.picture.viewport, isMoved: false };
  view.stage.node.setPointerCapture(event.pointerId);
}

function onDrag(view, event) {
  const { drag, picture } = view;
  const [x, y] = view.stage.point(event);
  const [dx, dy] = [x - drag.point[0], y - drag.point[1]];
  if (Math.hypot(dx, dy) > CLICK_DISTANCE) drag.isMoved = true;
  if (!drag.isMoved || !picture.isZoomed) return;
  view.hover(null);
  const { cell } = picture.box;
  picture.show({
    ...drag.viewport,
    row: drag.viewport.row - Math.round(dy / cell),
    column: drag.viewport.column - Math.round(dx / cell),
  });
  view.stage.repaint();
}

function endDrag(view, event) {
  const { drag } = view;
  view.drag = null;
  if (!drag) return;
  if (drag.isMoved && view.picture.isZoomed) {
    view.moved();
    return;
  }
  view.select(drag.cell);
  view.hover(drag.cell, event);
}
