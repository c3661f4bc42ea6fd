"""Quality against the number of heads that are gone: least important first, beside random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from transformer_core.efficiency.cutting import without_heads
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.heads import (
    Importance,
    check_number,
    importance,
    least_important_first,
    random_order,
)
from transformer_core.efficiency.quality import GoOn, Quality, embeddings, kind_of, measure
from transformer_core.efficiency.refitting import refit
from transformer_core.efficiency.surgeon import least_missed_first, missing_without
from transformer_core.efficiency.variants import Head, all_heads, plain
from transformer_core.errors import InputError
from transformer_core.tracing.scratch import ScratchModel

By = Literal["gradient", "ablation", "surgeon"]


@dataclass(frozen=True)
class Pruning:
    """How heads are taken out.

    Attributes:
        n_heads: Heads to take out at most.
        by: How importance is measured: as :mod:`~transformer_core.efficiency.heads` does, or, in a
            model of our own, by what the others cannot make up for once refitted (``surgeon``).
        step: Heads after which it is measured again; 0 measures once. The surgeon then looks at the
            model as refitted until there.
        is_refitted: Whether the output matrices of the other heads are fitted anew (our models).
        n_points: Points of the curve, beside the plain model's.
        seeds: One random order each, to compare with.
    """

    n_heads: int
    by: By = "gradient"
    step: int = 0
    is_refitted: bool = False
    n_points: int = 4
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass
class PruningCurve:
    """What was found so far; it grows while it is measured.

    Attributes:
        pruning: What was asked.
        importance: Of every head, before any is gone.
        order: Heads in the order in which they go.
        plain: Quality of the untouched model.
        chosen: Quality by number of heads gone, least important first.
        random: The same for each random order.
    """

    pruning: Pruning
    importance: Importance = field(default_factory=dict)
    order: list[Head] = field(default_factory=list)
    plain: Quality | None = None
    chosen: dict[int, Quality] = field(default_factory=dict)
    random: dict[int, dict[int, Quality]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "pruning": asdict(self.pruning),
            "importance": [[*head, value] for head, value in self.importance.items()],
            "order": [list(head) for head in self.order],
            "plain": None if self.plain is None else self.plain.to_dict(),
            "least_important_first": {n: q.to_dict() for n, q in self.chosen.items()},
            "random": {
                seed: {n: q.to_dict() for n, q in found.items()}
                for seed, found in self.random.items()
            },
        }


def points_of(pruning: Pruning) -> list[int]:
    """Numbers of heads gone at which quality is measured, evenly up to all that are to go."""
    n = min(pruning.n_points, pruning.n_heads)
    return sorted({round(pruning.n_heads * i / n) for i in range(1, n + 1)}) if n else []


def pruning_curve(
    model: Any,
    on: EvaluationSet,
    pruning: Pruning,
    *,
    grew: Callable[[PruningCurve, int, int], None] = lambda _, __, ___: None,
    go_on: GoOn = lambda: None,
) -> PruningCurve:
    """Measure quality while heads go, in the order of importance and in random ones.

    Args:
        model: The model.
        on: Quality is measured on its pairs or passages, importance on its calibration part.
        pruning: How.
        grew: Told of the curve after each point, with points done and points in all.
        go_on: Called between parts; raises to end it.

    Raises:
        InputError: If all heads are to go.
    """
    check_number(model, pruning.n_heads)
    curve = PruningCurve(pruning)
    points = points_of(pruning)
    total = 2 + len(points) * (1 + len(pruning.seeds))
    untouched = plain(model)
    reference = embeddings(untouched, on, go_on) if kind_of(model) == "similarity" else None
    curve.plain = measure(untouched, on, reference=reference, go_on=go_on)
    grew(curve, 1, total)
    curve.importance, curve.order = _ranked(model, on, pruning, go_on)
    grew(curve, 2, total)

    def quality(heads: Sequence[Head]) -> Quality:
        variant = without_heads(model, heads)
        if pruning.is_refitted and isinstance(model, ScratchModel):
            variant = refit(model, variant, on, go_on=go_on)
        return measure(variant, on, reference=reference, go_on=go_on)

    done = 2
    for n in points:
        curve.chosen[n] = quality(curve.order[:n])
        grew(curve, done := done + 1, total)
    for seed in pruning.seeds:
        order = random_order(model, pruning.n_heads, seed=seed)
        curve.random[seed] = {}
        for n in points:
            curve.random[seed][n] = quality(order[:n])
            grew(curve, done := done + 1, total)
    return curve


def _ranked(
    model: Any, on: EvaluationSet, pruning: Pruning, go_on: GoOn
) -> tuple[Importance, list[Head]]:
    """Importance of each head, and the order in which heads go."""
    if pruning.by != "surgeon":
        found = importance(model, on, by=pruning.by, go_on=go_on)
        order = least_important_first(
            model, on, pruning.n_heads, by=pruning.by, step=pruning.step, go_on=go_on
        )
        return found, order
    if not isinstance(model, ScratchModel):
        raise InputError(
            f"{model.card.id} is not of this project's own kind, whose matrices can be refitted; "
            "measure importance by gradient or ablation."
        )
    found = missing_without(model, on, go_on=go_on)
    return found, _operated(model, on, pruning, go_on)


def _operated(model: ScratchModel, on: EvaluationSet, pruning: Pruning, go_on: GoOn) -> list[Head]:
    """The surgeon's order; after every step it looks at the model as refitted until then."""
    order: list[Head] = []
    while len(order) < pruning.n_heads:
        now: Any = model
        if order:
            now = refit(model, without_heads(model, order), on, go_on=go_on).model
        n_next = min(pruning.step or pruning.n_heads, pruning.n_heads - len(order))
        left = [head for head in all_heads(model) if head not in order]
        for site, layer, index in least_missed_first(now, on, n_next, go_on=go_on):
            order.append([head for head in left if head[:2] == (site, layer)][index])
    return order
