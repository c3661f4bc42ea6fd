"""Texts from one source, by any strategy, and what was forked from them: all stay side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.stepwise import Decoding
from transformer_core.decoding.strategies import Strategy
from transformer_core.decoding.text_tree import TextTree, strategy_name, text_tree
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
        id: Its number among all branches; it is never used again.
        parent: The branch that it was forked from; None for one that a strategy began.
        step: The step that was chosen again; 0 for one that a strategy began.
        token: What was written there instead.
        token_id: Its id; −1 for one that a strategy began.
        decoding: What writes it.
        hypothesis: Of the parent's beam search, the one that it was forked from.
    """

    id: int
    parent: int | None
    step: int
    token: str
    decoding: Decoding | BeamDecoding
    token_id: int = -1
    hypothesis: int | None = None

    @property
    def strategy(self) -> Strategy:
        """How its tokens are chosen."""
        return self.decoding.strategy

    @property
    def name(self) -> str:
        """How it came about, in a few words."""
        by = strategy_name(self.strategy)
        return by if self.parent is None else f"{by}, by hand at step {self.step}: {self.token}"


class Branches:
    """All texts from one source.

    Args:
        model: Anything that decodes.
        source: The prompt, or what is translated.
        strategy: How the tokens of the first text are chosen.

    Raises:
        InputError: If the model cannot write, or the source leaves it no room to.
        TextTooLongError: If the source has more tokens than the model reads.
    """

    def __init__(self, model: Any, source: str, strategy: Strategy) -> None:
        self._model, self._source = model, source
        # Branches share a cache, and each belongs to one thread at a time.
        self._lock = threading.Lock()
        self._branches: dict[int, Branch] = {}
        self._known: dict[tuple[int, int | None], tuple[DecodingStep, ...]] = {}
        self._n_made = 0
        self.begin(strategy)

    def __len__(self) -> int:
        return len(self._branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(tuple(self._branches.values()))

    def __getitem__(self, branch_id: int) -> Branch:
        return self._branches[branch_id]

    def __contains__(self, branch_id: int) -> bool:
        return branch_id in self._branches

    def steps(self, branch_id: int, hypothesis: int | None = None) -> tuple[DecodingStep, ...]:
        """What a branch has written, or one of the texts that its beam search considered."""
        decoding = self[branch_id].decoding
        if not isinstance(decoding, BeamDecoding):
            return decoding.steps
        key = (branch_id, hypothesis)
        if key in self._known:
            return self._known[key]
        steps = decoding.steps if hypothesis is None else decoding.steps_of(hypothesis)
        if decoding.ended is not None:
            self._known[key] = steps  # a search that is over makes them no more
        return steps

    def tree(self) -> tuple[TextTree, tuple[int, ...]]:
        """Every text, and all that beam searches considered, on one tree.

        Returns:
            The tree, and the branches' ids in the order in which it counts the texts.
        """
        branches = tuple(self)
        with self._lock:
            tree = text_tree(
                [branch.decoding for branch in branches], [branch.name for branch in branches]
            )
        return tree, tuple(branch.id for branch in branches)

    def begin(self, strategy: Strategy) -> Branch:
        """The text that a strategy writes by itself; the same strategy gives the same text.

        Where as many texts are kept as may be, the oldest of which nothing was forked goes.

        Raises:
            InputError: If the model cannot write the text, or every text kept has forks.
        """
        for branch in self:
            if branch.parent is None and branch.strategy == strategy:
                return branch
        decoding = self._model.decode(self._source, strategy)
        if len(self) >= MAX_BRANCHES:
            self._make_room()
        return self._add(lambda number: Branch(number, None, 0, "", decoding))

    def keep_only(self, branch_id: int) -> None:
        """Forget all texts but one."""
        self._branches = {branch_id: self[branch_id]}
        self._known = {key: steps for key, steps in self._known.items() if key[0] == branch_id}

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
            is_alike = branch.strategy == origin.strategy
            if is_alike and branch.decoding.token_ids[: len(wanted)] == wanted:
                return branch
        if len(self) >= MAX_BRANCHES:
            raise InputError(
                f"There are {MAX_BRANCHES} branches, as many as are kept. Forget the others at the "
                "tree, or change the text to begin anew."
            )
        with self._lock:
            if isinstance(origin.decoding, BeamDecoding):
                forked = self._model.decode(self._source, origin.strategy, target_prefix=wanted)
            else:
                forked = origin.decoding.fork(step, token_id)
        token = steps[step].answer.stepper.tokenizer.show(token_id)
        return self._add(
            lambda number: Branch(number, origin.id, step, token, forked, token_id, hypothesis)
        )

    def _add(self, make: Callable[[int], Branch]) -> Branch:
        branch = make(self._n_made)
        self._n_made += 1
        self._branches[branch.id] = branch
        return branch

    def _make_room(self) -> None:
        parents = {branch.parent for branch in self}
        for branch in self:
            if branch.parent is None and branch.id not in parents:
                del self._branches[branch.id]
                return
        raise InputError(
            f"There are {MAX_BRANCHES} branches, as many as are kept. Forget the others at the "
            "tree, or change the text to begin anew."
        )
