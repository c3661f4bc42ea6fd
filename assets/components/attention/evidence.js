// Recomputing a score from its query and key, in the browser.

const EMPTY = { codes: null, shape: [0, 0] };

/** Queries, keys and normalisers of one head, or of the exact part of a pooled map. */
export class Evidence {
  constructor(payload) {
    const { arrays, options } = payload;
    this.facts = options.evidence;
    const { q, k, v = EMPTY, z = EMPTY, bias = EMPTY, mask = EMPTY, difference = EMPTY } = arrays;
    Object.assign(this, { q: q.codes, k: k.codes, v: v.codes, z: z.codes });
    [this.nQuery, this.width] = q.shape;
    this.nKey = k.shape[0];
    this.valueWidth = v.shape[1];
    this.rowMax = arrays.row_max.codes;
    this.rowSum = arrays.row_sum.codes;
    this.bias = bias.codes;
    this.maskBits = mask.codes;
    this.maskWidth = mask.shape[1];
    this.difference = difference.codes;
    this.isExact = this.facts.exact;
    [this.firstQuery, this.firstKey] = this.facts.origin || [0, 0];
  }

  static of(payload) {
    return payload.options.evidence ? new Evidence(payload) : null;
  }

  /** False for a cell outside the part that was sent. */
  has(query, key) {
    const [row, column] = [query - this.firstQuery, key - this.firstKey];
    return row >= 0 && row < this.nQuery && column >= 0 && column < this.nKey;
  }

  queryAt(query, i) {
    return this.q[(query - this.firstQuery) * this.width + i];
  }

  keyAt(key, i) {
    return this.k[(key - this.firstKey) * this.width + i];
  }

  valueAt(key, i) {
    return this.v[(key - this.firstKey) * this.valueWidth + i];
  }

  outputAt(query, i) {
    return this.z[(query - this.firstQuery) * this.valueWidth + i];
  }

  maxOf(query) {
    return this.rowMax[query - this.firstQuery];
  }

  sumOf(query) {
    return this.rowSum[query - this.firstQuery];
  }

  /** q_i · k_i by dimension. */
  products(query, key) {
    return Float64Array.from({ length: this.width }, (_, i) => this.queryAt(query, i) * this.keyAt(key, i));
  }

  dot(query, key) {
    let sum = 0;
    const [a, b] = [(query - this.firstQuery) * this.width, (key - this.firstKey) * this.width];
    for (let i = 0; i < this.width; i += 1) sum += this.q[a + i] * this.k[b + i];
    return sum;
  }

  /** The largest |q·k| of a query among the keys that were sent. */
  largestDot(query) {
    let largest = 1e-12;
    for (let key = 0; key < this.nKey; key += 1) {
      largest = Math.max(largest, Math.abs(this.dot(query, key + this.firstKey)));
    }
    return largest;
  }

  /** A score squeezed by the soft cap, where the model has one. */
  capped(score) {
    const cap = this.facts.softcap;
    return cap ? cap * Math.tanh(score / cap) : score;
  }

  biasAt(query, key) {
    const [row, column] = [query - this.firstQuery, key - this.firstKey];
    if (this.facts.bias === "offset") return this.bias[column - row + this.nQuery - 1];
    if (this.facts.bias === "full") return this.bias[row * this.nKey + column];
    return 0;
  }

  get hasBias() {
    return this.facts.bias === "offset" || this.facts.bias === "full";
  }

  /** A bias exists but was too large to send: scores cannot be recomputed in full. */
  get isPartial() {
    return this.facts.bias === "inferred";
  }

  /** Whether this query may not look at this key; known for the steps, else the map's to say. */
  isMasked(query, key) {
    if (this.facts.mask === "causal") return key > query + this.nKey - this.nQuery;
    if (this.facts.mask !== "bits") return false;
    return !((this.maskBits[query * this.maskWidth + (key >> 3)] >> (key & 7)) & 1);
  }

  score(query, key) {
    return this.capped(this.dot(query, key) * this.facts.scaling) + this.biasAt(query, key);
  }

  /** exp(score − largest score of the row). */
  exponential(query, key) {
    return Math.exp(this.score(query, key) - this.maxOf(query));
  }

  weight(query, key) {
    return this.exponential(query, key) / this.sumOf(query);
  }

  /** How the scaling is written: ÷ √32 where it is 1/√d, × 0.2 elsewhere. */
  scalingText(formatNumber) {
    if (Math.abs(this.facts.scaling * Math.sqrt(this.width) - 1) < 1e-6) return `÷ √${this.width}`;
    return this.facts.scaling === 1 ? "× 1" : `× ${formatNumber(this.facts.scaling)}`;
  }
}
