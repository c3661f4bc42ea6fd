// The cells of a map: rectangles where there is room, an image of pixels where there is not.

import { codeColours, css, ramp, share } from "./palette.js";

const SMALLEST_RECTANGLE = 7;
const images = new WeakMap();

/** Paint the part of a picture's matrix that its viewport shows. */
export function paintCells(context, picture, theme) {
  const { matrix, box, viewport } = picture;
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.width, box.height);
  context.clip();
  context.imageSmoothingEnabled = false;
  if (matrix.isPooled && !matrix.covers(viewport)) paintBlocks(context, picture, theme);
  if (matrix.isPooled) {
    // Exact cells among blocks would stand out as stronger or weaker than they are.
    const isFine = matrix.covers(viewport) || box.cell * picture.ratio >= 1;
    if (matrix.window && isFine) paintLayer(context, picture, theme, matrix.window);
  } else {
    paintLayer(context, picture, theme, matrix);
  }
  context.restore();
}

function paintLayer(context, picture, theme, layer) {
  if (picture.box.cell >= SMALLEST_RECTANGLE) paintRectangles(context, picture, theme, layer);
  else if (picture.box.cell * picture.ratio >= 1) paintImage(context, picture, theme, layer);
  else paintImage(context, picture, theme, layer, reduced(layer, picture));
}

function paintRectangles(context, picture, theme, layer) {
  const { box, viewport: v, peak, scale } = picture;
  const colours = ramp(theme.sequential).map(css);
  const gap = box.cell >= 12 ? 1 : 0.5;
  const firstRow = Math.max(v.row, layer.row);
  const firstColumn = Math.max(v.column, layer.column);
  const endRow = Math.min(v.row + v.rows, layer.row + layer.rows);
  const endColumn = Math.min(v.column + v.columns, layer.column + layer.columns);
  for (let row = firstRow; row < endRow; row += 1) {
    for (let column = firstColumn; column < endColumn; column += 1) {
      const [i, j] = [row - layer.row, column - layer.column];
      if (layer.isMasked(i, j)) continue;
      context.fillStyle = colours[Math.round(share(layer.value(i, j), peak, scale) * 255)];
      context.fillRect(picture.left(column), picture.top(row), box.cell - gap, box.cell - gap);
    }
  }
}

/** Draw a layer, or a smaller version of it that covers the same cells, as one image. */
function paintImage(context, picture, theme, layer, smaller = layer) {
  const image = imageOf(smaller, theme.sequential, picture);
  context.drawImage(
    image,
    picture.left(layer.column),
    picture.top(layer.row),
    layer.columns * picture.box.cell,
    layer.rows * picture.box.cell,
  );
}

function paintBlocks(context, picture, theme) {
  const { matrix, box } = picture;
  const image = imageOf(matrix[matrix.how], theme.sequential, picture);
  const [width, height] = [matrix.columns * box.cell, matrix.rows * box.cell];
  context.drawImage(image, picture.left(0), picture.top(0), width, height);
}

/** The image of a layer, kept until its colours change. */
function imageOf(layer, stops, { peak, scale }) {
  const name = `${stops.join()} ${peak} ${scale}`;
  const kept = images.get(layer);
  if (kept && kept.name === name) return kept.canvas;
  const canvas = document.createElement("canvas");
  canvas.width = layer.columns;
  canvas.height = layer.rows;
  const data = new ImageData(layer.columns, layer.rows);
  const pixels = new Uint32Array(data.data.buffer);
  const colours = codeColours(layer, stops, peak, scale);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[layer.codes[i]];
  canvas.getContext("2d").putImageData(data, 0, 0);
  images.set(layer, { name, canvas });
  return canvas;
}

const smallerLayers = new WeakMap();

/** Each pixel shows the largest of its cells: a layer with as many cells as there are pixels. */
function reduced(layer, { box, ratio }) {
  const rows = Math.max(1, Math.floor(layer.rows * box.cell * ratio));
  const columns = Math.max(1, Math.floor(layer.columns * box.cell * ratio));
  const kept = smallerLayers.get(layer);
  if (kept && kept.rows === rows && kept.columns === columns) return kept;
  const codes = new layer.codes.constructor(rows * columns);
  for (let i = 0; i < layer.rows; i += 1) {
    const row = Math.floor((i * rows) / layer.rows) * columns;
    for (let j = 0; j < layer.columns; j += 1) {
      const at = row + Math.floor((j * columns) / layer.columns);
      const code = layer.codes[i * layer.columns + j];
      if (code > codes[at]) codes[at] = code;
    }
  }
  const smaller = { rows, columns, codes, levels: layer.levels };
  smallerLayers.set(layer, smaller);
  return smaller;
}
