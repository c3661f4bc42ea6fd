// The map of the Transformer, painted: blocks with their numbers, the stream, and who reads whom.

import { levelsOf } from "./decode.js";
import { sublayers, layOut } from "./architecture_layout.js";
import { format } from "./numbers.js";
import { ramp } from "./palette.js";
import { fitted } from "./stage.js";

const ARROW = 4;
const THUMB_MARGIN = 5;
const BARS_WIDTH = 74;
const RADIUS = 6;

/** Paints a payload with the layers that are chosen. `view` gives payload, theme and state. */
export class ArchitecturePicture {
  constructor(view) {
    this.view = view;
    this.spots = {};
  }

  measure(_, width) {
    this.layout = layOut(this.view.payload.options, width);
    this.spots = Object.fromEntries(
      Object.keys(this.view.payload.options.blocks)
        .filter((id) => this.layout.boxes[id])
        .map((id) => [id, { ...this.layout.boxes[id], label: this.view.sentence(id) }]),
    );
    return [this.layout.width, this.layout.height];
  }

  paint(context) {
    this.context = context;
    for (const side of ["encoder", "decoder"]) this.frame(side);
    this.cross();
    for (const side of ["encoder", "decoder"]) this.stream(side);
    for (const id of Object.keys(this.spots)) this.block(id);
    this.written();
    this.legend();
  }

  overlay() {}

  // -- stacks ---------------------------------------------------------------------------------

  frame(side) {
    const { context, layout, view } = this;
    const { theme } = view;
    const { x, y, width, height, ghosts } = layout.frames[side];
    for (let i = ghosts; i >= 0; i -= 1) {
      const shift = i * layout.size.ghost;
      context.beginPath();
      context.roundRect(x + shift, y - shift, width, height, 10);
      context.fillStyle = i ? theme.card : theme.track;
      context.fill();
      context.strokeStyle = theme.border;
      context.lineWidth = 1;
      context.stroke();
    }
    const n = view.payload.options.shape[side];
    const name = side === "encoder" ? "Encoder" : "Decoder";
    const layer = `here L${view.state.layers[side]}`;
    const at = y - ghosts * layout.size.ghost - layout.size.label / 2 + 1;
    const isOuterLeft = side === "encoder";
    context.textAlign = isOuterLeft ? "left" : "right";
    context.textBaseline = "middle";
    context.font = `bold 12px ${theme.font}`;
    context.fillStyle = theme.text;
    const edge = isOuterLeft ? x + 2 : x + width + ghosts * layout.size.ghost - 2;
    const label = layout.size.isNarrow ? `${n} ×` : `${name}, ${n} ×`;
    context.fillText(label, edge, at);
    const room = context.measureText(label).width + 7;
    context.font = `${layout.size.isNarrow ? 10.5 : 12}px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.fillText(layer, isOuterLeft ? edge + room : edge - room, at);
  }

  // -- lines ----------------------------------------------------------------------------------

  /** The residual stream of a column, its skips, and what enters attention. */
  stream(side) {
    const { layout, view } = this;
    const { blocks } = view.payload.options;
    const x = layout.main[side];
    const order = Object.keys(blocks).filter((id) => layout.boxes[id] && this.columnOf(id) === side);
    for (let i = 1; i < order.length; i += 1) {
      const [below, above] = [layout.boxes[order[i - 1]], layout.boxes[order[i]]];
      const from = below.y;
      const to = above.y + above.height;
      if (blocks[order[i]].kind === "attention") this.queryKeyValue(order[i], x, from, to);
      else this.arrow([[x, from], [x, to]], view.theme.muted);
    }
    for (const names of sublayers(blocks, side)) this.skip(side, names);
  }

  columnOf(id) {
    return id.startsWith("encoder") ? "encoder" : "decoder";
  }

  queryKeyValue(id, x, from, to) {
    const { theme } = this.view;
    const spread = this.layout.size.isNarrow ? 14 : 24;
    if (id.includes("cross")) {
      this.arrow([[x, from], [x, to]], theme.query);
      return;
    }
    this.arrow([[x - spread, from], [x - spread, to]], theme.query);
    this.arrow([[x, from], [x, to]], theme.key);
    this.arrow([[x + spread, from], [x + spread, to]], theme.value);
  }

  /** What came in goes around the sub-layer, to where it is added. */
  skip(side, names) {
    const { layout, view } = this;
    const { size } = layout;
    const first = layout.boxes[names[0]];
    const add = layout.boxes[names.find((name) => name.endsWith(".add"))];
    const isLeft = side === "encoder";
    const lane = isLeft ? first.x - size.lane / 2 - 1 : first.x + first.width + size.lane / 2 + 1;
    const start = first.y + first.height + size.between / 2 + 1;
    const y = add.y + add.height / 2;
    const edge = isLeft ? add.x : add.x + add.width;
    this.arrow([[layout.main[side], start], [lane, start], [lane, y], [edge, y]], view.theme.muted);
  }

  /** Keys and values go from the encoder's end to the cross-attention of every decoder layer. */
  cross() {
    const { layout, view } = this;
    const target = layout.boxes["decoder.cross.block"];
    const from = layout.boxes["encoder.norm"] || layout.frames.encoder;
    if (!target) return;
    const x = layout.main.encoder;
    const top = from.y - layout.size.gap;
    const middle = layout.frames.encoder.x + layout.width / 2;
    for (const [i, colour] of [view.theme.key, view.theme.value].entries()) {
      const shift = i ? 4 : -4;
      const into = target.y + target.height / 2 + shift;
      const points = [[x + shift, from.y], [x + shift, top - shift], [middle - shift, top - shift], [middle - shift, into], [target.x, into]];
      this.arrow(points, colour);
    }
  }

  arrow(points, colour) {
    const { context } = this;
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = 1.4;
    context.lineJoin = "round";
    const [x, y] = points[points.length - 1];
    const [px, py] = points[points.length - 2];
    const [dx, dy] = [Math.sign(x - px), Math.sign(y - py)];
    context.beginPath();
    points.forEach(([a, b], i) => (i ? context.lineTo(a, b) : context.moveTo(a, b)));
    context.stroke();
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - dx * ARROW - dy * ARROW * 0.7, y - dy * ARROW - dx * ARROW * 0.7);
    context.lineTo(x - dx * ARROW + dy * ARROW * 0.7, y - dy * ARROW + dx * ARROW * 0.7);
    context.closePath();
    context.fill();
  }

  // -- blocks ---------------------------------------------------------------------------------

  block(id) {
    const { context, layout, view } = this;
    const { theme } = view;
    const box = layout.boxes[id];
    const block = view.payload.options.blocks[id];
    const isThin = block.kind === "thin";
    context.beginPath();
    context.roundRect(box.x, box.y, box.width, box.height, isThin ? 5 : RADIUS);
    context.fillStyle = theme.card;
    context.fill();
    context.strokeStyle = theme.border;
    context.lineWidth = 1;
    context.stroke();
    if (isThin) this.thin(id, block, box);
    else this.full(id, block, box);
  }

  thin(id, block, box) {
    const { context, layout, view } = this;
    const { theme } = view;
    const y = box.y + box.height / 2 + 0.5;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.text;
    const sign = id.endsWith(".add") ? "+ " : "";
    context.fillText(`${sign}${layout.size.isNarrow ? block.short : block.name}`, box.x + 8, y);
    context.textAlign = "right";
    context.font = `11px ${theme.mono}`;
    context.fillStyle = theme.muted;
    const mean = view.mean(id);
    context.fillText(layout.size.isNarrow ? mean.replace("‖x‖ ", "") : mean, box.x + box.width - 8, y);
  }

  full(id, block, box) {
    const { context, layout, view } = this;
    const { theme } = view;
    const { isNarrow } = layout.size;
    const left = box.x + (isNarrow ? 7 : 11);
    const picture = isNarrow ? 0 : this.small(id, block, box);
    const room = box.width - (left - box.x) - picture - 6;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `bold ${isNarrow ? 11.5 : 13}px ${theme.font}`;
    context.fillStyle = theme.text;
    const sign = id.endsWith(".positions") ? "+ " : "";
    context.fillText(fitted(context, sign + (isNarrow ? block.short : block.name), room), left, box.y + box.height * 0.32);
    context.font = `${isNarrow ? 10.5 : 11.5}px ${theme.mono}`;
    context.fillStyle = theme.muted;
    context.fillText(fitted(context, view.summary(id, isNarrow), room), left, box.y + box.height * 0.7);
  }

  /** A small picture at a block's right end; returns the room that it takes. */
  small(id, block, box) {
    if (block.kind === "attention") return this.thumbnail(id, block, box);
    // Positions are all equally long: their name may need the room.
    const needsRoom = id.endsWith(".positions") && box.width < 290;
    if (block.kind === "tokens" || needsRoom) return 0;
    return this.bars(id, box);
  }

  /** The pattern of the layer shown. */
  thumbnail(id, block, box) {
    const { context, view } = this;
    const side = box.height - 2 * THUMB_MARGIN;
    const canvas = patternCanvas(view.payload.arrays[block.site], view.layerOf(id), view.theme.sequential);
    const width = Math.min(side * 2, Math.max(side, (side * canvas.width) / canvas.height));
    context.imageSmoothingEnabled = false;
    const x = box.x + box.width - width - THUMB_MARGIN;
    context.drawImage(canvas, x, box.y + THUMB_MARGIN, width, side);
    context.strokeStyle = view.theme.border;
    context.strokeRect(x, box.y + THUMB_MARGIN, width, side);
    return width + 2 * THUMB_MARGIN;
  }

  /** One bar a token. */
  bars(id, box) {
    const { context, view } = this;
    const { values } = view.numbers(id);
    const peak = Math.max(...values, Number.MIN_VALUE);
    const [width, height] = [Math.min(BARS_WIDTH, box.width * 0.36), box.height - 16];
    const x = box.x + box.width - width - 9;
    const step = width / values.length;
    context.fillStyle = view.theme.muted;
    context.globalAlpha = 0.55;
    values.forEach((value, i) => {
      const bar = Math.max(1, (Math.max(0, value) / peak) * height);
      context.fillRect(x + i * step, box.y + 8 + height - bar, Math.max(0.8, step - 1.2), bar);
    });
    context.globalAlpha = 1;
    return width + 14;
  }

  /** What the colours of the lines mean, where the encoder's column leaves room. */
  legend() {
    const { context, layout, view } = this;
    const { theme } = view;
    const lines = { query: "query", key: "key", value: "value", muted: "residual stream" };
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `12px ${theme.font}`;
    Object.entries(lines).forEach(([colour, name], i) => {
      const y = 14 + 19 * i;
      this.arrow([[2, y], [26, y]], theme[colour]);
      context.fillStyle = theme.muted;
      context.fillText(name, 33, y);
    });
    context.font = `11px ${theme.mono}`;
    context.fillText("‖x‖", 4, 92);
    context.font = `12px ${theme.font}`;
    const words = layout.size.isNarrow ? ["length of a token's", "vector, mean"] : ["length of a token's vector, mean over tokens"];
    words.forEach((word, i) => context.fillText(word, 33, 92 + 16 * i));
  }

  /** The translation, as softmax gives it out. */
  written() {
    const { context, layout, view } = this;
    const { theme } = view;
    const box = layout.boxes.softmax;
    const x = layout.main.decoder;
    this.arrow([[x, box.y], [x, box.y - layout.size.gap]], theme.muted);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `bold ${layout.size.isNarrow ? 11 : 12.5}px ${theme.mono}`;
    context.fillStyle = theme.text;
    context.fillText(fitted(context, view.payload.options.written, box.width), x, box.y - layout.size.gap - layout.size.label / 2);
  }
}

/** One layer of an array [layer query key] as a canvas, a pixel a cell. */
export function patternCanvas(array, layer, stops) {
  const [, rows, columns] = array.shape;
  const levels = levelsOf(array);
  const codes = array.codes.subarray(layer * rows * columns, (layer + 1) * rows * columns);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  let peak = 0;
  for (const code of codes) peak = Math.max(peak, levels[code]);
  const colours = ramp(stops);
  codes.forEach((code, i) => {
    image.data.set([...colours[peak ? Math.round((255 * levels[code]) / peak) : 0], 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Shape as people read it: 15 × 256. */
export function shapeText(shape) {
  return shape.map((n) => n.toLocaleString("en")).join(" × ");
}

/** A mean of numbers. */
export function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

export function lengthText(values) {
  return `‖x‖ ${format(meanOf(values))}`;
}
