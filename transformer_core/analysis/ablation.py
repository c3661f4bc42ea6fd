"""Switch heads off and measure what becomes of the model's output.

A head is switched off while the model runs (:class:`AblateHead`), and the output is compared with
the untouched model's. Michel et al. 2019 and Voita et al. 2019 found that most heads can go, a few
cannot.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from transformer_core.analysis.proof import TOLERANCE, Check
from transformer_core.errors import InputError
from transformer_core.tracing.interventions import AblateHead, AblationMode, InItem
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

Head = tuple[int, int]
"""Layer and head."""

Switches = Mapping[Head, AblationMode]
"""Heads that are off, and how."""

TOKENS_AT_ONCE = 256
"""A sweep runs copies of the text together, up to so many tokens: more gains nothing on a CPU."""

MAX_COPIES = 16


@dataclass(frozen=True, eq=False)
class EmbeddingEffect:
    """What happened to an encoder's output.

    Attributes:
        size: Cosine distance, 1 − cos, of the sentence embeddings (the mean of the final residual
            stream over all tokens); 0: unchanged, 1: nothing in common.
        tokens: ‖Δr‖ / ‖r‖ of the final residual stream r at each position.
    """

    size: float
    tokens: Float[Tensor, " pos"]


@dataclass(frozen=True, eq=False)
class NextTokenEffect:
    """What happened to the distribution of the next token.

    Attributes:
        size: KL(before ‖ after) in bits, over the whole vocabulary.
        ids: The likeliest tokens, before or after, most likely before first.
        names: The same tokens as people read them.
        before: Their probabilities in the untouched model.
        after: Their probabilities with the heads off.
    """

    size: float
    ids: Int[Tensor, " candidate"]
    names: tuple[str, ...]
    before: Float[Tensor, " candidate"]
    after: Float[Tensor, " candidate"]


@dataclass(frozen=True, eq=False)
class TargetEffect:
    """What happened to the probabilities of a target that the decoder reads.

    Attributes:
        size: KL(before ‖ after) in bits, the mean over the target's positions.
        bits: KL at each position; the last one predicts what follows the target.
        before: Probability of each target token after the first, in the untouched model.
        after: The same with the heads off.
    """

    size: float
    bits: Float[Tensor, " tgt_pos"]
    before: Float[Tensor, " predicted_pos"]
    after: Float[Tensor, " predicted_pos"]


Effect = EmbeddingEffect | NextTokenEffect | TargetEffect


def switch_off(model: TraceableModel, trace: Trace, site: str, switches: Switches) -> Trace:
    """Run the traced text (and the same target) again with heads switched off.

    Raises:
        InputError: If the trace is of no text, or there is no such layer, head or site.
    """
    off = [AblateHead(site, *head, mode) for head, mode in switches.items()]
    return model.trace(_text(trace), trace.target, interventions=off)


def effect_on(
    model: TraceableModel, plain: Trace, changed: Trace, *, n_candidates: int = 5
) -> Effect:
    """Compare the outputs of two runs on the same tokens.

    An encoder–decoder is measured on the target's probabilities, a decoder on the next token's, an
    encoder on its sentence embedding.

    Args:
        model: The model of both; it names the candidates.
        plain: The untouched model's trace.
        changed: The trace with heads off.
        n_candidates: How many of the likeliest next tokens, before and after, to name.

    Raises:
        InputError: If the two did not read the same tokens.
    """
    if (plain.source, plain.target) != (changed.source, changed.target):
        raise InputError("The two traces are of different tokens; their outputs do not compare.")
    if plain.target is not None:
        return _on_target(plain, changed)
    before, after = plain.next_logits, changed.next_logits
    if plain.sites == ("decoder",) and before is not None and after is not None:
        return _on_next_token(model, before, after, n_candidates)
    return _on_embedding(plain, changed)


def sweep(
    model: TraceableModel,
    plain: Trace,
    site: str,
    *,
    mode: AblationMode = "zero",
    done: Collection[Head] = (),
) -> Iterator[dict[Head, float]]:
    """Switch each head off alone and yield the sizes of its effects, some heads at a time.

    Args:
        model: The model of the trace.
        plain: The untouched model's trace.
        site: The site whose heads are switched off.
        mode: How.
        done: Heads to leave out.

    Raises:
        InputError: If the trace is of no text.
    """
    text = _text(plain)
    n_tokens = len(plain.source) + len(plain.target or ())
    n_copies = max(1, min(MAX_COPIES, TOKENS_AT_ONCE // n_tokens))
    layers, heads = range(plain.n_layers(site)), range(plain.n_heads(site))
    left = [(layer, head) for layer in layers for head in heads if (layer, head) not in done]
    for start in range(0, len(left), n_copies):
        batch = left[start : start + n_copies]
        changed = model.trace_batch(
            [text] * len(batch),
            None if plain.target is None else [plain.target] * len(batch),
            interventions=[
                InItem(item, AblateHead(site, *head, mode)) for item, head in enumerate(batch)
            ],
        )
        yield {
            head: effect_on(model, plain, trace, n_candidates=1).size
            for head, trace in zip(batch, changed, strict=True)
        }


def head_importance(
    model: TraceableModel, plain: Trace, site: str, *, mode: AblationMode = "zero"
) -> Float[Tensor, "layer head"]:
    """How much the output changes when each head is switched off alone.

    In bits (KL) for a model that predicts tokens, as cosine distance for an encoder; see
    :func:`effect_on`. Heads that stand in for one another each look unimportant here.
    """
    sizes = torch.zeros(plain.n_layers(site), plain.n_heads(site))
    for found in sweep(model, plain, site, mode=mode):
        for head, size in found.items():
            sizes[head] = size
    return sizes


def divergence(
    before: Float[Tensor, "*pos vocab"], after: Float[Tensor, "*pos vocab"]
) -> Float[Tensor, "*pos"]:
    """KL(before ‖ after) of two rows of logits, in bits: Σ p log₂(p / q); never negative."""
    log_p, log_q = before.double().log_softmax(-1), after.double().log_softmax(-1)
    p = log_p.exp()
    terms = torch.where(p > 0, p * (log_p - log_q), 0.0)
    bits = terms.sum(-1) / torch.log(torch.tensor(2.0, dtype=torch.float64))
    return bits.clamp_min(0).float()


def prove_off(plain: Trace, changed: Trace, site: str, switches: Switches) -> list[Check]:
    """Check that the heads that should be off are off, and no others.

    In every layer a head's output z is compared with what its mode says. In the first layer with a
    head off, whose input is still the untouched model's, the other heads must write what they did.

    Args:
        plain: The untouched model's trace.
        changed: The trace with these heads off.
        site: Where they are.
        switches: The heads that are off.
    """
    if not switches:
        return []
    first = min(layer for layer, _ in switches)
    # The mean was taken of what the head would have written: known where the input is unchanged.
    off = max(
        _off_by(changed, plain if head[0] == first else changed, site, head, mode)
        for head, mode in switches.items()
    )
    before, after = (_outputs(trace, site, first) for trace in (plain, changed))
    others = [h for h in range(len(before)) if (first, h) not in switches]
    moved = float((after[others] - before[others]).abs().max()) if others else 0.0
    return [
        Check("heads off write what their mode says", off, off <= TOLERANCE),
        Check(f"other heads of L{first} write what they did", moved, moved <= TOLERANCE),
    ]


def _off_by(changed: Trace, source: Trace, site: str, head: Head, mode: AblationMode) -> float:
    """How far the output of a head that is off is from what its mode says."""
    layer, index = head
    z = _outputs(changed, site, layer)[index]
    if mode == "zero":
        wanted = torch.zeros_like(z)
    elif mode == "mean":
        wanted = _outputs(source, site, layer)[index].mean(0).expand_as(z)
    else:
        record = changed.record(site, layer=layer)
        seen = record.visible(index)
        seen = torch.ones(record.n_query, record.n_key) if seen is None else seen.float()
        wanted = seen / seen.sum(-1, keepdim=True) @ record.values(index)
    return float((z - wanted).abs().max()) / max(1.0, float(z.abs().max()))


def _outputs(trace: Trace, site: str, layer: int) -> Float[Tensor, "head query_pos d_value"]:
    z = trace.record(site, layer=layer).z
    if z is None:
        raise InputError("This trace holds no head outputs; trace the text with a model.")
    return z.float()


def _on_embedding(plain: Trace, changed: Trace) -> EmbeddingEffect:
    before, after = (_final_stream(trace).double() for trace in (plain, changed))
    cosine = torch.cosine_similarity(before.mean(0), after.mean(0), dim=0)
    moved = (after - before).norm(dim=-1) / before.norm(dim=-1)
    return EmbeddingEffect(max(0.0, float(1 - cosine)), moved.float())


def _on_next_token(
    model: TraceableModel, before: Tensor, after: Tensor, n_candidates: int
) -> NextTokenEffect:
    p, q = before.float().softmax(-1), after.float().softmax(-1)
    likely = {*p.topk(n_candidates).indices.tolist(), *q.topk(n_candidates).indices.tolist()}
    ranked = sorted(likely, key=lambda token: (-float(p[token]), token))
    ids, names = torch.tensor(ranked), tuple(_name(model, token) for token in ranked)
    return NextTokenEffect(float(divergence(before, after)), ids, names, p[ids], q[ids])


def _name(model: TraceableModel, token: int) -> str:
    """A token as people read it; models often have more rows than their tokenizer has tokens."""
    try:
        return model.tokenizer.from_ids([token]).display[0]
    except InputError:
        return f"⟨{token}⟩"


def _on_target(plain: Trace, changed: Trace) -> TargetEffect:
    before, after = plain.logits, changed.logits
    if before is None or after is None or plain.target is None:
        raise InputError(f"{plain.model_name} predicts no tokens; there is no output to compare.")
    bits = divergence(before, after)
    predicted = torch.tensor(plain.target.ids[1:], dtype=torch.long)[:, None]
    p, q = (
        logits[: len(predicted)].float().softmax(-1).gather(-1, predicted)[:, 0]
        for logits in (before, after)
    )
    return TargetEffect(float(bits.mean()), bits, p, q)


def _final_stream(trace: Trace) -> Float[Tensor, "pos d_model"]:
    site = trace.sites[0]
    return trace.resid(site, layer=trace.n_layers(site) - 1)


def _text(trace: Trace) -> str:
    if not trace.text:
        raise InputError("Heads can be switched off for a text only; this trace is of none.")
    return trace.text
