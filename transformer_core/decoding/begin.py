"""Begin to write a text by a strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.stepwise import Decoding, Wishes
from transformer_core.decoding.strategies import Beam, Greedy, Strategy
from transformer_core.tracing.stepping import Constraints, Stepper


def begin(
    stepper: Stepper,
    strategy: Strategy | None = None,
    *,
    prefix: str | Sequence[int] = (),
    constraints: Constraints | None = None,
    should_stop: Callable[[], bool] | None = None,
    is_recording: bool = True,
) -> Decoding | BeamDecoding:
    """A text that is written when its steps are asked for.

    Args:
        stepper: What computes.
        strategy: How tokens are chosen; None: greedily.
        prefix: What the text begins with, as words or token ids.
        constraints: What it must and must not contain; None: what the model's makers ask for.
        should_stop: Asked before every step.
        is_recording: Whether steps keep what they saw.
    """
    wishes = Wishes(prefix_ids(stepper, prefix), constraints, should_stop, is_recording)
    if isinstance(strategy, Beam):
        return BeamDecoding(stepper, strategy, wishes)
    return Decoding(stepper, strategy or Greedy(), wishes)


def prefix_ids(stepper: Stepper, prefix: str | Sequence[int]) -> tuple[int, ...]:
    """The tokens that a text is to begin with."""
    if not isinstance(prefix, str):
        return tuple(prefix)
    if not prefix.strip():
        return ()
    tokens = stepper.tokenizer.encode_target(prefix)
    pairs = zip(tokens.ids, tokens.is_special, strict=True)
    ids = tuple(index for index, is_special in pairs if not is_special)
    # A fixed first token (the language's code) stands before the words.
    first = stepper.constraints.forced_first
    return ids if first is None else (first, *ids)
