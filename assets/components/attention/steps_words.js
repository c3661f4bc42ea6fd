// The steps in words: name, column, equation, and a sentence with this query's numbers.

import { tokenNode } from "./dom.js";
import { approximate, counted, format } from "./numbers.js";

/** Short names, as on the buttons. */
export function stepName(step, evidence) {
  return {
    dot: "q · kᵀ",
    scale: evidence.scalingText(format),
    cap: `cap ± ${format(evidence.facts.softcap)}`,
    bias: "+ bias",
    mask: "mask",
    exp: "exp",
    weight: "÷ sum",
    value: "· v",
    check: "compare",
  }[step];
}

/** What a step does, in a few words. */
export const STEP_TITLES = {
  dot: "compare query and keys",
  scale: "scale the scores",
  cap: "cap the scores",
  bias: "add the bias",
  mask: "mask",
  exp: "softmax, first half",
  weight: "softmax, second half",
  value: "add up the values",
  check: "compare with the model",
};

/** The equation in pieces: text, whose hue it has, and the steps in which it is at work. */
export function equationOf(evidence) {
  const { softcap } = evidence.facts;
  const scaling = evidence.scalingText(format);
  const pieces = [
    ["z", "value", ["value", "check"]],
    [" = ", "", []],
    ["softmax", "pattern", ["exp", "weight"]],
    ["( ", "", []],
    softcap ? [`${format(softcap)} tanh( `, "", ["cap"]] : null,
    ["q", "query", ["dot"]],
    [" · ", "", ["dot"]],
    ["kᵀ", "key", ["dot"]],
    [` ${scaling}`, "", ["scale"]],
    softcap ? [` ÷ ${format(softcap)} )`, "", ["cap"]] : null,
    evidence.hasBias ? [" + bias", "", ["bias"]] : null,
    [", ", "", []],
    ["masked", "", ["mask"]],
    [" )", "", []],
    [" · ", "", ["value"]],
    ["v", "value", ["value"]],
  ];
  return pieces.filter(Boolean).map(([text, part, steps]) => ({ text, part, steps }));
}

/** What a step does, with the numbers of the picked key: strings and nodes. */
export function stepSentence(step, numbers, key, payload) {
  const { evidence, query } = numbers;
  const is = (value) => approximate(value, evidence.isExact);
  const k = tokenNode(payload.keys.display[key], "key");
  const q = tokenNode(payload.queries.display[query], "query");
  return {
    dot: () => [
      "Multiply the query with every key, dimension by dimension, and add up. For ", k,
      `: ${evidence.width} products, q · k = ${is(numbers.dot[key])}.`,
    ],
    scale: () => [scaleReason(evidence), " For ", k, `: ${is(numbers.dot[key])} becomes ${is(numbers.scale[key])}.`],
    cap: () => [
      `Squeeze each score s to ± ${format(evidence.facts.softcap)}: cap · tanh(s ÷ cap). For `, k,
      `: ${is(numbers.scale[key])} becomes ${is(numbers.cap[key])}.`,
    ],
    bias: () => [
      "Add this layer's bias, a number for the distance between query and key. For ", k,
      `: ${is(numbers.cap[key])} + ${is(numbers.bias[key] - numbers.cap[key])} = ${is(numbers.bias[key])}.`,
    ],
    mask: () => maskSentence(numbers, q),
    exp: () => [
      `Take the row's largest score, ${is(numbers.largest)}, off each and raise e to the rest. `,
      "The largest becomes 1. For ", k, `: ${is(numbers.exp[key])}.`,
    ],
    weight: () => [
      `Divide by the sum of the row, ${is(numbers.sum)}. The weights sum to 1. For `, k,
      `: ${is(numbers.exp[key])} ÷ ${is(numbers.sum)} = ${is(numbers.weight[key])}.`,
    ],
    value: () => [
      "Each value counts by its weight. The sum z is what this head puts out for ", q, ". ", k,
      ` brings ${is(numbers.weight[key])} · v.`,
    ],
    check: () => checkSentence(numbers),
  }[step]();
}

function scaleReason(evidence) {
  const { scaling } = evidence.facts;
  if (scaling === 1) return "This model does not scale its scores: it was trained to live without.";
  if (evidence.scalingText(format).startsWith("÷")) {
    return `Divide each score by √${evidence.width} = ${format(Math.sqrt(evidence.width))}: without, scores grow with the head's width and softmax picks a single key.`;
  }
  return `Multiply each score by ${format(scaling)}, this model's own factor.`;
}

function maskSentence(numbers, q) {
  const n = numbers.weight.length;
  if (!numbers.nMasked) return ["No key is masked: ", q, ` may look at all ${counted(n, "key")}.`];
  return [
    q, ` may look at ${n - numbers.nMasked} of ${counted(n, "key")}. The score of each other key becomes −∞, `,
    "so that its weight is exactly 0.",
  ];
}

function checkSentence(numbers) {
  const { evidence, difference, isEqual } = numbers;
  const verdict = isEqual
    ? "The model's own attention module puts out the same numbers"
    : "The model's own attention module puts out OTHER numbers";
  const rounded = evidence.isExact
    ? ""
    : ` before rounding; the numbers sent here have 11 bits and differ by ${format(numbers.ownDifference, 2)}`;
  return [`${verdict}: over ${evidence.valueWidth} dimensions the largest difference is ${format(difference, 2)}${rounded}.`];
}

/** A vector's number in a small cell: two decimals up to 10, fewer above. */
export function cellNumber(value) {
  const size = Math.abs(value);
  const text = size.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}
