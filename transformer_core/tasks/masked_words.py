"""Which word was hidden? What BERT was trained to say (Devlin et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from transformer_core.errors import EmptyInputError, InputError

if TYPE_CHECKING:
    from transformer_core.tokenization.tokens import Tokenizer, Tokens
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace

TASK = "fill in the mask"
_SPELLINGS = ("[MASK]", "<mask>")


@dataclass(frozen=True)
class Guess:
    """A token that could stand in a place, and how likely the model holds it."""

    token: str
    probability: float


@dataclass(frozen=True)
class Hidden:
    """One token of a text, hidden and guessed.

    Attributes:
        position: Where it stands.
        token: What was there.
        guesses: The likeliest tokens, best first.
        probability: Of what was there.
        rank: Place of what was there among all tokens, from 1.
        trace: The text with the token hidden.
    """

    position: int
    token: str
    guesses: tuple[Guess, ...]
    probability: float
    rank: int
    trace: Trace


def can_guess(model: TraceableModel, trace: Trace) -> bool:
    """Whether a model has the head that names hidden words."""
    has_head = model.card.task == TASK and trace.sites == ("encoder",)
    return has_head and trace.logits is not None and trace.logits.dim() == 2


def guess(model: TraceableModel, trace: Trace, position: int, *, n_guesses: int = 5) -> Hidden:
    """Hide one token of a text and let the model say what it was.

    Args:
        trace: The whole text, by the same model.
        position: Which token; no special one.
        n_guesses: How many candidates to return.

    Raises:
        InputError: If the model has no such head, or the position holds no token of the text.
    """
    if not can_guess(model, trace):
        raise InputError(
            f"{trace.model_name} has no head that names hidden words. bert-base-uncased has one."
        )
    tokens = trace.source
    if not 0 <= position < len(tokens) or tokens.is_special[position]:
        raise InputError(f"Position {position} holds no token of the text that could be hidden.")
    index, shown = mask_of(model.tokenizer)
    hidden = model.trace(_with(tokens, position, index, shown))
    logits = hidden.logits
    if logits is None:
        raise InputError(f"{trace.model_name} gave no scores over its vocabulary.")
    shares = logits[position].float().softmax(dim=-1)
    best = shares.topk(min(n_guesses, len(shares)))
    was = float(shares[tokens.ids[position]])
    return Hidden(
        position,
        tokens.display[position],
        tuple(
            Guess(model.tokenizer.show(int(token)), float(share))
            for share, token in zip(best.values, best.indices, strict=True)
        ),
        was,
        int((shares > was).sum()) + 1,
        hidden,
    )


def mask_of(tokenizer: Tokenizer) -> tuple[int, str]:
    """Return the id of the token that hides others, and how it is written.

    Raises:
        InputError: If the vocabulary has none.
    """
    for spelling in _SPELLINGS:
        try:
            tokens = tokenizer.encode(f"a {spelling}")
        except EmptyInputError:
            continue
        if spelling in tokens.display:
            return tokens.ids[tokens.display.index(spelling)], spelling
    raise InputError(f"This vocabulary has no token that hides others ({' or '.join(_SPELLINGS)}).")


def _with(tokens: Tokens, position: int, index: int, shown: str) -> Tokens:
    """The text's tokens with another one in a place."""
    ids, display = list(tokens.ids), list(tokens.display)
    ids[position], display[position] = index, shown
    return replace(tokens, ids=tuple(ids), display=tuple(display))
