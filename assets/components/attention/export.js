// A picture as a file: title above, caption below, colours of the theme it is shown in.

import { element } from "./dom.js";
import { SvgContext } from "./svg_context.js";
import { wrapped } from "./stage.js";

const EXPORT_SCALE = 2;
const EXPORT_MARGIN = 16;
const EXPORT_LINE = 16;
const EXPORT_WIDTH = 420;

/** Where title, picture and caption stand. */
function exportLayout(context, frame, stage) {
  const { theme, payload } = frame;
  const inner = Math.max(stage.width, EXPORT_WIDTH);
  context.font = `12px ${theme.font}`;
  const subtitle = payload.subtitle ? wrapped(context, payload.subtitle, inner) : [];
  const foot = [...payload.notes, payload.caption].flatMap((text) => wrapped(context, text, inner));
  const top = 44 + subtitle.length * EXPORT_LINE;
  const height = top + stage.height + 24 + foot.length * EXPORT_LINE;
  return { subtitle, foot, top, width: inner + 2 * EXPORT_MARGIN, height };
}

function paintExport(context, frame, stage, layout) {
  const { theme, payload } = frame;
  context.fillStyle = theme.card;
  context.fillRect(0, 0, layout.width, layout.height);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = theme.text;
  context.font = `bold 16px ${theme.font}`;
  context.fillText(payload.title, EXPORT_MARGIN, 24);
  context.fillStyle = theme.muted;
  context.font = `12px ${theme.font}`;
  layout.subtitle.forEach((line, i) => context.fillText(line, EXPORT_MARGIN, 46 + i * EXPORT_LINE));
  const below = layout.top + stage.height + 20;
  layout.foot.forEach((line, i) => context.fillText(line, EXPORT_MARGIN, below + i * EXPORT_LINE));
  context.save();
  context.translate(EXPORT_MARGIN, layout.top);
  stage.painter.paint(context);
  stage.painter.overlay(context);
  context.restore();
}

/** The picture as it is now, on a canvas twice as fine as the screen. */
export function toCanvas(frame, stage) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const layout = exportLayout(context, frame, stage);
  canvas.width = layout.width * EXPORT_SCALE;
  canvas.height = layout.height * EXPORT_SCALE;
  context.scale(EXPORT_SCALE, EXPORT_SCALE);
  paintExport(context, frame, stage, layout);
  return canvas;
}

/** The picture as it is now, as SVG text. */
export function toSvg(frame, stage) {
  const measuring = document.createElement("canvas").getContext("2d");
  const layout = exportLayout(measuring, frame, stage);
  const context = new SvgContext(layout.width, layout.height);
  paintExport(context, frame, stage, layout);
  const { title, caption, text } = frame.payload;
  // A caption quotes only how a long text begins; the file holds all of it.
  context.describe(title, caption.includes(text) ? caption : `${caption}\n${text}`);
  return context.toText();
}

/** What the file is called: view, model, layer, head. */
function fileName({ view, model, layer, head }, suffix) {
  const place = [view, model, layer, head].filter((part) => part !== null && part !== "");
  return `${place.join("-").replace(/[^\w.-]+/g, "_")}.${suffix}`;
}

function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export function savePng(frame, stage) {
  toCanvas(frame, stage).toBlob((blob) => saveBlob(blob, fileName(frame.payload, "png")));
}

export function saveSvg(frame, stage) {
  const blob = new Blob([toSvg(frame, stage)], { type: "image/svg+xml" });
  saveBlob(blob, fileName(frame.payload, "svg"));
}
