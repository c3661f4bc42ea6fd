// A canvas context that writes SVG: what the painters draw, as shapes and text that can be edited.

const SVG_SPACE = "http://www.w3.org/2000/svg";
const FONT_PATTERN = /^(italic )?(bold |\d{3} )?([\d.]+)px (.+)$/;
const TEXT_ANCHORS = { left: "start", start: "start", center: "middle", right: "end", end: "end" };
const TEXT_SHIFTS = { middle: 0.35, top: 0.8, hanging: 0.8, alphabetic: 0, bottom: -0.2 };
const CONTEXT_STATE = [
  "fillStyle", "strokeStyle", "lineWidth", "globalAlpha", "font", "textAlign", "textBaseline",
  "imageSmoothingEnabled", "matrix", "clipId", "dashes", "lineCap", "lineJoin",
];

const round2 = (value) => String(Math.round(value * 100) / 100);

/** Characters that XML cannot hold, lone surrogates among them, become �. */
function xmlText(text) {
  // eslint-disable-next-line no-control-regex
  return text.toWellFormed().replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd");
}

/** The part of CanvasRenderingContext2D that the painters use. */
export class SvgContext {
  constructor(width, height) {
    this.svg = document.createElementNS(SVG_SPACE, "svg");
    const size = { width, height, viewBox: `0 0 ${width} ${height}` };
    for (const [name, value] of Object.entries(size)) this.svg.setAttribute(name, value);
    this.measuring = document.createElement("canvas").getContext("2d");
    this.stack = [];
    this.clips = 0;
    this.path = "";
    Object.assign(this, {
      fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "12px sans-serif",
      textAlign: "start", textBaseline: "alphabetic", imageSmoothingEnabled: true,
      matrix: [1, 0, 0, 1, 0, 0], clipId: "", dashes: "", lineCap: "butt", lineJoin: "miter",
    });
  }

  add(tag, attributes, text = null) {
    const node = document.createElementNS(SVG_SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== "" && value !== null) node.setAttribute(name, value);
    }
    const isMoved = this.matrix.join() !== "1,0,0,1,0,0";
    if (isMoved) node.setAttribute("transform", `matrix(${this.matrix.map(round2).join(" ")})`);
    if (this.globalAlpha < 1) node.setAttribute("opacity", round2(this.globalAlpha));
    if (text !== null) node.textContent = xmlText(text);
    this.parent().append(node);
  }

  /** A clip stands around what is drawn in it: it does not move with a later transform. */
  parent() {
    if (!this.clipId) return this.svg;
    const last = this.svg.lastElementChild;
    if (last && last.getAttribute("clip-path") === `url(#${this.clipId})`) return last;
    const group = document.createElementNS(SVG_SPACE, "g");
    group.setAttribute("clip-path", `url(#${this.clipId})`);
    this.svg.append(group);
    return group;
  }

  describe(title, description) {
    for (const [tag, text] of [["desc", description], ["title", title]]) {
      const node = document.createElementNS(SVG_SPACE, tag);
      node.textContent = xmlText(text);
      this.svg.prepend(node);
    }
    this.svg.setAttribute("role", "img");
  }

  save() {
    this.stack.push(Object.fromEntries(CONTEXT_STATE.map((name) => [name, this[name]])));
  }

  restore() {
    Object.assign(this, this.stack.pop());
  }

  transform(a, b, c, d, e, f) {
    const [A, B, C, D, E, F] = this.matrix;
    this.matrix = [
      A * a + C * b, B * a + D * b, A * c + C * d, B * c + D * d, A * e + C * f + E, B * e + D * f + F,
    ];
  }

  translate(x, y) {
    this.transform(1, 0, 0, 1, x, y);
  }

  scale(x, y) {
    this.transform(x, 0, 0, y, 0, 0);
  }

  rotate(angle) {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    this.transform(cos, sin, -sin, cos, 0, 0);
  }

  setLineDash(dashes) {
    this.dashes = dashes.join(" ");
  }

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    this.path += `M${round2(x)} ${round2(y)}`;
  }

  lineTo(x, y) {
    this.path += `L${round2(x)} ${round2(y)}`;
  }

  bezierCurveTo(...points) {
    this.path += `C${points.map(round2).join(" ")}`;
  }

  closePath() {
    this.path += "Z";
  }

  rect(x, y, width, height) {
    this.path += `M${round2(x)} ${round2(y)}h${round2(width)}v${round2(height)}h${round2(-width)}Z`;
  }

  arc(x, y, radius, start, end) {
    const at = (angle) => `${round2(x + radius * Math.cos(angle))} ${round2(y + radius * Math.sin(angle))}`;
    const middle = (start + end) / 2;
    const part = (angle) => `A${round2(radius)} ${round2(radius)} 0 0 1 ${at(angle)}`;
    this.path += `${this.path ? "L" : "M"}${at(start)}${part(middle)}${part(end)}`;
  }

  roundRect(x, y, width, height, radius) {
    const r = Math.min(Array.isArray(radius) ? radius[0] : radius, width / 2, height / 2);
    const corner = (dx, dy) => `a${round2(r)} ${round2(r)} 0 0 1 ${round2(dx)} ${round2(dy)}`;
    this.path +=
      `M${round2(x + r)} ${round2(y)}h${round2(width - 2 * r)}${corner(r, r)}v${round2(height - 2 * r)}` +
      `${corner(-r, r)}h${round2(2 * r - width)}${corner(-r, -r)}v${round2(2 * r - height)}${corner(r, -r)}Z`;
  }

  clip() {
    this.clips += 1;
    const id = `clip${this.clips}`;
    const node = document.createElementNS(SVG_SPACE, "clipPath");
    node.id = id;
    const path = document.createElementNS(SVG_SPACE, "path");
    path.setAttribute("d", this.path);
    path.setAttribute("transform", `matrix(${this.matrix.map(round2).join(" ")})`);
    node.append(path);
    this.svg.append(node);
    this.clipId = id;
  }

  strokeAttributes() {
    return {
      fill: "none", stroke: this.strokeStyle, "stroke-width": round2(this.lineWidth),
      "stroke-dasharray": this.dashes, "stroke-linecap": this.lineCap === "butt" ? "" : this.lineCap,
      "stroke-linejoin": this.lineJoin === "miter" ? "" : this.lineJoin,
    };
  }

  fill() {
    this.add("path", { d: this.path, fill: this.fillStyle });
  }

  stroke() {
    if (this.path) this.add("path", { d: this.path, ...this.strokeAttributes() });
  }

  fillRect(x, y, width, height) {
    this.add("rect", { ...boxAttributes(x, y, width, height), fill: this.fillStyle });
  }

  strokeRect(x, y, width, height) {
    this.add("rect", { ...boxAttributes(x, y, width, height), ...this.strokeAttributes() });
  }

  clearRect() {}

  measureText(text) {
    this.measuring.font = this.font;
    return this.measuring.measureText(text);
  }

  fillText(text, x, y) {
    const [, italic, weight, size, family] = FONT_PATTERN.exec(this.font) || [null, "", "", "12", "sans-serif"];
    this.add(
      "text",
      {
        x: round2(x),
        y: round2(y + (TEXT_SHIFTS[this.textBaseline] ?? 0) * Number(size)),
        fill: this.fillStyle,
        "font-family": family,
        "font-size": size,
        "font-weight": (weight || "").trim(),
        "font-style": italic ? "italic" : "",
        "text-anchor": TEXT_ANCHORS[this.textAlign] === "start" ? "" : TEXT_ANCHORS[this.textAlign],
        "xml:space": "preserve",
      },
      text,
    );
  }

  /** Pixels stay pixels: embedded as PNG. */
  drawImage(canvas, x, y, width, height) {
    const style = this.imageSmoothingEnabled ? "" : "image-rendering: pixelated";
    const href = canvas.toDataURL("image/png");
    this.add("image", { href, ...boxAttributes(x, y, width, height), style, preserveAspectRatio: "none" });
  }

  toText() {
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(this.svg)}\n`;
  }
}

function boxAttributes(x, y, width, height) {
  return { x: round2(x), y: round2(y), width: round2(width), height: round2(height) };
}
