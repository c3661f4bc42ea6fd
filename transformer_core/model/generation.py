"""Writing targets for a batch of sources, the fast way: token ids in, token ids out.

For one text with everything that each step saw, see :mod:`transformer_core.decoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from transformer_core.errors import ConfigError
from transformer_core.model.masks import padding_mask
from transformer_core.model.step import DecoderStep
from transformer_core.model.transformer import Transformer

_WORTH_KEEPING = 0.75
"""Rows are taken out of a batch when less than this share of them is still being written."""


@dataclass(frozen=True)
class Hypothesis:
    """What a model wrote for one source.

    Attributes:
        ids: Token ids, without the start token and the end token.
        log_prob: Natural logarithm of their probability, the end token's included.
        is_cut: Whether the limit of new tokens ended it, not the model.
    """

    ids: tuple[int, ...]
    log_prob: float
    is_cut: bool

    def score(self, length_penalty: float) -> float:
        """Log p ÷ length ** length_penalty; the length counts the end token."""
        score: float = self.log_prob / self.n_tokens**length_penalty
        return score

    @property
    def n_tokens(self) -> int:
        """Tokens that were chosen, the end token included."""
        return len(self.ids) + (not self.is_cut)


class Rows:
    """Targets that are being written side by side: their memory and their cache.

    Args:
        model: The model.
        src: Source token ids.
        src_mask: True where the source holds a token; None: no padding.
    """

    def __init__(
        self,
        model: Transformer,
        src: Int[Tensor, "batch src_pos"],
        src_mask: Bool[Tensor, "batch src_pos"] | None,
    ) -> None:
        memory = model.encode(src, src_mask)
        self._step = DecoderStep(model, memory, padding_mask(src_mask))
        self._cache = model.new_cache()
        config = model.config
        never = {config.pad_id, config.bos_id} - {config.eos_id}
        self._never = torch.tensor(sorted(never), device=src.device)

    def read(self, ids: Int[Tensor, " row"]) -> Float[Tensor, "row vocab"]:
        """Read one more token in every row and score what may follow it."""
        return self._step(ids, self._cache)

    def forbid(self, scores: Float[Tensor, "row vocab"]) -> None:
        """Put the tokens that no text contains, start and padding, out of the choice."""
        if self._never.numel():
            scores.index_fill_(1, self._never, -torch.inf)

    def select(self, rows: Sequence[int], *, same_sources: bool = False) -> None:
        """Go on with these rows, in this order; a row may be taken several times.

        Args:
            rows: Row numbers.
            same_sources: Each row takes the place of one with the same source.
        """
        step = self._step
        chosen = torch.tensor(rows, device=step.memory.device)
        self._cache.select(chosen, same_sources=same_sources)
        if not same_sources:
            step.memory = step.memory.index_select(0, chosen)
            if step.mask is not None:
                step.mask = step.mask.index_select(0, chosen)


@torch.inference_mode()
def generate_greedy(
    model: Transformer,
    src: Int[Tensor, "batch src_pos"],
    src_mask: Bool[Tensor, "batch src_pos"] | None,
    *,
    max_new_tokens: int | None = None,
    repetition_penalty: float = 1.0,
) -> list[Hypothesis]:
    """Write a target for each source, taking the most probable token at every step.

    Args:
        model: An encoder–decoder.
        src: Source token ids.
        src_mask: True where the source holds a token; None: no padding.
        max_new_tokens: Tokens written at most, the end token included; None: as many as the model
            can hold.
        repetition_penalty: Divides positive and multiplies negative logits of tokens already
            written (Keskar et al. 2019, section 4.1); 1 leaves them alone.

    Returns:
        One hypothesis a source, in order.

    Raises:
        ConfigError: If ``max_new_tokens`` is below 1.
    """
    rows = Rows(model, src, src_mask)
    drafts = [_Draft() for _ in src]
    live = drafts  # by row of the batch
    last = src.new_full((len(src),), model.config.bos_id)
    penalty = Repetition(repetition_penalty, last, model.config.vocab_size)
    for _ in range(limit_of(model, max_new_tokens)):
        last, gained = _best(rows, penalty.applied(rows.read(last)))
        for draft, token, gain in zip(live, last.tolist(), gained.tolist(), strict=True):
            draft.take(token, gain, eos_id=model.config.eos_id)
        kept = [row for row, draft in enumerate(live) if not draft.has_ended]
        if not kept:
            break
        if len(kept) < _WORTH_KEEPING * len(live):
            rows.select(kept)
            penalty.select(kept)
            live, last = [live[row] for row in kept], last[kept]
        penalty.saw(last)
    return [Hypothesis(tuple(d.ids), d.log_prob, not d.has_ended) for d in drafts]


@dataclass
class _Draft:
    """A hypothesis that is being written."""

    ids: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    has_ended: bool = False

    def take(self, token: int, gain: float, *, eos_id: int) -> None:
        """Add a token; what comes after the end does not count."""
        if self.has_ended:
            return
        self.log_prob += gain
        self.has_ended = token == eos_id
        if not self.has_ended:
            self.ids.append(token)


def _best(
    rows: Rows, logits: Float[Tensor, "row vocab"]
) -> tuple[Int[Tensor, " row"], Float[Tensor, " row"]]:
    """The most probable token of each row and the logarithm of its probability."""
    total = logits.logsumexp(dim=-1)
    rows.forbid(logits)
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        chosen = torch.from_numpy(logits.numpy().argmax(axis=-1))  # ten times as fast as torch's
    else:
        chosen = logits.argmax(dim=-1)
    return chosen, logits.gather(1, chosen[:, None])[:, 0] - total


class Repetition:
    """The repetition penalty: which tokens each row has read, and what that costs them.

    Args:
        penalty: What logits are divided or multiplied by; 1 does nothing.
        ids: What each row reads first.
        vocab_size: Tokens there are.
    """

    def __init__(self, penalty: float, ids: Int[Tensor, " row"], vocab_size: int) -> None:
        if not penalty > 0:
            raise ConfigError(f"repetition_penalty is {penalty}; it must be above 0.")
        self._penalty = penalty
        self._read = None
        if penalty != 1.0:
            self._read = torch.zeros(len(ids), vocab_size, dtype=torch.bool, device=ids.device)
            self.saw(ids)

    def saw(self, ids: Int[Tensor, " row"]) -> None:
        """Note what each row reads next."""
        if self._read is not None:
            self._read.scatter_(1, ids[:, None], True)

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows."""
        if self._read is not None:
            self._read = self._read[list(rows)]

    def applied(self, scores: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
        """The scores, those of tokens already read made worse."""
        if self._read is None:
            return scores
        worse = torch.where(scores > 0, scores / self._penalty, scores * self._penalty)
        return torch.where(self._read, worse, scores)


def limit_of(model: Transformer, max_new_tokens: int | None) -> int:
    """Tokens that may be written: what was asked for, but no more than fit behind the start token.

    Raises:
        ConfigError: If it is below 1.
    """
    room = max(1, model.config.n_ctx - 1)
    if max_new_tokens is None:
        return room
    if max_new_tokens < 1:
        raise ConfigError(f"max_new_tokens is {max_new_tokens}; it must be at least 1.")
    return min(max_new_tokens, room)


def lay_out_for_decoding(model: Transformer) -> None:
    """Store the vocabulary's vectors component by component: the same matrix in another order.

    Multiplying a few rows by it, as every step of decoding does, is then up to three times as fast
    on a CPU; it is the largest product of a small model.
    """
    matrix = model.unembedding.weight
    matrix = model.target_embedding.weight if matrix is None else matrix
    matrix.data = matrix.data.t().contiguous().t()
