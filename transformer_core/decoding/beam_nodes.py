"""Hypotheses while a beam search runs; from them the tree and any text's steps are made."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from torch import Tensor

from transformer_core.decoding.beam_tree import BeamTree, Hypothesis, State
from transformer_core.decoding.filters import Bans
from transformer_core.decoding.steps import Answer, CacheSize, DecodingStep, Ended, log_prob
from transformer_core.decoding.strategies import Beam
from transformer_core.tokenization.tokens import Tokenizer
from transformer_core.tracing.history import History
from transformer_core.tracing.stepping import Stepper


@dataclass(frozen=True, eq=False)
class Reply:
    """What the model said after a hypothesis that stayed alive.

    Attributes:
        written: That hypothesis' tokens.
        logits: Scores of the next token.
        history: What was noted until then.
        bans: What must and must not be written next.
        cache: The cache of all beams.
        seconds: What the expansion took.
    """

    written: tuple[int, ...]
    logits: Tensor
    history: History | None
    bans: Bans | None
    cache: CacheSize
    seconds: float


@dataclass(eq=False)
class Node:
    """A hypothesis of a search under way.

    Attributes:
        id: Its place among all of them.
        parent: The hypothesis that it continues.
        token_id: Its last token.
        log_prob: What that token added.
        total: The sum over all tokens.
        rank: Its place among all continuations of its step.
        reply: What its last token was chosen from.
        ended: Why its text ends.
        is_finished: Whether that counted.
    """

    id: int
    parent: Node | None
    token_id: int
    log_prob: float
    total: float
    rank: int
    reply: Reply
    ended: Ended | None
    is_finished: bool = False

    @property
    def written(self) -> tuple[int, ...]:
        """Its tokens."""
        return (*self.reply.written, self.token_id)

    @property
    def depth(self) -> int:
        """How many they are."""
        return len(self.reply.written) + 1

    def path(self) -> list[Node]:
        """From the first token to this one."""
        path = [self]
        while (parent := path[-1].parent) is not None:
            path.append(parent)
        return path[::-1]


def tree_of(
    nodes: Sequence[Node], alive: Set[int], strategy: Beam, tokenizer: Tokenizer
) -> BeamTree:
    """The tree as it stands.

    Args:
        nodes: All hypotheses, by id.
        alive: Which of them are in the beam.
        strategy: The search's.
        tokenizer: Makes tokens and texts readable.
    """
    states = _states(nodes, alive)
    hypotheses = tuple(
        Hypothesis(
            id=node.id,
            parent=None if node.parent is None else node.parent.id,
            depth=node.depth,
            token_id=node.token_id,
            token=tokenizer.show(node.token_id),
            log_prob=node.log_prob,
            total=node.total,
            rank=node.rank,
            state=states[node.id],
            ended=node.ended,
        )
        for node in nodes
    )
    return BeamTree(hypotheses, strategy.length_penalty, strategy.n_beams, tokenizer.decode)


def steps_on(
    path: Sequence[Node], stepper: Stepper, strategy: Beam, *, n_forced: int, is_recording: bool
) -> tuple[DecodingStep, ...]:
    """The steps of one hypothesis.

    Args:
        path: From its first token to its last.
        stepper: What computed.
        strategy: The search's.
        n_forced: How many first tokens the caller chose.
        is_recording: Whether steps keep what they saw.
    """
    steps: list[DecodingStep] = []
    total = 0.0
    for index, node in enumerate(path):
        reply = node.reply
        own = log_prob(reply.logits, node.token_id)
        total += own
        logits = reply.logits if is_recording else None
        steps.append(
            DecodingStep(
                index=index,
                token_id=node.token_id,
                log_prob=own,
                cumulative_log_prob=total,
                is_forced=index < n_forced,
                ended=node.ended if node.is_finished else None,
                seconds=reply.seconds,
                cache=reply.cache,
                answer=Answer(
                    stepper=stepper,
                    logits=logits,
                    history=reply.history,
                    written=reply.written,
                    bans=reply.bans,
                    strategy=strategy,
                    is_log=True,
                ),
            )
        )
    return tuple(steps)


def _states(nodes: Sequence[Node], alive: Set[int]) -> list[State]:
    states: list[State] = ["pruned"] * len(nodes)
    for node in reversed(nodes):  # a hypothesis stands after the one that it continues
        if node.is_finished:
            states[node.id] = "finished"
        elif node.id in alive:
            states[node.id] = "alive"
        if states[node.id] != "pruned" and node.parent is not None:
            states[node.parent.id] = "continued"
    return states
