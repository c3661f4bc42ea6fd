// What switched-off heads do to the output: one number, and a row for each token it concerns.

import { element } from "./dom.js";
import { counted, format } from "./numbers.js";

/** The card beside a switchboard. */
export class EffectCard {
  constructor(card) {
    this.card = card;
    this.size = element("b", { class: "effect-size" });
    this.unit = element("span", { class: "unit" });
    this.measure = element("p", { class: "subtitle" });
    this.alone = element("p", { class: "subtitle fixed" });
    this.rowsTitle = element("p", { class: "effect-title" });
    this.rows = element("div", { class: "effect-rows", role: "group" });
    this.card.append(
      element("h3", { class: "title" }, "Change of the output"),
      element("p", { class: "effect-line" }, this.size, " ", this.unit),
      this.measure,
      this.alone,
      this.rowsTitle,
      this.rows,
    );
  }

  /** Draw an effect; without one, say what to do. */
  show(effect, { nOff, alone, isLive }) {
    this.card.classList.toggle("stale", false);
    this.card.setAttribute("aria-busy", "false");
    if (!effect) {
      this.size.textContent = "–";
      this.unit.textContent = "";
      this.measure.textContent = isLive
        ? "Switch a head off: its effect appears here."
        : "No head was off.";
      this.alone.textContent = "";
      this.rowsTitle.textContent = "";
      this.rows.replaceChildren();
      return;
    }
    this.size.textContent = format(effect.size);
    this.unit.textContent = effect.unit;
    this.measure.textContent = `${counted(nOff, "head")} off. ${effect.measure}`;
    this.alone.textContent =
      alone === null || nOff < 2 ? "" : `Sum of what each does alone: ${format(alone)}.`;
    const left = effect.left_out ? ` (the ${effect.rows.length} that change most)` : "";
    this.rowsTitle.textContent = `${effect.rows_title}${left}`;
    this.rows.setAttribute("aria-label", this.rowsTitle.textContent);
    const top = Math.max(...effect.rows.map(effectLength), 1e-12);
    this.rows.replaceChildren(...effect.rows.flatMap((row) => effectRow(row, top)));
  }

  /** What is shown no longer fits the switches: the new effect is on its way. */
  wait() {
    this.card.classList.toggle("stale", true);
    this.card.setAttribute("aria-busy", "true");
  }
}

function effectLength(row) {
  return row.after === undefined || row.after === null
    ? Math.abs(row.change)
    : Math.max(row.before, row.after);
}

/** Name, bar and number of one token; a mark on the bar is where it was before. */
function effectRow(row, top) {
  const isPair = row.after !== undefined && row.after !== null;
  const fill = element("i", { class: "fill" });
  fill.style.width = `${(100 * (isPair ? row.after : Math.abs(row.change))) / top}%`;
  const track = element("span", { class: "track" }, fill);
  if (isPair) {
    const mark = element("i", { class: "mark" });
    mark.style.left = `${(100 * row.before) / top}%`;
    track.append(mark);
  }
  const label = row.label === "" ? "␣" : row.label;
  const name = element("span", { class: `tok name${row.special ? " muted" : ""}` }, label);
  const words = isPair ? `${format(row.before)} → ${format(row.after)}` : format(row.change);
  return [name, track, element("span", { class: "number" }, words)];
}
