// From a step's scores to the distribution that a token is chosen from; the rules and their order are
// those of transformer_core/decoding/filters.py.

export const KEPT = 0;
const FORCED = 4;
export const TOP_K = 5;
export const TOP_P = 6;
export const MIN_P = 7;

/** The scores of one step: one entry a token, or (id −1) a group of tokens with like scores. */
export function scoresOf(payload, step) {
  const { arrays } = payload;
  const { best_ids: bestIds, best, peak, offsets } = arrays;
  const width = bestIds.shape[1];
  const from = step * width;
  if (offsets) {
    const size = offsets.shape[1];
    const logits = new Float64Array(size);
    for (let i = 0; i < size; i += 1) logits[i] = peak.codes[step] + offsets.codes[step * size + i];
    for (let i = from; i < from + width; i += 1) {
      if (bestIds.codes[i] >= 0) logits[bestIds.codes[i]] = best.codes[i];
    }
    return { ids: Int32Array.from(logits, (_, i) => i), logits, sizes: new Int32Array(size).fill(1) };
  }
  const entries = [];
  for (let i = from; i < from + width; i += 1) {
    if (bestIds.codes[i] >= 0) entries.push([bestIds.codes[i], best.codes[i], 1]);
  }
  const { buckets, bucket_sizes: bucketSizes } = arrays;
  const groups = buckets.shape[1];
  for (let i = step * groups; i < (step + 1) * groups; i += 1) {
    if (bucketSizes.codes[i]) entries.push([-1, buckets.codes[i], bucketSizes.codes[i]]);
  }
  return {
    ids: Int32Array.from(entries, (entry) => entry[0]),
    logits: Float64Array.from(entries, (entry) => entry[1]),
    sizes: Int32Array.from(entries, (entry) => entry[2]),
  };
}

/**
 * What a step chooses from under some settings.
 *
 * @param {{ids, logits, sizes}} scores of one step
 * @param {{temperature, topK, topP, minP, penalty}} settings; null for a filter that is off
 * @param {{previous, cut, only}} step what was written before and what is banned
 */
export function distributionOf(scores, settings, step) {
  const { ids, logits, sizes } = scores;
  const count = ids.length;
  const penalised = penalisedOf(scores, settings.penalty, step.previous);
  const cut = new Uint8Array(count);
  const scaled = applyBans(scores, penalised, cut, step);
  if (settings.temperature !== 1) for (let i = 0; i < count; i += 1) scaled[i] /= settings.temperature;
  const order = Uint32Array.from(scaled, (_, i) => i).sort((a, b) => scaled[b] - scaled[a]);
  const state = { scaled, sizes, cut, order };
  const filters = {
    topK: settings.topK === null ? null : cutTopK(state, settings.topK),
    topP: settings.topP === null || settings.topP >= 1 ? null : cutTopP(state, settings.topP),
    minP: settings.minP === null ? null : cutMinP(state, settings.minP),
  };
  const { weights, sum, largest } = weightsOf(state);
  return {
    ...scores,
    penalised,
    scaled,
    cut,
    filters,
    weights,
    largest,
    normaliser: sum,
    chances: weights.map((weight) => weight / sum),
    own: softmax(logits, sizes),
    kept: order.reduce((n, i) => n + (cut[i] === KEPT ? sizes[i] : 0), 0),
    total: sizes.reduce((n, size) => n + size, 0),
  };
}

function penalisedOf({ ids, logits }, penalty, previous) {
  const result = Float64Array.from(logits);
  if (penalty === 1) return result;
  const written = new Set(previous);
  ids.forEach((id, i) => {
    if (id >= 0 && written.has(id)) result[i] = logits[i] < 0 ? logits[i] * penalty : logits[i] / penalty;
  });
  return result;
}

/** Mark what must not be written; what is asked for counts as certain. Returns the scores then. */
function applyBans({ ids }, penalised, cut, step) {
  const scaled = Float64Array.from(penalised);
  const reasons = new Map();
  for (const [reason, banned] of Object.entries(step.cut)) {
    for (const id of banned) if (!reasons.has(id)) reasons.set(id, Number(reason));
  }
  const only = new Set(step.only);
  if (!only.size && !reasons.size) return scaled;
  ids.forEach((id, i) => {
    if (only.size) {
      cut[i] = only.has(id) ? KEPT : FORCED;
      if (only.has(id)) scaled[i] = 0;
    } else if (reasons.has(id)) cut[i] = reasons.get(id);
  });
  return scaled;
}

/** Keep the k best, and those as good as the last of them; returns that one's score. */
function cutTopK({ scaled, sizes, cut, order }, k) {
  let seen = 0;
  let limit = -Infinity;
  for (const i of order) {
    if (cut[i] !== KEPT) continue;
    seen += sizes[i];
    if (seen >= k) {
      limit = scaled[i];
      break;
    }
  }
  for (const i of order) if (cut[i] === KEPT && scaled[i] < limit) cut[i] = TOP_K;
  return { limit };
}

/** Keep the smallest set of the best that has at least probability p; the best always stays.
 * Returns what those before each make up together. */
function cutTopP(state, p) {
  const { sizes, cut, order } = state;
  const { weights, sum } = weightsOf(state);
  const [first] = order.filter((i) => cut[i] === KEPT);
  const before = new Float64Array(cut.length);
  let below = 0;
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const i = order[at];
    if (cut[i] !== KEPT) continue;
    below += (weights[i] * sizes[i]) / sum;
    before[i] = Math.max(0, 1 - below);
    if (below <= 1 - p && i !== first) cut[i] = TOP_P;
  }
  return { before };
}

/** Keep what has at least this share of the best one's probability; returns the shares. */
function cutMinP(state, share) {
  const { weights } = weightsOf(state);
  for (const i of state.order) if (state.cut[i] === KEPT && weights[i] < share) state.cut[i] = MIN_P;
  return { weights };
}

/** exp(score − the largest), 0 where it was cut; and their sum over all tokens. */
function weightsOf({ scaled, sizes, cut, order }) {
  const best = order.find((i) => cut[i] === KEPT);
  const largest = best === undefined ? 0 : scaled[best];
  const weights = new Float64Array(scaled.length);
  let sum = 0;
  for (const i of order) {
    if (cut[i] !== KEPT) continue;
    weights[i] = Math.exp(scaled[i] - largest);
    sum += weights[i] * sizes[i];
  }
  return { weights, sum, largest };
}

function softmax(logits, sizes) {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = logits.map((value) => Math.exp(value - largest));
  const sum = weights.reduce((total, weight, i) => total + weight * sizes[i], 0);
  return weights.map((weight) => weight / sum);
}

/** The n largest logits, the n likeliest to be chosen and the written one, by logit; and the rest. */
export function shownOf(distribution, n, chosen) {
  const { ids, logits, chances, cut, own, sizes, scaled } = distribution;
  const named = [...ids.keys()].filter((i) => ids[i] >= 0);
  const byLogit = named.sort((a, b) => logits[b] - logits[a] || ids[a] - ids[b]);
  const likeliest = byLogit.filter((i) => cut[i] === KEPT).sort((a, b) => scaled[b] - scaled[a]);
  const picked = new Set([...byLogit.slice(0, n), ...likeliest.slice(0, n)]);
  const written = byLogit.find((i) => ids[i] === chosen);
  if (written !== undefined) picked.add(written);
  const tail = { count: 0, kept: 0, own: 0, chance: 0 };
  for (let i = 0; i < ids.length; i += 1) {
    if (picked.has(i)) continue;
    tail.count += sizes[i];
    if (cut[i] === KEPT) tail.kept += sizes[i];
    tail.own += own[i] * sizes[i];
    tail.chance += chances[i] * sizes[i];
  }
  return { rows: byLogit.filter((i) => picked.has(i)), tail };
}

/** Bits of surprise that the choice holds on average. */
export function entropyOf({ chances, sizes }) {
  return chances.reduce((sum, p, i) => (p > 0 ? sum - sizes[i] * p * Math.log2(p) : sum), 0);
}
