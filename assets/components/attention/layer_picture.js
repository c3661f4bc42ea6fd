// The walk: the residual stream as a line, blocks beside it, a small map for every tensor.

import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { imageOf } from "./sheet_picture.js";
import { fitted } from "./stage.js";

const RAIL = 14;
const OUTER = 27;
const LEFT = 42;
const PAD = 12;
const GAP = 14;
const THUMB = 40;
const LINE = 15;
const NARROW = 480;
const TITLE = 30;
const NEURON = 17;

/** Lays the walk out and paints it; knows nothing of events. */
export class LayerPicture {
  constructor(payload) {
    this.payload = payload;
    this.options = payload.options;
    this.index = new Map(payload.options.stations.map((station, i) => [station.id, i]));
    this.heads = new Map();
    for (const block of payload.options.heads) {
      const array = payload.arrays[`patterns${block}`];
      const [n] = array.shape;
      this.heads.set(block, Array.from({ length: n }, (_, head) => Matrix.slice(array, head)));
    }
    this.images = new Map();
    this.targets = [];
    this.boxes = [];
    this.blocks = [];
  }

  norm(index, token) {
    const norms = this.payload.arrays[`n${index}`].codes;
    const isRead = this.options.stations[index].rows === "key";
    if (!isRead && norms.length === this.payload.queries.length) return norms[token];
    return norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
  }

  writes(block, head, token) {
    const { codes, shape } = this.payload.arrays[`writes${block}`];
    return codes[head * shape[1] + token];
  }

  neurons(token) {
    const ids = this.payload.arrays.neuron_ids;
    if (!ids) return [];
    const [, n] = ids.shape;
    return Array.from({ length: n }, (_, i) => ({
      name: `L${this.payload.layer} N${ids.codes[token * n + i]}`,
      value: this.payload.arrays.neuron_values.codes[token * n + i],
    }));
  }

  // -- layout ---------------------------------------------------------------------------

  measure(context, theme, width) {
    this.width = width;
    this.isNarrow = width < NARROW;
    this.targets = [];
    this.boxes = [];
    this.blocks = [];
    let y = 4;
    let block = null;
    for (const row of this.options.rows) {
      const isInside = !["stream", "add", "norm"].includes(row.kind);
      if (block && (!isInside || row.block !== block.index)) {
        block.bottom = y;
        block = null;
        y += 12;
      }
      if (isInside && !block) {
        block = { index: row.block, top: y, bottom: y };
        this.blocks.push(block);
        y += TITLE;
      }
      const x = isInside ? LEFT + PAD : LEFT;
      const room = width - x - (isInside ? PAD : 6);
      y += this.placeRow(row, [x, y], room);
    }
    return y + 2;
  }

  placeRow(row, [x, y], room) {
    if (row.kind === "heads") return this.placeHeads(row, [x, y], room);
    if (row.kind === "neurons") return this.placeNeurons(row, [x, y], room);
    const n = row.stations.length;
    const width = (room - GAP * (n - 1)) / n;
    row.stations.forEach((id, i) => {
      const index = this.index.get(id);
      const box = { x: x + i * (width + GAP), y, width, height: 2 * LINE + THUMB };
      const target = { id, index, station: this.options.stations[index], box, row, isAlone: n === 1 };
      this.targets.push(target);
      this.boxes.push({ kind: "station", target });
    });
    return 2 * LINE + THUMB + 12;
  }

  placeHeads(row, [x, y], room) {
    const heads = this.heads.get(row.block);
    const gap = 6;
    const fit = Math.floor((room + gap) / heads.length) - gap;
    const size = Math.max(26, Math.min(56, fit));
    const perLine = Math.max(1, Math.floor((room + gap) / (size + gap)));
    heads.forEach((matrix, head) => {
      const box = {
        x: x + (head % perLine) * (size + gap),
        y: y + LINE + 2 + Math.floor(head / perLine) * (size + 26),
        width: size,
        height: size + 20,
      };
      const target = { id: `${row.block}.head${head}`, head, block: row.block, box, size };
      this.targets.push(target);
      this.boxes.push({ kind: "head", target, matrix });
    });
    this.boxes.push({ kind: "text", x, y, room, text: row.text, short: "pattern of each head; bar: what it writes" });
    return LINE + 2 + Math.ceil(heads.length / perLine) * (size + 26) + 6;
  }

  placeNeurons(row, [x, y], room) {
    const n = this.payload.arrays.neuron_ids.shape[1];
    const nColumns = room < 330 ? 1 : 2;
    this.boxes.push({ kind: "neurons", x, y, room, nColumns });
    return LINE + Math.ceil(n / nColumns) * NEURON + 12;
  }

  // -- painting -------------------------------------------------------------------------

  paint(context, theme, state) {
    this.paintBlocks(context, theme);
    this.paintRail(context, theme);
    for (const box of this.boxes) {
      if (box.kind === "station") this.paintStation(context, theme, box.target, state);
      else if (box.kind === "head") this.paintHead(context, theme, box, state);
      else if (box.kind === "neurons") this.paintNeurons(context, theme, box, state);
      else this.text(context, theme, box.room < 400 ? box.short : box.text, [box.x, box.y + 7], box.room);
    }
  }

  text(context, theme, text, [x, y], room, { bold = false, mono = false, colour = theme.muted, size = 12 } = {}) {
    context.font = `${bold ? "bold " : ""}${size}px ${mono ? theme.mono : theme.font}`;
    context.fillStyle = colour;
    context.textAlign = "left";
    context.textBaseline = "middle";
    const shown = fitted(context, text, room);
    context.fillText(shown, x, y);
    return context.measureText(shown).width;
  }

  paintBlocks(context, theme) {
    for (const block of this.blocks) {
      context.fillStyle = theme.background;
      context.strokeStyle = theme.border;
      context.lineWidth = 1;
      context.beginPath();
      context.roundRect(LEFT, block.top, this.width - LEFT - 1, block.bottom - block.top, 8);
      context.fill();
      context.stroke();
      const { title } = this.options.blocks[block.index];
      this.text(context, theme, title, [LEFT + PAD, block.top + 13], this.width - LEFT - 2 * PAD, { bold: true, colour: theme.text, size: 13 });
    }
  }

  paintRail(context, theme) {
    const onRail = this.targets.filter((target) => target.box.x === LEFT);
    context.strokeStyle = theme.muted;
    context.lineWidth = 3;
    context.beginPath();
    context.moveTo(RAIL, onRail[0].box.y + 8);
    context.lineTo(RAIL, onRail.at(-1).box.y + 8);
    context.stroke();
    context.lineWidth = 1.5;
    const last = this.blocks.at(-1);
    for (const block of this.blocks) {
      const into = block.top + 13;
      const out = block.bottom - 12;
      this.arrow(context, theme, [[RAIL, into], [LEFT - 1, into]]);
      if (this.options.is_parallel && block !== last) {
        this.arrow(context, theme, [[LEFT, out], [OUTER, out], [OUTER, last.bottom - 12]], false);
        continue;
      }
      this.arrow(context, theme, [[LEFT, out], [RAIL + 9, out]]);
      this.plus(context, theme, out);
    }
    for (const { box, row } of onRail) this.node(context, theme, box.y + 8, row.kind);
  }

  arrow(context, theme, points, hasHead = true) {
    context.strokeStyle = theme.muted;
    context.fillStyle = theme.muted;
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    if (!hasHead) return;
    const [[fromX], [x, y]] = points.slice(-2);
    const back = x > fromX ? -5 : 5;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + back, y - 3.5);
    context.lineTo(x + back, y + 3.5);
    context.closePath();
    context.fill();
  }

  plus(context, theme, y) {
    context.fillStyle = theme.card;
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(RAIL, y, 8, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(RAIL - 4.5, y);
    context.lineTo(RAIL + 4.5, y);
    context.moveTo(RAIL, y - 4.5);
    context.lineTo(RAIL, y + 4.5);
    context.stroke();
  }

  node(context, theme, y, kind) {
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.beginPath();
    if (kind === "norm") {
      context.fillStyle = theme.card;
      context.roundRect(RAIL - 13, y - 8, 26, 16, 4);
      context.fill();
      context.stroke();
      context.font = `bold 9px ${theme.font}`;
      context.fillStyle = theme.text;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText("norm", RAIL, y);
      return;
    }
    context.fillStyle = theme.text;
    context.arc(RAIL, y, 4, 0, 2 * Math.PI);
    context.fill();
  }

  paintStation(context, theme, target, state) {
    const { station, box, row, isAlone, index } = target;
    const colour = theme[station.part] || theme.text;
    const name = row.kind === "add" || row.kind === "norm" ? row.text : station.name;
    const used = this.text(context, theme, name, [box.x, box.y + 7], box.width, { bold: true, mono: true, colour, size: 12.5 });
    if (isAlone || !this.isNarrow) {
      const left = box.width - used - 10;
      if (left > 40) this.text(context, theme, station.words, [box.x + used + 10, box.y + 7], left);
    }
    this.text(context, theme, this.meta(station, index, state, box.width), [box.x, box.y + LINE + 7], box.width, { size: 11.5 });
    const top = box.y + 2 * LINE;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.thumb(theme, index), box.x, top, box.width, THUMB);
    context.strokeStyle = theme.border;
    context.lineWidth = 1;
    context.strokeRect(box.x - 0.5, top - 0.5, box.width + 1, THUMB + 1);
    if (station.rows === "query") this.mark(context, theme, [box.x, top], state.token);
  }

  meta(station, index, state, width) {
    const [rows, columns] = station.shape;
    const where = station.rows === "query" ? `at “${this.payload.queries.display[state.token]}”` : "on average";
    const norm = `norm ${format(this.norm(index, state.token))}`;
    const scale = station.is_weight ? `0 to ${format(station.limit, 2)}` : `colours ±${format(station.limit, 2)}`;
    if (width < 125) return `${rows} × ${columns}`;
    if (width < 190) return `${rows} × ${columns} · ${norm}`;
    const parts = [`${rows} × ${columns}`, `${norm} ${where}`];
    if (width > 300) parts.push(scale);
    return parts.join(" · ");
  }

  /** A small triangle at the row of the chosen token. */
  mark(context, theme, [x, top], token) {
    const y = top + ((token + 0.5) * THUMB) / this.payload.queries.length;
    context.fillStyle = theme.text;
    context.beginPath();
    context.moveTo(x - 1, y);
    context.lineTo(x - 6, y - 3.5);
    context.lineTo(x - 6, y + 3.5);
    context.closePath();
    context.fill();
  }

  thumb(theme, index) {
    const name = `${theme.name} ${index}`;
    if (!this.images.has(name)) {
      const { codes, shape } = this.payload.arrays[`t${index}`];
      const isWeight = this.options.stations[index].is_weight;
      const values = Float32Array.from(codes, (code) => (isWeight ? code / 255 : (code - 128) / 127));
      const image = imageOf({ values, rows: shape[0], columns: shape[1] }, theme, { limit: 1, isWeight });
      this.images.set(name, image);
    }
    return this.images.get(name);
  }

  paintHead(context, theme, { target, matrix }, state) {
    const { box, size, head, block } = target;
    const name = `${theme.name} ${block} ${head}`;
    if (!this.images.has(name)) {
      const values = Float32Array.from(matrix.codes, (code) => matrix.levels[code]);
      const small = { values, rows: matrix.rows, columns: matrix.columns };
      this.images.set(name, imageOf(small, theme, { limit: matrix.ownPeak(), isWeight: true }));
    }
    context.imageSmoothingEnabled = false;
    context.drawImage(this.images.get(name), box.x, box.y, size, size);
    const isChosen = head === this.options.head;
    context.strokeStyle = isChosen ? theme.text : theme.border;
    context.lineWidth = isChosen ? 2 : 1;
    context.strokeRect(box.x, box.y, size, size);
    const most = Math.max(...this.heads.get(block).map((_, other) => this.writes(block, other, state.token)), 1e-12);
    context.fillStyle = theme.track;
    context.fillRect(box.x, box.y + size + 3, size, 4);
    context.fillStyle = theme.text;
    context.fillRect(box.x, box.y + size + 3, (size * this.writes(block, head, state.token)) / most, 4);
    const colour = isChosen ? theme.text : theme.muted;
    this.text(context, theme, `H${head}`, [box.x, box.y + size + 14], size, { bold: isChosen, mono: true, colour, size: 11 });
  }

  paintNeurons(context, theme, { x, y, room, nColumns }, state) {
    const neurons = this.neurons(state.token);
    const token = this.payload.queries.display[state.token];
    this.text(context, theme, `most active neurons at “${token}”`, [x, y + 7], room);
    const most = Math.max(...neurons.map(({ value }) => Math.abs(value)), 1e-12);
    const lines = Math.ceil(neurons.length / nColumns);
    const width = (room - GAP * (nColumns - 1)) / nColumns;
    const label = 84;
    neurons.forEach(({ name, value }, i) => {
      const left = x + Math.floor(i / lines) * (width + GAP);
      const middle = y + LINE + (i % lines) * NEURON + 10;
      this.text(context, theme, name, [left, middle], label, { mono: true, colour: theme.text, size: 11.5 });
      const bar = Math.max(10, width - label - 56);
      context.fillStyle = theme.track;
      context.fillRect(left + label + 4, middle - 4, bar, 8);
      context.fillStyle = theme.diverging[value < 0 ? 0 : 4];
      context.fillRect(left + label + 4, middle - 4, (bar * Math.abs(value)) / most, 8);
      this.text(context, theme, format(value), [left + label + bar + 10, middle], 50, { mono: true, colour: theme.text, size: 11.5 });
    });
  }

  overlay(context, theme, state, hovered) {
    const outline = ({ box }, colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.roundRect(box.x - 4, box.y - 3, box.width + 8, box.height + 6, 5);
      context.stroke();
    };
    const open = this.targets.find(({ id }) => id === state.open);
    const at = this.targets.find(({ id }) => id === state.at);
    if (open) outline(open, theme.text, 2);
    if (at && at !== open) outline(at, theme.muted, 1.5);
    if (hovered && hovered !== open) outline(hovered, theme.muted, 1);
  }

  hit([x, y]) {
    const isIn = ({ box }) =>
      x >= box.x - 4 && y >= box.y - 3 && x < box.x + box.width + 4 && y < box.y + box.height + 3;
    return this.targets.find(isIn) || null;
  }
}
