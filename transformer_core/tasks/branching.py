"""A text and everything that was forked from it: branches stay, and share what was computed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.stepwise import Decoding
from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep

MAX_BRANCHES = 24


@dataclass(frozen=True)
class Progress:
    """A text while it is written.

    Attributes:
        text: So far.
        n_tokens: So many tokens (for beams: expansions).
    """

    text: str
    n_tokens: int


@dataclass(eq=False)
class Branch:
    """One text.

    Attributes:
        id: Its place among the branches.
        parent: The branch that it was forked from; None for the first.
        step: The step that was chosen again; 0 for the first branch.
        token: What was written there instead.
        decoding: What writes it.
    """

    id: int
    parent: int | None
    step: int
    token: str
    decoding: Decoding | BeamDecoding


class Branches:
    """All texts from one source by one strategy.

    Args:
        model: Anything that decodes.
        source: The prompt, or what is translated.
        strategy: How tokens are chosen.

    Raises:
        InputError: If the model cannot write, or the source leaves it no room to.
        TextTooLongError: If the source has more tokens than the model reads.
    """

    def __init__(self, model: Any, source: str, strategy: Strategy) -> None:
        self._model, self._source, self._strategy = model, source, strategy
        # Branches share a cache, and each belongs to one thread at a time.
        self._lock = threading.Lock()
        first = model.decode(source, strategy)
        self._branches = [Branch(0, None, 0, "", first)]

    def __len__(self) -> int:
        return len(self._branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(tuple(self._branches))

    def __getitem__(self, branch_id: int) -> Branch:
        return self._branches[branch_id]

    def steps(self, branch_id: int, hypothesis: int | None = None) -> tuple[DecodingStep, ...]:
        """What a branch has written, or one of the texts that its beam search considered."""
        decoding = self[branch_id].decoding
        if isinstance(decoding, BeamDecoding) and hypothesis is not None:
            return decoding.steps_of(hypothesis)
        return decoding.steps

    def write(
        self, branch_id: int, should_stop: Callable[[], bool] | None = None
    ) -> Iterator[Progress]:
        """Go on with a branch to its end; whoever stops iterating can go on later.

        Args:
            branch_id: Which.
            should_stop: Asked before each token.
        """
        decoding = self[branch_id].decoding
        n_tokens = 0
        while should_stop is None or not should_stop():
            with self._lock:
                if isinstance(decoding, BeamDecoding):
                    goes_on = decoding.expand()
                else:
                    goes_on = next(decoding, None) is not None
            if not goes_on:
                return
            n_tokens += 1
            yield Progress(decoding.text, n_tokens)

    def fork(
        self, branch_id: int, step: int, token_id: int, *, hypothesis: int | None = None
    ) -> Branch:
        """Another text that writes a token at a step instead; the same wish gives the same branch.

        A text written greedily or by sampling shares its cache up to there. A beam search is begun
        anew with the prefix.

        Raises:
            InputError: If there is no such step or token, or there are too many branches.
        """
        origin = self[branch_id]
        steps = self.steps(branch_id, hypothesis)
        if not 0 <= step < len(steps):
            raise InputError(f"There is no step {step}; steps run from 0 to {len(steps) - 1}.")
        wanted = (*steps[step].answer.written, token_id)
        for branch in self:
            if branch.decoding.token_ids[: len(wanted)] == wanted:
                return branch
        if len(self) >= MAX_BRANCHES:
            raise InputError(
                f"There are {MAX_BRANCHES} branches, as many as are kept. Change the text or a "
                "setting to begin anew."
            )
        with self._lock:
            if isinstance(origin.decoding, BeamDecoding):
                forked = self._model.decode(self._source, self._strategy, target_prefix=wanted)
            else:
                forked = origin.decoding.fork(step, token_id)
        token = steps[step].answer.stepper.tokenizer.show(token_id)
        branch = Branch(len(self), origin.id, step, token, forked)
        self._branches.append(branch)
        return branch
