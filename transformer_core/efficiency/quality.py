"""How good a model is, in the unit that fits it: BLEU, perplexity, or likeness to the plain one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, losses, pair_batch, seated, text_batch
from transformer_core.efficiency.variants import Variant
from transformer_core.errors import InputError
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.scratch import ScratchModel

Kind = Literal["BLEU", "perplexity", "similarity"]

NAMES: dict[Kind, str] = {
    "BLEU": "BLEU, translated greedily (higher is better)",
    "perplexity": "perplexity, exp of the mean cross-entropy of a token (lower is better)",
    "similarity": "mean cosine of sentence embeddings with the plain model's (1 is the same)",
}
_PAIRS_AT_ONCE = 32
GoOn = Callable[[], None]
"""Called between parts of long work; raises to end it."""


@dataclass(frozen=True)
class Quality:
    """How good a variant is.

    Attributes:
        kind: What was measured.
        value: The number.
        further: Other numbers of the same measurement, by name.
    """

    kind: Kind
    value: float
    further: dict[str, float] = field(default_factory=dict)

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better."""
        return self.kind != "perplexity"

    def relative_to(self, plain: Quality) -> float:
        """This quality with the plain model's at 1; above 1 is better."""
        if self.higher_is_better:
            return self.value / plain.value if plain.value else math.nan
        return plain.value / self.value

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def kind_of(model: Any) -> Kind:
    """What a model's quality is measured by.

    Raises:
        InputError: If it reads no text, or nothing fits it.
    """
    if getattr(model, "_tokenizer", True) is None:
        raise InputError(
            f"{model.card.id} reads images; efficiency is measured on models that read text."
        )
    if isinstance(model, ScratchModel) and model.is_encoder_decoder:
        return "BLEU"
    if model.sites == ("encoder",):
        return "similarity"
    return "perplexity"


@torch.inference_mode()
def measure(
    variant: Variant,
    on: EvaluationSet,
    *,
    reference: Tensor | None = None,
    go_on: GoOn = lambda: None,
) -> Quality:
    """Measure a variant's quality.

    Args:
        variant: What to measure.
        on: The texts.
        reference: For an encoder, the plain model's :func:`embeddings` of the same sources.
        go_on: Called between parts.

    Raises:
        InputError: If the model reads no text.
    """
    kind = kind_of(variant.model)
    if kind == "BLEU":
        return _bleu(variant, on, go_on)
    if kind == "similarity":
        own = embeddings(variant, on, go_on)
        against = own if reference is None else reference
        return Quality(kind, float(torch.cosine_similarity(own, against, dim=-1).mean()))
    mean, n_tokens = cross_entropy(variant.model, on, variant.interventions, go_on=go_on)
    return Quality(kind, math.exp(min(mean, 700.0)), {"nats": mean, "tokens": n_tokens})


def cross_entropy(
    model: Any,
    on: EvaluationSet,
    interventions: Sequence[Intervention] = (),
    *,
    is_calibration: bool = False,
    go_on: GoOn = lambda: None,
) -> tuple[float, int]:
    """Mean cross-entropy of a token in nats, and the number of tokens.

    An encoder–decoder predicts the references, a decoder the passages.
    """
    total, n_tokens = 0.0, 0
    for batch in batches(model, on, is_calibration=is_calibration):
        go_on()
        with torch.inference_mode():
            total += float(losses(logits_of(model, batch, interventions), batch).sum())
        n_tokens += batch.n_labels
    return total / n_tokens, n_tokens


def batches(model: Any, on: EvaluationSet, *, is_calibration: bool) -> list[Any]:
    """What a model is to predict, in batches of like lengths."""
    if not model.is_encoder_decoder:
        return [text_batch(model, [passage]) for passage in on.passages]
    pairs = sorted(on.calibration if is_calibration else on.pairs, key=lambda r: len(r.source))
    return [
        pair_batch(model, [r.source for r in part], [r.targets[0] for r in part])
        for part in (pairs[i : i + _PAIRS_AT_ONCE] for i in range(0, len(pairs), _PAIRS_AT_ONCE))
    ]


def embeddings(
    variant: Variant, on: EvaluationSet, go_on: GoOn = lambda: None
) -> Float[Tensor, "text d_model"]:
    """Sentence embeddings of the sources: the mean of the last residual stream over all tokens."""
    model = variant.model
    site = model.sites[0]
    last = model.n_layers(site) - 1
    rows = []
    for start in range(0, len(on.pairs), _PAIRS_AT_ONCE):
        go_on()
        texts = [r.source for r in on.pairs[start : start + _PAIRS_AT_ONCE]]
        traces = model.trace_batch(texts, interventions=variant.interventions)
        rows += [trace.resid(site, layer=last).float().mean(dim=0) for trace in traces]
    return torch.stack(rows)


def translations(variant: Variant, sources: Sequence[str], go_on: GoOn = lambda: None) -> list[str]:
    """What a translator of our own writes, greedily, with the variant's changes made throughout."""
    from transformer_core.decoding.strategies import Greedy
    from transformer_core.training.validation import translate_greedily

    model = variant.model
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    written = [""] * len(sources)
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        go_on()
        places = order[start : start + _PAIRS_AT_ONCE]
        texts = [sources[place] for place in places]
        if variant.interventions:
            with seated(model, variant.interventions):
                results = translate_greedily(model.module, model.tokenizer, texts)
        else:
            ids = [model.tokenizer.encode(text).ids for text in texts]
            limit = 2 * max(map(len, ids)) + 10
            results = [
                model.tokenizer.decode(one.ids)
                for one in model.write(ids, Greedy(max_new_tokens=limit - 1))
            ]
        for place, text in zip(places, results, strict=True):
            written[place] = text.strip()
    return written


def _bleu(variant: Variant, on: EvaluationSet, go_on: GoOn) -> Quality:
    from transformer_core.training.validation import score

    written = translations(variant, [r.source for r in on.pairs], go_on)
    scores = score(written, [r.targets for r in on.pairs])
    return Quality("BLEU", scores.bleu, {"chrF": scores.chrf})
