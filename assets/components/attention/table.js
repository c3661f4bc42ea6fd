// The numbers as a table, for a screen reader.

import { element } from "./dom.js";
import { approximate } from "./numbers.js";

const MAX_WHOLE = 32;

/** Fill a table with the whole map where it is small, else with one row of it. */
export function fillTable(container, payload, matrix, selected) {
  const isWhole = matrix.rows <= MAX_WHOLE && matrix.columns <= MAX_WHOLE;
  const name = `${payload.id} ${isWhole ? "" : selected[0]}`;
  if (container.dataset.name === name) return;
  container.dataset.name = name;
  const rows = isWhole ? Array.from({ length: matrix.rows }, (_, i) => i) : [selected[0]];
  container.replaceChildren(isWhole ? wholeTable(payload, matrix, rows) : rowTable(payload, matrix, rows[0]));
}

function wholeTable(payload, matrix, rows) {
  const table = element("table", {}, element("caption", {}, payload.caption));
  const head = element("tr", {}, element("th", { scope: "col" }, "query \\ key"));
  for (const key of payload.keys.display) head.append(element("th", { scope: "col" }, key));
  table.append(element("thead", {}, head));
  const body = element("tbody");
  for (const row of rows) {
    const line = element("tr", {}, element("th", { scope: "row" }, payload.queries.display[row]));
    for (let column = 0; column < matrix.columns; column += 1) {
      line.append(element("td", {}, cellText(matrix, row, column)));
    }
    body.append(line);
  }
  table.append(body);
  return table;
}

function rowTable(payload, matrix, row) {
  const caption = `Query ${payload.queries.display[row]} (position ${row}): weight of each key`;
  const body = element("tbody");
  for (let column = 0; column < matrix.columns; column += 1) {
    const name = element("th", { scope: "row" }, `${column} ${payload.keys.display[column]}`);
    body.append(element("tr", {}, name, element("td", {}, cellText(matrix, row, column))));
  }
  return element("table", {}, element("caption", {}, caption), body);
}

export function cellText(matrix, row, column) {
  if (matrix.isMasked(row, column)) return "masked, 0";
  return approximate(matrix.value(row, column), matrix.isExactAt(row, column));
}

/** The products of one dot product, dimension by dimension. */
export function fillDimensions(container, picture, caption) {
  const body = element("tbody");
  for (const { dimension, q, k, value } of picture.bars) {
    const cells = [q, k, value].map((number) => element("td", {}, approximate(number, true)));
    body.append(element("tr", {}, element("th", { scope: "row" }, String(dimension)), ...cells));
  }
  const names = ["dimension", "q", "k", "q × k"].map((name) => element("th", { scope: "col" }, name));
  const head = element("thead", {}, element("tr", {}, ...names));
  container.replaceChildren(element("table", {}, element("caption", {}, caption), head, body));
}

/** Every step of one query: a row a key that is shown, a column a step. */
export function fillSteps(container, payload, numbers, steps) {
  const columns = steps.filter((step) => numbers[step] instanceof Float64Array && step !== "value");
  const { isExact } = numbers.evidence;
  const body = element("tbody");
  for (const key of numbers.shown) {
    const cells = columns.map((step) => element("td", {}, approximate(numbers[step][key], isExact)));
    body.append(element("tr", {}, element("th", { scope: "row" }, `${key} ${payload.keys.display[key]}`), ...cells));
  }
  if (numbers.rest) {
    const text = `${numbers.rest.count} more keys, together weight ${approximate(numbers.rest.weight, isExact)}`;
    body.append(element("tr", {}, element("td", { colspan: columns.length + 1 }, text)));
  }
  const names = ["key", ...columns].map((name) => element("th", { scope: "col" }, name));
  const caption = `Query ${payload.queries.display[numbers.query]} (position ${numbers.query}), step by step`;
  const output = element("p", {}, `Output z: ${Array.from(numbers.output, (x) => approximate(x, isExact)).join(", ")}`);
  const head = element("thead", {}, element("tr", {}, ...names));
  container.replaceChildren(element("table", {}, element("caption", {}, caption), head, body), output);
}
