"""Writing a text token by token: what a backend offers for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float, Int
from torch import Tensor

from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.history import History, Noted
from transformer_core.tracing.trace import Trace


@dataclass(frozen=True)
class Constraints:
    """What a model's makers ask of its texts, whatever the strategy.

    Attributes:
        end_ids: Tokens that end a text.
        banned: Runs of tokens that are never written; of longer ones, the last token is banned
            where the others stand before it.
        banned_first: Tokens that are never written first.
        forced_first: The token that follows the start token, if it is fixed (a language's code).
        forced_last: Tokens of which one is written where the limit is reached.
        min_new_tokens: Before so many tokens the text may not end.
        max_new_tokens: After so many it ends; None: as many as the model has room for.
        no_repeat_ngram: No run of so many tokens occurs twice; 0 lets them.
    """

    end_ids: frozenset[int] = frozenset()
    banned: tuple[tuple[int, ...], ...] = ()
    banned_first: frozenset[int] = frozenset()
    forced_first: int | None = None
    forced_last: tuple[int, ...] = ()
    min_new_tokens: int = 0
    max_new_tokens: int | None = None
    no_repeat_ngram: int = 0


@dataclass(frozen=True, eq=False)
class Reading:
    """A model's answer to the positions that it has read.

    Attributes:
        logits: Scores of the next token, by row.
        n_pos: Positions in the cache now.
        nbytes: Bytes that the cache takes.
        noted: What was noted; None where nothing is recorded.
    """

    logits: Float[Tensor, "row vocab"]
    n_pos: int
    nbytes: int
    noted: Noted | None = None


class Stepper(Protocol):
    """One text being written: it owns its cache, and belongs to one thread at a time.

    Attributes:
        tokenizer: Turns ids into text.
        source: The prompt; of an encoder–decoder, what the encoder reads.
        prompt_ids: What the decoder reads before the first token is written.
        vocab_size: Ids run from 0 to one less.
        room: Tokens that can be written before the model is full.
        constraints: What the model's makers ask for.
        notes: What they ask for besides, that is not done here.
    """

    tokenizer: Tokenizer
    source: Tokens
    prompt_ids: tuple[int, ...]
    vocab_size: int
    room: int
    constraints: Constraints
    notes: tuple[str, ...]

    def start(self) -> Reading:
        """Read the source and the prompt; one row."""
        ...

    def advance(
        self, token_ids: Int[Tensor, " row"], parents: Int[Tensor, " row"] | None = None
    ) -> Reading:
        """Read one more token in every row.

        Args:
            token_ids: What each row reads.
            parents: Which row of the step before each row goes on from; None: its own.
        """
        ...

    def fork(self, n_written: int) -> Stepper:
        """Another text that shares the first tokens of this one; nothing is computed again.

        Only of a text written in one row.
        """
        ...

    def unembed(self, resid: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos vocab"]:
        """Final norm and unembedding: logits as if the residual stream came out of the last layer.

        Raises:
            NotInTraceError: If the model does more between its last layer and its logits.
        """
        ...

    def tokens(self, written: Sequence[int]) -> Tokens:
        """What the decoder has read: the prompt, then tokens that were written."""
        ...

    def trace(self, history: History, written: Sequence[int], logits: Tensor) -> Trace:
        """Everything up to a step as a trace, without another forward pass.

        Args:
            history: What was noted until then.
            written: Tokens written before that step.
            logits: What that step answered.
        """
        ...
