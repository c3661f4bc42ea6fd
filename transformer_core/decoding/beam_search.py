"""Beam search, one expansion at a time, with every hypothesis kept to be looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.decoding.beam_nodes import Node, Reply, steps_on, tree_of
from transformer_core.decoding.beam_tree import BeamTree
from transformer_core.decoding.constraints import bans_at
from transformer_core.decoding.filters import filtered
from transformer_core.decoding.steps import CacheSize, DecodingStep, Ended
from transformer_core.decoding.stepwise import Wishes, checked_ids, limit_of
from transformer_core.decoding.strategies import Beam
from transformer_core.tracing.history import History
from transformer_core.tracing.stepping import Reading, Stepper


class BeamDecoding(Iterator[DecodingStep]):
    """A beam search. Iterating searches to the end first, then gives the best text's steps.

    To watch the search, call :meth:`expand` and look at :attr:`tree`. Its choices are those of
    ``generate`` in Transformers: of twice as many continuations as there are beams, the best that
    go on stay alive, and those that end count if they are among the n best.

    Use it from one thread; :meth:`stop` may be called from any.

    Args:
        stepper: What computes.
        strategy: How many beams, and how texts are scored.
        wishes: What is asked for besides. Forced tokens count in scores and lengths.

    Attributes:
        strategy, constraints, notes, prompt_ids, limit, ended: As in :class:`Decoding`.
    """

    def __init__(self, stepper: Stepper, strategy: Beam, wishes: Wishes) -> None:
        self.strategy = strategy
        self.constraints = wishes.constraints or stepper.constraints
        self.notes = stepper.notes
        self.prompt_ids = stepper.prompt_ids
        self.limit = limit_of(stepper, strategy, self.constraints)
        self.ended: Ended | None = None
        self._stepper = stepper
        self._wishes = wishes
        self._forced = checked_ids(wishes.forced, stepper)
        self._nodes: list[Node] = []
        self._alive: list[Node] = []
        self._rows: list[int] = []
        self._best: list[tuple[float, Node]] = []
        self._stop = threading.Event()
        self._left: Iterator[DecodingStep] | None = None

    # -- what was found ---------------------------------------------------------------------

    @property
    def tree(self) -> BeamTree:
        """Every hypothesis so far, with what became of it."""
        return tree_of(
            self._nodes,
            {node.id for node in self._alive},
            self.strategy,
            self._stepper.tokenizer,
        )

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The best text's tokens; while none is finished, those of the best that is alive."""
        node = self._leader()
        return () if node is None else node.written

    @property
    def text(self) -> str:
        """The best text, special tokens left out."""
        return self._stepper.tokenizer.decode(self.token_ids)

    @property
    def steps(self) -> tuple[DecodingStep, ...]:
        """The steps of the best text."""
        node = self._leader()
        return () if node is None else self.steps_of(node.id)

    def steps_of(self, hypothesis_id: int) -> tuple[DecodingStep, ...]:
        """The steps of any hypothesis, from its first token on.

        Args:
            hypothesis_id: Its id in :attr:`tree`.
        """
        return steps_on(
            self._nodes[hypothesis_id].path(),
            self._stepper,
            self.strategy,
            n_forced=len(self._forced),
            is_recording=self._wishes.is_recording,
        )

    # -- going on ---------------------------------------------------------------------------

    def __iter__(self) -> BeamDecoding:
        return self

    def __next__(self) -> DecodingStep:
        """Search to the end, then give the next step of the best text.

        Raises:
            StopIteration: After its last step, or if the search was stopped before it ended.
        """
        while self.expand():
            pass
        if self.ended == "stopped":
            raise StopIteration
        if self._left is None:
            self._left = iter(self.steps)
        return next(self._left)

    def expand(self) -> bool:
        """Let every hypothesis in the beam read its last token, and choose among what may follow.

        Returns:
            False, and nothing was done, if the search has ended; :attr:`ended` says why.
        """
        asked = self._wishes.should_stop
        if self.ended is None and (self._stop.is_set() or (asked is not None and asked())):
            self.ended = "stopped"
        if self.ended is not None:
            return False
        started = time.perf_counter()
        reading = self._read()
        replies = self._replies(reading, started)
        self._choose(replies)
        return True

    def stop(self) -> None:
        """End the search before its next expansion; may be called from any thread."""
        self._stop.set()

    # -- one expansion ----------------------------------------------------------------------

    def _read(self) -> Reading:
        if not self._alive:
            return self._stepper.start()
        tokens = torch.tensor([node.token_id for node in self._alive])
        return self._stepper.advance(tokens, torch.tensor(self._rows))

    def _replies(self, reading: Reading, started: float) -> list[Reply]:
        """The model's answers, one for each hypothesis in the beam."""
        prompt = self._stepper.prompt_ids
        size = CacheSize(reading.n_pos, reading.nbytes)
        replies = []
        for row, node in enumerate(self._alive or [None]):
            written = () if node is None else node.written
            before = None if node is None else node.reply.history
            noted = reading.noted
            bans = bans_at(
                self.constraints,
                (*prompt, *written),
                n_prompt=len(prompt),
                limit=self.limit,
            )
            history = None if noted is None else History(noted, row, before)
            seconds = time.perf_counter() - started
            replies.append(Reply(written, reading.logits[row], history, bans, size, seconds))
        return replies

    def _scores(self, reply: Reply) -> Float[Tensor, " vocab"]:
        """What each token would add to a hypothesis' total; −∞ where it may not stand."""
        ids = (*self._stepper.prompt_ids, *reply.written)
        log_probs = reply.logits.log_softmax(dim=-1)
        scores = filtered(log_probs, self.strategy, previous=ids, bans=reply.bans).scores
        if len(reply.written) >= len(self._forced):
            return scores
        token_id = self._forced[len(reply.written)]
        only = torch.full_like(scores, -torch.inf)
        only[token_id] = log_probs[token_id]
        return only

    def _choose(self, replies: list[Reply]) -> None:
        scores = torch.stack([self._scores(reply) for reply in replies])
        before = torch.tensor([node.total for node in self._alive] or [0.0])
        totals = scores + before[:, None]
        n_beams, n_vocab = self.strategy.n_beams, totals.shape[1]
        n_kept = max(2, 1 + len(self.constraints.end_ids)) * n_beams
        best = totals.flatten().topk(min(n_kept, totals.numel()))
        depth = len(replies[0].written) + 1
        # In float32, as the totals are: ties then fall as they do in Transformers.
        ranking = (best.values / depth**self.strategy.length_penalty).tolist()
        alive: list[Node] = []
        rows: list[int] = []
        for rank, (total, where) in enumerate(
            zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            if total == -torch.inf:
                break
            row, token_id = divmod(where, n_vocab)
            parent = self._alive[row] if self._alive else None
            node = Node(
                len(self._nodes),
                parent,
                token_id,
                float(scores[row, token_id]),
                total,
                rank,
                replies[row],
                self._end(token_id, depth),
            )
            self._nodes.append(node)
            if node.ended is None and len(alive) < n_beams:
                alive.append(node)
                rows.append(row)
            elif node.ended is not None and rank < n_beams:
                node.is_finished = True
                self._best.append((ranking[rank], node))
        self._best = sorted(self._best, key=lambda pair: pair[0], reverse=True)[:n_beams]
        self._alive, self._rows = alive, rows
        if not alive or not self._can_improve(depth):
            self._finish()

    def _can_improve(self, depth: int) -> bool:
        """Whether a hypothesis in the beam may still become one of the n best texts."""
        strategy = self.strategy
        if len(self._best) < strategy.n_beams:
            return True
        if strategy.early_stopping is True:
            return False
        # Totals only fall, but a long text's is divided by more: what length would be best?
        is_longest = strategy.early_stopping == "never" and strategy.length_penalty > 0
        length = self.limit if is_longest else depth
        hope = torch.tensor(self._alive[0].total) / length**strategy.length_penalty
        return float(hope) > self._best[-1][0]

    def _finish(self) -> None:
        self._alive, self._rows = [], []
        self.ended = self._best[0][1].ended if self._best else "limit"

    def _end(self, token_id: int, depth: int) -> Ended | None:
        if token_id in self.constraints.end_ids:
            return "eos"
        return "limit" if depth >= self.limit else None

    def _leader(self) -> Node | None:
        if self._best:
            return self._best[0][1]
        return self._alive[0] if self._alive else None
