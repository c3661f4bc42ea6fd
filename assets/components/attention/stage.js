// A picture on two canvases: the picture itself, and what moves over it.

/**
 * Sizes, sharpens and repaints. The painter has `measure(context, width)` returning the height,
 * `paint(context)` and `overlay(context)`; both draw in CSS pixels.
 */
export class Stage {
  constructor(painter, { label, role = "application", description = "" }) {
    this.painter = painter;
    this.node = document.createElement("div");
    this.node.className = "stage";
    this.node.tabIndex = 0;
    this.node.setAttribute("role", role);
    this.node.setAttribute("aria-label", label);
    if (description) this.node.setAttribute("aria-roledescription", description);
    this.base = this.node.appendChild(document.createElement("canvas"));
    this.over = this.node.appendChild(document.createElement("canvas"));
    this.over.className = "over";
    for (const canvas of [this.base, this.over]) canvas.setAttribute("aria-hidden", "true");
    this.width = 0;
    this.height = 0;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.node);
  }

  get ratio() {
    return Math.max(1, window.devicePixelRatio || 1);
  }

  resized() {
    if (Math.floor(this.node.clientWidth) !== this.width) this.refresh();
  }

  /** Measure again and paint everything. */
  refresh() {
    const width = Math.floor(this.node.clientWidth);
    if (!width) return;
    this.width = width;
    const context = this.base.getContext("2d");
    this.height = Math.ceil(this.painter.measure(context, width));
    this.node.style.height = `${this.height}px`;
    for (const canvas of [this.base, this.over]) {
      const [w, h] = [Math.round(width * this.ratio), Math.round(this.height * this.ratio)];
      if (canvas.width !== w || canvas.height !== h) {
        canvas.width = w;
        canvas.height = h;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${this.height}px`;
      }
    }
    this.repaint();
  }

  repaint() {
    if (!this.width) return;
    this.painter.paint(this.cleared(this.base));
    this.hover();
  }

  /** Paint only what moves: selection and hover. */
  hover() {
    if (this.width) this.painter.overlay(this.cleared(this.over));
  }

  cleared(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    return context;
  }

  /** Where a pointer stands, in CSS pixels of the picture. */
  point(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  destroy() {
    this.observer.disconnect();
  }
}

/** Text that fits a width, with an ellipsis where it was cut. */
export function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join("")}…`).width > width) {
    characters.pop();
  }
  return `${characters.join("")}…`;
}

/** Break a text into lines of a width. */
export function wrapped(context, text, width) {
  const lines = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && context.measureText(longer).width > width) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return line ? [...lines, line] : lines;
}

/** What the buttons of a picture save that is made for a file: `paint` returns how high it is, `now()` gives what is on the screen. */
export function filePicture(width, paint, now) {
  const measuring = document.createElement("canvas").getContext("2d");
  return {
    painter: { paint: (context) => paint(context, now()), overlay: () => {} },
    width,
    get height() {
      return paint(measuring, now());
    },
  };
}
