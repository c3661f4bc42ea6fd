"""What models are for, as methods of theirs: translating and summarising."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from transformer_core.errors import InputError
from transformer_core.model.generation import Hypothesis

if TYPE_CHECKING:
    from transformer_core.decoding.strategies import Strategy

Many = list[str] | tuple[str, ...]
_log = logging.getLogger(__name__)


class Working:
    """Gives a model ``translate`` and ``summarize``; ``transformer_core.tasks`` does the work."""

    def write(self, sources: Sequence[Sequence[int]], strategy: Strategy) -> list[Hypothesis]:
        """Write a target for each source, one after the other.

        Args:
            sources: Token ids, as the tokenizer gives them.
            strategy: How tokens are chosen.

        Raises:
            InputError: If the model is no encoder–decoder: it does not turn one text into another.
        """
        model: Any = self
        if not model.is_encoder_decoder:
            raise InputError(
                f"{model.card.name} does not turn one text into another; en-fr-small translates, "
                "and so do encoder–decoders such as Helsinki-NLP/opus-mt-en-fr."
            )
        return [self._written(model, ids, strategy) for ids in sources]

    def _written(self, model: Any, ids: Sequence[int], strategy: Strategy) -> Hypothesis:
        source = model.tokenizer.from_ids(ids)
        steps = [*model.decode(source, strategy, is_recording=False)]
        is_cut = not steps or steps[-1].ended != "eos"
        written = tuple(step.token_id for step in (steps if is_cut else steps[:-1]))
        return Hypothesis(written, steps[-1].cumulative_log_prob if steps else 0.0, is_cut=is_cut)

    @overload
    def translate(self, texts: str, strategy: Strategy | None = None) -> str: ...

    @overload
    def translate(self, texts: Many, strategy: Strategy | None = None) -> list[str]: ...

    def translate(self, texts: str | Many, strategy: Strategy | None = None) -> str | list[str]:
        """Translate one text, or several in batches; the order is kept.

        A text that is longer than the model reads well is cut at its sentences; the log says so,
        and :func:`transformer_core.tasks.translation.translate` returns it.

        Args:
            texts: A text, or several.
            strategy: ``Beam`` (4 wide if None) or ``Greedy``.

        Raises:
            InputError: If the model does not translate, or a text cannot be encoded.
        """
        from transformer_core.tasks.translation import translate

        model: Any = self
        several = [texts] if isinstance(texts, str) else list(texts)
        results = translate(model, several, strategy)
        for number, result in enumerate(results):
            for note in result.notes:
                _log.info("Text %d: %s", number, note)
        written = [result.text for result in results]
        return written[0] if isinstance(texts, str) else written

    @overload
    def summarize(self, texts: str, *, min_length: int = ..., max_length: int = ...) -> str: ...

    @overload
    def summarize(
        self, texts: Many, *, min_length: int = ..., max_length: int = ...
    ) -> list[str]: ...

    def summarize(
        self, texts: str | Many, *, min_length: int = 30, max_length: int = 130
    ) -> str | list[str]:
        """Summarise one text, or several one after the other.

        Args:
            texts: A text, or several.
            min_length: Least tokens of a summary.
            max_length: Most tokens of a summary.

        Raises:
            InputError: If the model does not summarise, or the lengths contradict each other.
        """
        from transformer_core.tasks.summarization import Length, summarize

        model: Any = self
        length = Length(min_length, max_length)
        several = [texts] if isinstance(texts, str) else list(texts)
        written = [summarize(model, text, length).text for text in several]
        return written[0] if isinstance(texts, str) else written
