"""What lets a model write, whatever computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.stepping import Constraints, Stepper
from transformer_core.tracing.working import Working

if TYPE_CHECKING:
    from transformer_core.decoding.beam_search import BeamDecoding
    from transformer_core.decoding.stepwise import Decoding
    from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy


class Decodable(Working, ABC):
    """Gives a model ``decode``; its backend gives the stepper."""

    @abstractmethod
    def stepper(self, source: str | Tokens, *, is_recording: bool = True) -> Stepper:
        """A text that is to be written, with a cache of its own.

        Args:
            source: The prompt, or what an encoder reads.
            is_recording: Whether steps note what they saw.

        Raises:
            InputError: If the model cannot write, or the source leaves it no room to.
        """

    @overload
    def decode(
        self,
        source: str | Tokens,
        strategy: Beam,
        *,
        target_prefix: str | Sequence[int] = (),
        constraints: Constraints | None = None,
        should_stop: Callable[[], bool] | None = None,
        is_recording: bool = True,
    ) -> BeamDecoding: ...

    @overload
    def decode(
        self,
        source: str | Tokens,
        strategy: Greedy | Sample | None = None,
        *,
        target_prefix: str | Sequence[int] = (),
        constraints: Constraints | None = None,
        should_stop: Callable[[], bool] | None = None,
        is_recording: bool = True,
    ) -> Decoding: ...

    def decode(
        self,
        source: str | Tokens,
        strategy: Strategy | None = None,
        *,
        target_prefix: str | Sequence[int] = (),
        constraints: Constraints | None = None,
        should_stop: Callable[[], bool] | None = None,
        is_recording: bool = True,
    ) -> Decoding | BeamDecoding:
        """Write a text, one :class:`DecodingStep` each time the next is asked for.

        Args:
            source: The prompt; for an encoder–decoder, the text that is translated or summarised.
            strategy: How tokens are chosen; None: greedily.
            target_prefix: What the text begins with, as words or token ids; each token is a step.
            constraints: What it must and must not contain; None: what the model's makers ask for.
            should_stop: Asked before every step; True ends the text there.
            is_recording: Whether steps keep what they saw; without, only the tokens are known.

        Raises:
            InputError: If the model has no decoder, or the text cannot be used.
            TextTooLongError: If the source has more tokens than the model reads.
        """
        from transformer_core.decoding.begin import begin

        return begin(
            self.stepper(source, is_recording=is_recording),
            strategy,
            prefix=target_prefix,
            constraints=constraints,
            should_stop=should_stop,
            is_recording=is_recording,
        )
