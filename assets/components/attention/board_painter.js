// The board as a picture, for a file: the same cells, colours and crosses as on the page.

import { css, ramp, ticks } from "./palette.js";
import { format } from "./numbers.js";

const BOARD_CELL = 30;
const BOARD_GAP = 4;
const BOARD_LEFT = 40;
const BOARD_TOP = 24;
const BOARD_RAMP = 180;

/** What the export asks of a stage: a size, and a painter with `paint` and `overlay`. */
export class BoardPainter {
  constructor(board) {
    this.board = board;
    this.painter = this;
  }

  get step() {
    return BOARD_CELL + BOARD_GAP;
  }

  get width() {
    return Math.max(BOARD_LEFT + this.board.heads * this.step, 420);
  }

  get height() {
    return BOARD_TOP + this.board.layers * this.step + (this.board.legend.hidden ? 0 : 48);
  }

  paint(context) {
    const { board } = this;
    context.textBaseline = "middle";
    for (const at of board.all()) this.paintCell(context, at);
    context.fillStyle = board.theme.muted;
    context.font = `12px ${board.theme.mono}`;
    context.textAlign = "center";
    for (let head = 0; head < board.heads; head += 1) {
      context.fillText(`H${head}`, BOARD_LEFT + head * this.step + BOARD_CELL / 2, BOARD_TOP / 2);
    }
    context.textAlign = "right";
    for (let layer = 0; layer < board.layers; layer += 1) {
      context.fillText(`L${layer}`, BOARD_LEFT - 8, BOARD_TOP + layer * this.step + BOARD_CELL / 2);
    }
    context.textAlign = "left";
    if (!board.legend.hidden) this.paintLegend(context);
  }

  paintCell(context, at) {
    const { board } = this;
    const [x, y] = [BOARD_LEFT + at[1] * this.step, BOARD_TOP + at[0] * this.step];
    context.fillStyle = board.colour(at) || board.theme.track;
    context.fillRect(x, y, BOARD_CELL, BOARD_CELL);
    if (board.isOff(at)) this.paintOff(context, x, y);
    context.strokeStyle = board.isPicked(at) ? board.theme.text : board.theme.border;
    context.lineWidth = board.isPicked(at) ? 2.5 : 1;
    context.strokeRect(x, y, BOARD_CELL, BOARD_CELL);
  }

  paintOff(context, x, y) {
    const { theme } = this.board;
    context.fillStyle = theme.card;
    context.fillRect(x + 4, y + 4, BOARD_CELL - 8, BOARD_CELL - 8);
    context.strokeStyle = theme.text;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x + 8, y + 8);
    context.lineTo(x + BOARD_CELL - 8, y + BOARD_CELL - 8);
    context.moveTo(x + BOARD_CELL - 8, y + 8);
    context.lineTo(x + 8, y + BOARD_CELL - 8);
    context.stroke();
  }

  paintLegend(context) {
    const { board } = this;
    const y = BOARD_TOP + board.layers * this.step + 10;
    const colours = ramp(board.theme.sequential);
    for (let i = 0; i < BOARD_RAMP; i += 1) {
      context.fillStyle = css(colours[Math.round((i / (BOARD_RAMP - 1)) * 255)]);
      context.fillRect(BOARD_LEFT + i, y, 1.5, 10);
    }
    context.fillStyle = board.theme.muted;
    context.font = `12px ${board.theme.font}`;
    const marks = ticks(board.peak, board.scale).reverse();
    marks.forEach((value, i) => {
      context.textAlign = i === 0 ? "left" : i === marks.length - 1 ? "right" : "center";
      const at = BOARD_LEFT + (i / (marks.length - 1)) * BOARD_RAMP;
      context.fillText(format(value, 2), at, y + 22);
    });
    context.textAlign = "left";
    context.fillText(board.unit, BOARD_LEFT + BOARD_RAMP + 12, y + 5);
  }

  overlay() {}
}
