"""Which attention heads a model needs least, and in which order they can go.

Michel et al. 2019 ("Are Sixteen Heads Really Better than One?") give each head a gate ξ of 1 and
ask how much the loss would change with it: I = E |∂L/∂ξ| (section 4.1). Taking each head out and
measuring the loss again says it exactly, one forward pass a head.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any, Literal

import torch

from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, losses
from transformer_core.efficiency.quality import (
    GoOn,
    batches,
    cross_entropy,
    embeddings,
    kind_of,
)
from transformer_core.efficiency.variants import Head, Variant, all_heads, plain
from transformer_core.errors import InputError
from transformer_core.tracing.interventions import AblateHead

By = Literal["gradient", "ablation"]

Importance = dict[Head, float]


def ablated(heads: Collection[Head]) -> tuple[AblateHead, ...]:
    """The changes that switch heads off."""
    return tuple(AblateHead(*head) for head in sorted(heads))


def importance(
    model: Any,
    on: EvaluationSet,
    *,
    by: By = "gradient",
    without: Collection[Head] = (),
    go_on: GoOn = lambda: None,
) -> Importance:
    """How much a model's loss depends on each head.

    Args:
        model: The model.
        on: Its calibration pairs, or passages, are what the loss is taken on.
        by: ``gradient``: E |∂L/∂ξ| in nats a text, all heads at once. ``ablation``: the rise of the
            mean loss when the head alone is taken out; nats a token, or for an encoder the drop of
            the embeddings' cosine. It may be negative: the model is better without.
        without: Heads that are off already; they are left out of the result.
        go_on: Called between parts.

    Raises:
        InputError: If an encoder is asked for gradients: its likeness to itself has no slope.
    """
    heads = [head for head in all_heads(model) if head not in set(without)]
    if by == "ablation":
        return _by_ablation(model, on, heads, without, go_on)
    if kind_of(model) == "similarity":
        raise InputError(
            f"{model.card.id} predicts no tokens, so there is no loss to take the gradient of; "
            "measure importance by ablation."
        )
    return _by_gradient(model, on, heads, without, go_on)


def least_important_first(
    model: Any,
    on: EvaluationSet,
    n_heads: int,
    *,
    by: By = "gradient",
    step: int = 0,
    go_on: GoOn = lambda: None,
) -> list[Head]:
    """The order in which heads are taken out.

    Args:
        model: The model.
        on: What importance is measured on.
        n_heads: How many are to be taken out.
        by: How importance is measured.
        step: Heads that are taken out before importance is measured again, as some stand in for
            others; 0 measures once.
        go_on: Called between parts.

    Raises:
        InputError: If no head would be left, or less than none is to go.
    """
    check_number(model, n_heads)
    order: list[Head] = []
    while len(order) < n_heads:
        found = importance(model, on, by=by, without=order, go_on=go_on)
        ranked = sorted(found, key=lambda head: (found[head], head))
        order += ranked[: min(step or n_heads, n_heads - len(order))]
    return order


def random_order(model: Any, n_heads: int, *, seed: int) -> list[Head]:
    """Heads in a random order.

    Raises:
        InputError: As above.
    """
    check_number(model, n_heads)
    return random.Random(seed).sample(all_heads(model), n_heads)  # noqa: S311  (no secret)


def check_number(model: Any, n_heads: int) -> None:
    """Refuse to take out what is not there, or all there is.

    Raises:
        InputError: If so.
    """
    there = len(all_heads(model))
    if not 0 <= n_heads < there:
        raise InputError(
            f"{n_heads} of {there} heads cannot be pruned: at least one must stay, so choose "
            f"from 0 to {there - 1}."
        )


def _by_ablation(
    model: Any, on: EvaluationSet, heads: Sequence[Head], without: Collection[Head], go_on: GoOn
) -> Importance:
    if kind_of(model) == "similarity":
        few = EvaluationSet(on.name, on.calibration, on.calibration, on.passages)
        reference = embeddings(plain(model), few, go_on)

        def loss(off: Collection[Head]) -> float:
            own = embeddings(Variant("", model, ablated(off)), few, go_on)
            return 1 - float(torch.cosine_similarity(own, reference, dim=-1).mean())
    else:

        def loss(off: Collection[Head]) -> float:
            return cross_entropy(model, on, ablated(off), is_calibration=True, go_on=go_on)[0]

    base = loss(without)
    return {head: loss([*without, head]) - base for head in heads}


def _by_gradient(
    model: Any, on: EvaluationSet, heads: Sequence[Head], without: Collection[Head], go_on: GoOn
) -> Importance:
    """The gates stand for each text by itself, so that |·| is taken before the mean."""
    total = dict.fromkeys(heads, 0.0)
    n_texts = 0
    off = ablated(without)
    places = sorted({(site, layer) for site, layer, _ in all_heads(model)})
    for batch in batches(model, on, is_calibration=True):
        go_on()
        n_items = len(batch.labels)
        gates = {
            place: torch.ones(n_items, model.n_heads(place[0]), requires_grad=True)
            for place in places
        }
        with torch.inference_mode(mode=False), torch.enable_grad():
            losses(logits_of(model, batch, off, gates), batch).sum().backward()
        for site, layer, head in heads:
            gradient = gates[site, layer].grad
            if gradient is not None:
                total[site, layer, head] += float(gradient[:, head].abs().sum())
        n_texts += n_items
    return {head: value / n_texts for head, value in total.items()}
