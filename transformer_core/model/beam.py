"""Beam search for a batch of sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from transformer_core.errors import ConfigError
from transformer_core.model.generation import Hypothesis, Repetition, Rows, limit_of
from transformer_core.model.transformer import Transformer


@dataclass(frozen=True)
class BeamSettings:
    """How a beam search goes.

    Attributes:
        n_beams: Hypotheses kept.
        length_penalty: A hypothesis scores log p ÷ length ** length_penalty (after Wu et al. 2016).
        max_new_tokens: Tokens written at most, the end token included; None: as many as the model
            can hold.
        repetition_penalty: Multiplies the log-probability of tokens already written.
        early_stopping: When a source with ``n_beams`` finished hypotheses is done. True: at once.
            False: when the best unfinished one, scored as if it ended at its present length, beats
            none of them. ``"never"``: when it could not at any length.

    Raises:
        ConfigError: If ``n_beams`` is below 1.
    """

    n_beams: int = 4
    length_penalty: float = 1.0
    max_new_tokens: int | None = None
    repetition_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False

    def __post_init__(self) -> None:
        if self.n_beams < 1:
            raise ConfigError(f"n_beams is {self.n_beams}; it must be at least 1.")


class _Node(NamedTuple):
    """A token and what stands before it; hypotheses that begin alike share their beginning."""

    token: int
    before: _Node | None


class _Beam(NamedTuple):
    """An unfinished hypothesis.

    Attributes:
        log_prob: Of its tokens.
        parent: Row of the batch that it goes on from.
        node: Its last token; None before the first.
    """

    log_prob: float
    parent: int
    node: _Node | None


@dataclass
class _Search:
    """The search for one source.

    Attributes:
        source: Which source.
        settings: How it goes.
        beams: Unfinished hypotheses, best first.
        finished: Finished ones, best first; at most ``n_beams``.
    """

    source: int
    settings: BeamSettings
    beams: list[_Beam]
    finished: list[Hypothesis] = field(default_factory=list)

    def extend(self, candidates: list[_Beam], *, eos_id: int, is_last: bool) -> None:
        """Take the best candidates of a step, given best first."""
        n_beams = self.settings.n_beams
        self.beams = []
        for rank, candidate in enumerate(candidates):
            is_end = candidate.node is not None and candidate.node.token == eos_id
            if is_end or is_last:
                if rank < n_beams:
                    self._finish(candidate, is_end=is_end)
            elif len(self.beams) < n_beams:
                self.beams.append(candidate)

    def is_over(self, n_tokens: int, limit: int) -> bool:
        """Whether no unfinished hypothesis is worth going on with.

        Args:
            n_tokens: Tokens that each has now.
            limit: Tokens that it may have at most.
        """
        if not self.beams:
            return True
        if len(self.finished) < self.settings.n_beams:
            return False
        if self.settings.early_stopping is True:
            return True
        penalty = self.settings.length_penalty
        is_never = self.settings.early_stopping == "never"
        # A log-probability is negative: the longer, the better it scores if the penalty is above 0.
        length = limit if is_never and penalty > 0 else n_tokens
        best: float = self.beams[0].log_prob / length**penalty
        return best <= self.finished[-1].score(penalty)

    def _finish(self, candidate: _Beam, *, is_end: bool) -> None:
        ids = []
        node = candidate.node
        while node is not None:
            ids.append(node.token)
            node = node.before
        ids = ids[1:] if is_end else ids
        self.finished.append(Hypothesis(tuple(reversed(ids)), candidate.log_prob, not is_end))
        self.finished.sort(key=lambda h: h.score(self.settings.length_penalty), reverse=True)
        del self.finished[self.settings.n_beams :]


@torch.inference_mode()
def generate_beam(
    model: Transformer,
    src: Int[Tensor, "batch src_pos"],
    src_mask: Bool[Tensor, "batch src_pos"] | None,
    settings: BeamSettings,
) -> list[list[Hypothesis]]:
    """Write targets for each source by beam search (Sutskever et al. 2014, section 3.2).

    At each step every unfinished hypothesis is continued by every token; the ``n_beams`` best that
    do not end go on, and those that end within the ``n_beams`` best are finished.

    Args:
        model: An encoder–decoder.
        src: Source token ids.
        src_mask: True where the source holds a token; None: no padding.
        settings: How wide, how long, and when a source is done.

    Returns:
        For each source up to ``n_beams`` hypotheses, best first.

    Raises:
        ConfigError: If ``max_new_tokens`` is below 1.
    """
    limit = limit_of(model, settings.max_new_tokens)
    searches = [_Search(i, settings, [_Beam(0.0, i, None)]) for i in range(len(src))]
    going, rows = searches, Rows(model, src, src_mask)
    owners_before = [search.source for search in searches]
    last = src.new_full((len(src),), model.config.bos_id)
    penalty = Repetition(settings.repetition_penalty, last, model.config.vocab_size)
    for n_tokens in range(1, limit + 1):
        log_probs = penalty.applied(rows.read(last).log_softmax(dim=-1))
        rows.forbid(log_probs)
        _step(going, log_probs, eos_id=model.config.eos_id, is_last=n_tokens == limit)
        going = [search for search in going if not search.is_over(n_tokens, limit)]
        if not going:
            break
        beams = [beam for search in going for beam in search.beams]
        parents = [beam.parent for beam in beams]
        owners = [search.source for search in going for _ in search.beams]
        if parents != list(range(len(last))):
            rows.select(parents, same_sources=owners == owners_before)
            penalty.select(parents)
        owners_before = owners
        last = src.new_tensor([beam.node.token for beam in beams if beam.node is not None])
        penalty.saw(last)
    return [search.finished for search in searches]


def _step(
    searches: list[_Search],
    log_probs: Float[Tensor, "row vocab"],
    *,
    eos_id: int,
    is_last: bool,
) -> None:
    """Continue every search by one token. Its beams stand in neighbouring rows of the batch."""
    wanted = 2 * searches[0].settings.n_beams  # so many that enough are left if half of them end
    n_each = min(wanted, log_probs.shape[1])
    gained, tokens = (tensor.tolist() for tensor in log_probs.topk(n_each, dim=-1))
    row = 0
    for search in searches:
        candidates = []
        for beam in search.beams:
            candidates += [
                _Beam(beam.log_prob + gain, row, _Node(token, beam.node))
                for gain, token in zip(gained[row], tokens[row], strict=True)
            ]
            row += 1
        candidates.sort(key=lambda beam: beam.log_prob, reverse=True)
        search.extend(candidates[:wanted], eos_id=eos_id, is_last=is_last)
