"""Which role each head plays, measured on the fixed probe set or on one text alone."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.analysis.probes import PROBES, Probes
from transformer_core.analysis.roles import (
    Material,
    Role,
    clear_roles,
    record_scores,
    role_cells,
    roles_at,
)
from transformer_core.errors import InputError, TextTooLongError
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

BATCH = 6
"""Texts a forward pass: enough to fill it, few enough that progress is seen."""

Progress = Callable[[int, int], None]
"""Is told how many of how many texts are done."""


@dataclass(frozen=True)
class RoleScore:
    """How strongly one head plays one role.

    Attributes:
        role: Its name.
        score: Mean over texts of the weight on the role's keys.
        spread: Standard deviation of that weight over texts; 0 for a single text.
        baseline: The score of shuffled rows, exactly (see :mod:`.roles`).
    """

    role: str
    score: float
    spread: float
    baseline: float


@dataclass(frozen=True, eq=False)
class RoleReport:
    """Scores of all heads at one site.

    Attributes:
        site: Where.
        roles: What was looked for.
        n_texts: On how many texts each role could be measured.
        score: Mean over texts; NaN where a role has no keys, such as the next token in a decoder.
        spread: Standard deviation over texts.
        baseline: Mean over texts of the exact expectation of shuffled rows.
        skipped: Probe texts too long for the model.
    """

    site: str
    roles: tuple[Role, ...]
    n_texts: tuple[int, ...]
    score: Float[Tensor, "layer head role"]
    spread: Float[Tensor, "layer head role"]
    baseline: Float[Tensor, "layer head role"]
    skipped: int = 0

    def scores(self, layer: int, head: int) -> list[RoleScore]:
        """Every role that could be measured on one head."""
        at = (layer, head)
        columns = (self.score[at].tolist(), self.spread[at].tolist(), self.baseline[at].tolist())
        return [
            RoleScore(role.name, *numbers)
            for role, *numbers in zip(self.roles, *columns, strict=True)
            if not math.isnan(numbers[0])
        ]

    def clear_roles(self, layer: int, head: int) -> list[RoleScore]:
        """The roles that a head clearly plays, the clearest first; none is an answer."""
        at = (layer, head)
        columns = (self.score[at].tolist(), self.baseline[at].tolist(), self.spread[at].tolist())
        by_name = {score.role: score for score in self.scores(layer, head)}
        return [by_name[self.roles[i].name] for i in clear_roles(self.roles, *columns)]


def text_roles(trace: Trace, site: str) -> RoleReport:
    """Roles on one text alone: without the roles that need repeated random words."""
    roles = tuple(role for role in roles_at(site) if role.material == "sentences")
    sums = _Sums.shaped(roles, trace, site)
    sums.add(trace, site, range(len(roles)))
    return sums.report(site, skipped=0)


def no_roles(trace: Trace, site: str) -> RoleReport:
    """A report in which no role was looked for."""
    return _Sums.shaped((), trace, site).report(site, skipped=0)


def probe_roles(
    model: TraceableModel, *, probes: Probes = PROBES, on_progress: Progress | None = None
) -> dict[str, RoleReport]:
    """Measure the roles of all heads of a model on the probe set, by site.

    In an encoder–decoder the sentences are answered by the model itself (greedily); the repeated
    words are given to both sides, so that the decoder reads them, too.

    Raises:
        InputError: If the model reads no text, or no probe is short enough for it.
    """
    sums = {site: _Sums(roles_at(site)) for site in model.sites}
    texts: dict[Material, list[str]] = {
        "sentences": _fitting(model, probes.sentences),
        "repeats": _fitting(model, probes.repeats),
    }
    total = sum(map(len, texts.values()))
    if not total:
        raise InputError(f"No probe text fits into {model.n_ctx} tokens; roles need at least one.")
    done = 0
    for material, batch in _batches(texts):
        targets = batch if material == "repeats" and "cross" in model.sites else None
        for trace in model.trace_batch(batch, targets):
            for site, summed in sums.items():
                chosen = [i for i, r in enumerate(summed.roles) if r.material == material]
                summed.add(trace, site, chosen)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, total)
    skipped = len(probes.sentences) + len(probes.repeats) - total
    return {site: summed.report(site, skipped=skipped) for site, summed in sums.items()}


class _Sums:
    """Scores of one text after the other, by role."""

    def __init__(self, roles: tuple[Role, ...]) -> None:
        self.roles = roles
        self.scores: list[list[Tensor]] = [[] for _ in roles]  # [layer head] a text
        self.baselines: list[list[Tensor]] = [[] for _ in roles]
        self.shape = (0, 0)

    @classmethod
    def shaped(cls, roles: tuple[Role, ...], trace: Trace, site: str) -> Self:
        """No text yet, but as many layers and heads as a trace has."""
        sums = cls(roles)
        sums.shape = (trace.n_layers(site), trace.n_heads(site))
        return sums

    def add(self, trace: Trace, site: str, chosen: Sequence[int]) -> None:
        """Add one text, on some of the roles."""
        self.shape = (trace.n_layers(site), trace.n_heads(site))
        if not chosen:
            return
        cells = role_cells(
            (self.roles[i] for i in chosen), trace.query_tokens(site), trace.key_tokens(site)
        )
        layers = [record_scores(trace.light(site, n), cells) for n in range(self.shape[0])]
        score, baseline = (torch.stack(part) for part in zip(*layers, strict=True))
        for at, role in enumerate(chosen):
            if not bool(score[..., at].isnan().all()):
                self.scores[role].append(score[..., at])
                self.baselines[role].append(baseline[..., at])

    def report(self, site: str, *, skipped: int) -> RoleReport:
        """Means and spreads over the texts, where a text has the role's keys at a head."""
        nothing = torch.full((1, *self.shape), torch.nan)
        means, spreads, bases = [], [], []
        for scores, baselines in zip(self.scores, self.baselines, strict=True):
            stacked = torch.stack(scores) if scores else nothing
            means.append(stacked.nanmean(0))
            spreads.append((stacked - means[-1]).square().nanmean(0).sqrt())
            bases.append(torch.stack(baselines).nanmean(0) if baselines else nothing[0])
        score, spread, baseline = (
            torch.stack(part, dim=-1) if part else torch.empty(*self.shape, 0)
            for part in (means, spreads, bases)
        )
        counts = tuple(map(len, self.scores))
        return RoleReport(site, self.roles, counts, score, spread, baseline, skipped)


def _fitting(model: TraceableModel, texts: Sequence[str]) -> list[str]:
    fitting = []
    for text in texts:
        try:
            model.tokenizer.encode(text)
        except TextTooLongError:
            continue
        fitting.append(text)
    return fitting


def _batches(texts: Mapping[Material, list[str]]) -> Iterator[tuple[Material, list[str]]]:
    for material, all_texts in texts.items():
        for start in range(0, len(all_texts), BATCH):
            yield material, all_texts[start : start + BATCH]
