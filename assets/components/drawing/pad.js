// A pad to draw a digit on, with a pointer, a finger, or the arrow keys. Sends a PNG when a stroke ends.

const SIZE = 280;
const PEN = 26;
const STEP = 14;
const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const WORDS = "Draw one digit, large. By keys: arrows move, Space lowers or lifts the pen, Backspace takes a stroke back, Delete clears.";

const pads = new WeakMap();

class Pad {
  constructor(root) {
    this.strokes = [];
    this.cursor = null;
    this.isDown = false;
    this.root = root;
    this.node = make("div", { class: "pad" });
    this.canvas = make("canvas", { width: SIZE, height: SIZE, tabindex: 0, role: "application", "aria-label": `Drawing pad. ${WORDS}` });
    this.undo = make("button", { type: "button" }, "Undo");
    this.clear = make("button", { type: "button" }, "Clear");
    this.said = make("span", { class: "said", "aria-live": "polite" });
    this.node.append(this.canvas, make("div", { class: "row" }, this.undo, this.clear, this.said), make("p", {}, WORDS));
    this.undo.addEventListener("click", () => this.change(() => this.strokes.pop()));
    this.clear.addEventListener("click", () => this.change(() => this.strokes.splice(0)));
    this.bindPointer();
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.canvas.addEventListener("blur", () => this.lift());
    root.append(this.node);
    this.paint();
  }

  bindPointer() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.cursor = null;
      this.current = [this.point(event)];
      this.strokes.push(this.current);
      this.paint();
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.current) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of events.length ? events : [event]) this.current.push(this.point(one));
      this.paint();
    });
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, () => {
        if (!this.current) return;
        this.current = null;
        this.send();
      });
    }
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
  }

  onKey(event) {
    const move = KEYS[event.key];
    if (move) this.move(move);
    else if (event.key === " ") this.toggle();
    else if (event.key === "Backspace") this.change(() => this.strokes.pop());
    else if (event.key === "Delete") this.change(() => this.strokes.splice(0));
    else return;
    event.preventDefault();
  }

  move([dx, dy]) {
    const from = this.cursor || [SIZE / 2, SIZE / 2];
    const inside = (value) => Math.min(SIZE - PEN / 2, Math.max(PEN / 2, value));
    this.cursor = [inside(from[0] + dx * STEP), inside(from[1] + dy * STEP)];
    if (this.isDown) this.strokes[this.strokes.length - 1].push(this.cursor);
    this.paint();
  }

  toggle() {
    if (this.isDown) {
      this.lift();
      return;
    }
    this.cursor ||= [SIZE / 2, SIZE / 2];
    this.isDown = true;
    this.strokes.push([this.cursor]);
    this.say("Pen down");
    this.paint();
  }

  lift() {
    if (!this.isDown) return;
    this.isDown = false;
    this.say("Pen up");
    this.send();
  }

  change(action) {
    this.isDown = false;
    action();
    this.say(this.strokes.length ? "" : "The pad is empty");
    this.send();
  }

  say(text) {
    this.said.textContent = text;
  }

  send() {
    this.paint();
    const png = this.strokes.length ? this.drawn().toDataURL("image/png").split(",")[1] : "";
    this.setState("drawing", png);
  }

  /** The strokes alone, black on white. */
  drawn() {
    const canvas = make("canvas", { width: SIZE, height: SIZE });
    paintStrokes(canvas.getContext("2d"), this.strokes);
    return canvas;
  }

  paint() {
    const context = this.canvas.getContext("2d");
    paintStrokes(context, this.strokes);
    for (const button of [this.undo, this.clear]) button.disabled = !this.strokes.length;
    if (!this.cursor) return;
    context.strokeStyle = this.isDown ? "#b15108" : "#225fa2";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(...this.cursor, PEN / 2, 0, 2 * Math.PI);
    context.stroke();
  }
}

function paintStrokes(context, strokes) {
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SIZE, SIZE);
  context.strokeStyle = "#111";
  context.lineWidth = PEN;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
}

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export default function ({ parentElement, setStateValue }) {
  const pad = pads.get(parentElement) || new Pad(parentElement);
  pads.set(parentElement, pad);
  pad.setState = setStateValue;
  return () => {
    pad.node.remove();
    pads.delete(parentElement);
  };
}
