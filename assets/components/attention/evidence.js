// Recomputing a score from its query and key, in the browser.

/** Queries, keys and normalisers of one head. */
export class Evidence {
  constructor(payload) {
    const { arrays, options } = payload;
    this.facts = options.evidence;
    this.q = arrays.q.codes;
    this.k = arrays.k.codes;
    this.v = arrays.v ? arrays.v.codes : null;
    this.nQuery = arrays.q.shape[0];
    this.nKey = arrays.k.shape[0];
    this.width = arrays.q.shape[1];
    this.valueWidth = arrays.v ? arrays.v.shape[1] : 0;
    this.rowMax = arrays.row_max.codes;
    this.rowSum = arrays.row_sum.codes;
    this.bias = arrays.bias ? arrays.bias.codes : null;
    this.isExact = this.facts.exact;
  }

  static of(payload) {
    return payload.options.evidence ? new Evidence(payload) : null;
  }

  /** q_i · k_i by dimension. */
  products(query, key) {
    const products = new Float64Array(this.width);
    for (let i = 0; i < this.width; i += 1) {
      products[i] = this.q[query * this.width + i] * this.k[key * this.width + i];
    }
    return products;
  }

  dot(query, key) {
    let sum = 0;
    const [a, b] = [query * this.width, key * this.width];
    for (let i = 0; i < this.width; i += 1) sum += this.q[a + i] * this.k[b + i];
    return sum;
  }

  /** q·k × scaling, squeezed by the soft cap where the model has one. */
  scaled(query, key) {
    const score = this.dot(query, key) * this.facts.scaling;
    const cap = this.facts.softcap;
    return cap ? cap * Math.tanh(score / cap) : score;
  }

  biasAt(query, key) {
    if (this.facts.bias === "offset") return this.bias[key - query + this.nQuery - 1];
    if (this.facts.bias === "full") return this.bias[query * this.nKey + key];
    return 0;
  }

  get hasBias() {
    return this.facts.bias === "offset" || this.facts.bias === "full";
  }

  /** A bias exists but was too large to send: scores cannot be recomputed in full. */
  get isPartial() {
    return this.facts.bias === "inferred";
  }

  score(query, key) {
    return this.scaled(query, key) + this.biasAt(query, key);
  }

  /** exp(score − largest score of the row). */
  exponential(query, key) {
    return Math.exp(this.score(query, key) - this.rowMax[query]);
  }

  weight(query, key) {
    return this.exponential(query, key) / this.rowSum[query];
  }

  /** How the scaling is written: ÷ √32 where it is 1/√d, × 0.2 elsewhere. */
  scalingText(formatNumber) {
    if (Math.abs(this.facts.scaling * Math.sqrt(this.width) - 1) < 1e-6) return `÷ √${this.width}`;
    return this.facts.scaling === 1 ? "× 1" : `× ${formatNumber(this.facts.scaling)}`;
  }
}
