// Masks: what may each token read, and what does one head read of it?

import { prepareStrip } from "./decode.js";
import { choice, element } from "./dom.js";
import { MapPicture } from "./map_picture.js";
import { Matrix } from "./matrix.js";
import { format } from "./numbers.js";
import { PairMap } from "./pair_map.js";
import { fillTable } from "./table.js";
import { View } from "./view.js";

const MASK_HEIGHT = 340;
const MASK_GAP = 1;
const MASK_FINE = 5;
const MASK_SPACE = 24;
const MASK_BAR = 130;

/** A map of which only it matters whether a cell may be read. */
class MaskPicture extends MapPicture {
  paint(context, theme, selected) {
    const { matrix, box, viewport: v } = this;
    const gap = box.cell >= MASK_FINE ? MASK_GAP : 0;
    context.fillStyle = theme.track;
    context.fillRect(box.x, box.y, box.width - gap, box.height - gap);
    context.fillStyle = theme.muted;
    for (let row = v.row; row < v.row + v.rows; row += 1) {
      for (let column = v.column; column < v.column + v.columns; column += 1) {
        if (matrix.isMasked(row, column)) continue;
        context.fillRect(this.left(column), this.top(row), box.cell - gap, box.cell - gap);
      }
    }
    this.paintLabels(context, theme, selected);
    this.paintAxisNames(context, theme);
  }
}

/** The weights, whose bar is long enough for its numbers where the map is small. */
class ReadPicture extends MapPicture {
  measure(context, theme, width, ratio) {
    const height = super.measure(context, theme, width, ratio);
    if (!this.bar.isUpright) this.bar.length = Math.max(this.bar.length, Math.floor(Math.min(MASK_BAR, width - this.bar.x - 64)));
    return height;
  }
}

export class MasksView extends View {
  constructor(node, host, state) {
    super(node, host, state);
    const names = ["What may be read", "What is read"];
    this.maps = names.map((name, i) => new PairMap(this, i, `${name}: arrow keys move the cell`));
    this.stages.push(...this.maps.map((map) => map.stage));
    this.frame.layout.classList.add("single");
    this.frame.body.append(element("div", { class: "mask-maps" }, ...this.maps.map((map) => map.node)));
  }

  show() {
    const { payload, state, frame } = this;
    const { sites } = payload.options;
    for (const site of sites) {
      site.keys = site.keys || site.queries;
      for (const strip of [site.queries, site.keys]) prepareStrip(strip);
    }
    if (!sites.some((site) => site.site === state.site)) state.site = sites[sites.length - 1].site;
    const names = Object.fromEntries(sites.map((site) => [site.site, site.name]));
    const tools = [frame.exportButtons(new MasksPainter(this))];
    if (sites.length > 1) {
      tools.unshift(
        choice("Attention site", names, state.site, (site) => {
          state.site = site;
          this.showSite();
        }),
      );
    }
    frame.tools.replaceChildren(...tools);
    this.showSite();
  }

  showSite() {
    const { payload, state, maps, frame } = this;
    const index = payload.options.sites.findIndex((site) => site.site === state.site);
    this.site = payload.options.sites[index];
    this.matrix = new Matrix(payload.arrays[`weights${index}`]);
    const { queries, keys, shape, n_allowed: allowed, layer, head } = this.site;
    const common = { matrix: this.matrix, queries, keys, maxHeight: MASK_HEIGHT };
    const cells = this.matrix.rows * this.matrix.columns;
    maps[0].show(new MaskPicture({ ...common, hasBar: false }), `May read: ${shape}, ${format(allowed / cells)} of all cells`);
    maps[1].show(new ReadPicture(common), `Reads: L${layer} H${head}`);
    frame.showBadge(this.site.badge);
    this.mark("shown", this.keptCell());
    this.refresh();
    this.readout();
    this.fillTable();
  }

  /** The cell picked at this site, or the strongest between ordinary tokens. */
  keptCell() {
    const { state, matrix, site, payload } = this;
    const name = `${payload.identity} ${site.site}`;
    if (state.cellOf !== name) Object.assign(state, { cellOf: name, cell: this.strongest() });
    const [row, column] = state.cell;
    return [Math.min(row, matrix.rows - 1), Math.min(column, matrix.columns - 1)];
  }

  strongest() {
    const { matrix, site } = this;
    let best = [0, 0];
    let top = -1;
    for (let row = 0; row < matrix.rows; row += 1) {
      for (let column = 0; column < matrix.columns; column += 1) {
        const isPlain = !site.keys.isSpecial.has(column) && (site.site === "cross" || (column && row !== column));
        if (isPlain && matrix.value(row, column) > top) {
          top = matrix.value(row, column);
          best = [row, column];
        }
      }
    }
    return best;
  }

  mark(name, cell) {
    this[name] = cell;
    const [row, column] = cell || [null, null];
    for (const map of this.maps) map.mark(name, { row, column });
  }

  select(_, cell, { say = false } = {}) {
    this.state.cell = cell;
    this.mark("shown", cell);
    this.repaint();
    this.readout();
    this.fillTable();
    if (say) this.frame.say(this.sentence(cell));
  }

  hover(_, cell, event) {
    this.mark("hovered", cell);
    if (cell) this.frame.setTip([event.clientX, event.clientY], this.sentence(cell));
    else this.frame.hideTip();
    for (const map of this.maps) map.stage.hover();
    this.readout();
  }

  zoom() {}

  readout() {
    this.frame.setReadout(this.sentence(this.hovered || this.shown));
  }

  sentence([row, column]) {
    const { queries, keys, layer, head } = this.site;
    const [query, key] = [queries.display[row], keys.display[column]];
    if (this.matrix.isMasked(row, column)) return `“${query}” may not read “${key}”: masked, weight 0`;
    const weight = format(this.matrix.value(row, column));
    return `“${query}” may read “${key}”; L${layer} H${head} gives it weight ${weight}`;
  }

  fillTable() {
    const { payload, site, frame } = this;
    const here = { ...payload, id: `${payload.id} ${site.site}`, queries: site.queries, keys: site.keys };
    fillTable(frame.table, here, this.matrix, this.shown);
  }
}

/** Both maps side by side, for a file. */
class MasksPainter {
  constructor(view) {
    this.view = view;
    this.painter = this;
  }

  get stages() {
    return this.view.maps.map((map) => map.stage);
  }

  get width() {
    return this.stages.reduce((sum, stage) => sum + stage.width, MASK_SPACE);
  }

  get height() {
    return Math.max(...this.stages.map((stage) => stage.height)) + MASK_SPACE;
  }

  paint(context) {
    const { theme, maps } = this.view;
    let x = 0;
    for (const map of maps) {
      context.save();
      context.translate(x, 0);
      context.font = `bold 12px ${theme.font}`;
      context.fillStyle = theme.text;
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText(map.title.textContent, 0, 8);
      context.translate(0, MASK_SPACE);
      map.paint(context);
      context.restore();
      x += map.stage.width + MASK_SPACE;
    }
  }

  overlay(context) {
    let x = 0;
    for (const map of this.view.maps) {
      context.save();
      context.translate(x, MASK_SPACE);
      map.overlay(context);
      context.restore();
      x += map.stage.width + MASK_SPACE;
    }
  }
}
