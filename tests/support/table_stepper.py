"""A model small enough to be worked by hand: the next token depends on the last one only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from transformer_core.tracing.stepping import Constraints, Reading


class TableTokenizer:
    """Token i reads as the i-th letter."""

    def show(self, index: int) -> str:
        return chr(ord("a") + index)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(self.show, ids))


class TableStepper:
    """Reads nothing but a table of probabilities.

    Args:
        table: Row i: the probabilities of what follows token i. Token 0 is the start.
        constraints: What a text must and must not contain.
        room: Tokens that can be written.
    """

    prompt_ids = (0,)
    source: Any = None
    notes: tuple[str, ...] = ()

    def __init__(
        self, table: Sequence[Sequence[float]], *, constraints: Constraints, room: int = 10
    ) -> None:
        self.logits = torch.tensor(table).log()
        self.vocab_size = len(table)
        self.constraints = constraints
        self.room = room
        self.tokenizer: Any = TableTokenizer()
        self.n_read = 0

    def start(self) -> Reading:
        return self.advance(torch.tensor([0]))

    def advance(self, token_ids: Tensor, parents: Tensor | None = None) -> Reading:
        self.n_read += 1
        return Reading(self.logits[token_ids], self.n_read, 0)

    def fork(self, n_written: int) -> TableStepper:
        return self
