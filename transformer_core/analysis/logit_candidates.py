"""Which output tokens to ask about: the likeliest, or one that somebody typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokenizer


@dataclass(frozen=True)
class Candidate:
    """One output token at one position.

    Attributes:
        token_id: Its id.
        token: As people read it.
        logit: As the model gave it.
        probability: Softmax of the logits.
        rank: How many tokens are likelier.
    """

    token_id: int
    token: str
    logit: float
    probability: float
    rank: int


def likeliest(
    logits: Float[Tensor, " vocab"], tokenizer: Tokenizer, n: int = 12
) -> list[Candidate]:
    """The tokens with the largest logits, in order."""
    ids = logits.topk(min(n, len(logits))).indices.tolist()
    return [candidate(logits, tokenizer, token_id) for token_id in ids]


def candidate(logits: Float[Tensor, " vocab"], tokenizer: Tokenizer, token_id: int) -> Candidate:
    """One token's logit, probability and rank."""
    try:
        shown = tokenizer.show(token_id)
    except InputError:
        shown = f"id {token_id}"  # models have rows that no token stands for
    logit = logits[token_id]
    return Candidate(
        token_id=token_id,
        token=shown,
        logit=float(logit),
        probability=float(logits.softmax(dim=-1)[token_id]),
        rank=int((logits > logit).sum()),
    )


def token_named(
    tokenizer: Tokenizer, typed: str, logits: Float[Tensor, " vocab"]
) -> tuple[int, int]:
    """The token that a typed text begins with, and of how many tokens the text is.

    Many vocabularies have a word twice, at the beginning of a text and behind a space. The one of
    fewer tokens is meant; of two that are as short, the one with the larger logit.

    Args:
        tokenizer: The model's.
        typed: A word.
        logits: Of the position that is asked about.

    Raises:
        InputError: If the vocabulary has no token for it.
    """
    encode = getattr(tokenizer, "encode_target", tokenizer.encode)
    found = []
    for text in (typed, f" {typed}"):
        tokens = encode(text)
        ids = [i for i, special in zip(tokens.ids, tokens.is_special, strict=True) if not special]
        if ids:
            found.append((len(ids), -float(logits[ids[0]]), ids[0]))
    if not found:
        raise InputError(f"No token of this vocabulary stands for {typed!r}; type a word.")
    n_tokens, _, token_id = min(found)
    return token_id, n_tokens
