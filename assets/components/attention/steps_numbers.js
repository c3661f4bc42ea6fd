// Every number between one query and its output, computed here from q, k, v as they were sent.

/** The steps that this head takes; a bias, a cap and a comparison only where they exist. */
export function stepsOf(evidence) {
  return [
    "dot",
    "scale",
    ...(evidence.facts.softcap ? ["cap"] : []),
    ...(evidence.hasBias ? ["bias"] : []),
    "mask",
    "exp",
    "weight",
    "value",
    ...(evidence.z ? ["check"] : []),
  ];
}

/** The columns of one query over its keys, the keys that are shown, and the output. */
export class StepsNumbers {
  constructor(evidence, query, maxShown) {
    Object.assign(this, { evidence, query });
    const { nKey, facts } = evidence;
    const column = (value) => Float64Array.from({ length: nKey }, (_, key) => value(key));
    this.isMasked = Array.from({ length: nKey }, (_, key) => evidence.isMasked(query, key));
    this.dot = column((key) => evidence.dot(query, key));
    this.scale = column((key) => this.dot[key] * facts.scaling);
    this.cap = column((key) => evidence.capped(this.scale[key]));
    this.bias = column((key) => this.cap[key] + evidence.biasAt(query, key));
    this.mask = column((key) => (this.isMasked[key] ? -Infinity : this.bias[key]));
    this.largest = this.mask.reduce((top, score) => Math.max(top, score), -Infinity);
    this.exp = column((key) => Math.exp(this.mask[key] - this.largest));
    this.sum = this.exp.reduce((total, value) => total + value, 0);
    this.weight = column((key) => this.exp[key] / this.sum);
    this.nMasked = this.isMasked.filter(Boolean).length;
    this.shown = strongestKeys(this.weight, maxShown);
    this.rest = this.restOf();
    this.output = this.outputOf(this.shown.length + 1);
  }

  /** What the keys that are not shown add up to; null where all are shown. */
  restOf() {
    const count = this.weight.length - this.shown.length;
    if (!count) return null;
    const isShown = new Set(this.shown);
    const rest = { count, exp: 0, weight: 0, nMasked: 0, keys: [] };
    for (let key = 0; key < this.weight.length; key += 1) {
      if (isShown.has(key)) continue;
      rest.exp += this.exp[key];
      rest.weight += this.weight[key];
      rest.nMasked += this.isMasked[key];
      rest.keys.push(key);
    }
    return rest;
  }

  /** Σ weight · v over the first `count` rows; the keys that are not shown are the row after them. */
  outputOf(count) {
    const output = new Float64Array(this.evidence.valueWidth);
    const add = (key) => {
      const weight = this.weight[key];
      for (let i = 0; weight && i < output.length; i += 1) output[i] += weight * this.evidence.valueAt(key, i);
    };
    this.shown.slice(0, count).forEach(add);
    if (this.rest && count > this.shown.length) this.rest.keys.forEach(add);
    return output;
  }

  vector(name, key) {
    const { evidence, query } = this;
    const [n, value] = {
      q: [evidence.width, (i) => evidence.queryAt(query, i)],
      k: [evidence.width, (i) => evidence.keyAt(key, i)],
      qk: [evidence.width, (i) => evidence.queryAt(query, i) * evidence.keyAt(key, i)],
      v: [evidence.valueWidth, (i) => evidence.valueAt(key, i)],
      wv: [evidence.valueWidth, (i) => this.weight[key] * evidence.valueAt(key, i)],
      z: [evidence.valueWidth, (i) => evidence.outputAt(query, i)],
    }[name];
    return Float64Array.from({ length: n }, (_, i) => value(i));
  }

  /** The largest difference from the module's own output, as computed before anything was rounded. */
  get difference() {
    return this.evidence.isExact ? this.ownDifference : this.evidence.difference[this.query];
  }

  /** The same from the numbers as they were sent. */
  get ownDifference() {
    return this.output.reduce(
      (top, value, i) => Math.max(top, Math.abs(value - this.evidence.outputAt(this.query, i))), 0,
    );
  }

  /** Small beside the output itself: rounding in the model's own arithmetic, nothing more. */
  get isEqual() {
    const size = this.output.reduce((top, value) => Math.max(top, Math.abs(value)), 1);
    return this.difference <= 1e-4 * size;
  }
}

/** At most `count` keys of the largest weights, in the order of the text. */
function strongestKeys(weights, count) {
  const keys = Array.from(weights, (_, key) => key);
  if (keys.length <= count) return keys;
  keys.sort((a, b) => weights[b] - weights[a] || a - b);
  return keys.slice(0, count).sort((a, b) => a - b);
}
