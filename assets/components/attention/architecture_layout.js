// Where the blocks of the map stand: two columns, bottom up, as in the paper's figure 1.

const NARROW = 560;

/** Sizes in pixels for a width. */
function sizes(width) {
  const isNarrow = width < NARROW;
  return isNarrow
    ? { isNarrow, block: 42, thin: 22, gap: 9, near: 9, between: 12, pad: 5, lane: 9, middle: 16, label: 20, ghost: 2 }
    : { isNarrow, block: 46, thin: 22, gap: 13, near: 11, between: 15, pad: 12, lane: 20, middle: 64, label: 24, ghost: 4 };
}

/** The sub-layers of a side, each a list of block names from the bottom up. */
export function sublayers(blocks, side) {
  const names = Object.keys(blocks).filter((name) => name.split(".").length === 3 && name.startsWith(`${side}.`));
  const found = new Map();
  for (const name of names) {
    const key = name.slice(0, name.lastIndexOf("."));
    found.set(key, [...(found.get(key) || []), name]);
  }
  return [...found.values()];
}

/**
 * Lay the map out.
 *
 * @returns {{width, height, boxes, frames, main, size}} boxes and frames as {x, y, width, height};
 *   `main` holds the x of each column's stream
 */
export function layOut(options, width) {
  const size = sizes(width);
  const column = (width - size.middle) / 2;
  const left = { encoder: 0, decoder: column + size.middle };
  const layout = { width, size, boxes: {}, frames: {}, main: {} };
  const heights = ["encoder", "decoder"].map((side) => {
    const ghosts = Math.min(options.shape[side] - 1, 3);
    const x = left[side] + size.pad + (side === "encoder" ? size.lane : 0);
    const inner = column - 2 * size.pad - size.lane - ghosts * size.ghost;
    layout.main[side] = x + inner / 2;
    return stackUp(layout, options, side, { x, width: inner, left: left[side], column, ghosts });
  });
  layout.height = Math.ceil(Math.max(...heights)) + 2;
  for (const box of [...Object.values(layout.boxes), ...Object.values(layout.frames)]) {
    box.y = layout.height - 1 - box.y - box.height; // until here y went up
  }
  return layout;
}

/** Stack a column from the bottom up; returns its height. */
function stackUp(layout, { blocks }, side, place) {
  const { size, boxes } = layout;
  let y = 0;
  const put = (id, height) => {
    boxes[id] = { x: place.x, y, width: place.width, height };
    y += height;
  };
  for (const name of ["tokens", "embedding", "positions"].map((part) => `${side}.${part}`)) {
    if (!blocks[name]) continue;
    put(name, size.block);
    y += size.gap;
  }
  const bottom = y;
  y += size.between;
  for (const [i, names] of sublayers(blocks, side).entries()) {
    y += i ? size.between : 0;
    names.forEach((name, j) => {
      y += j ? size.near : 0;
      put(name, blocks[name].kind === "thin" ? size.thin : size.block);
    });
  }
  y += size.between;
  const { ghosts } = place;
  layout.frames[side] = {
    x: place.left, y: bottom, width: place.column - ghosts * size.ghost, height: y - bottom, ghosts,
  };
  y += ghosts * size.ghost + size.label;
  if (blocks[`${side}.norm`]) {
    put(`${side}.norm`, size.thin);
    y += size.gap;
  }
  if (side === "encoder") return y + size.gap;
  put("linear", size.block);
  y += size.gap;
  put("softmax", size.block);
  return y + size.gap + size.label;
}
