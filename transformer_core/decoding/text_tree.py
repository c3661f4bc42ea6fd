"""Greedy, beam and sampled texts from one source on one tree: what they share stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.beam_tree import BeamTree, Beginning, State
from transformer_core.decoding.stepwise import Decoding
from transformer_core.decoding.strategies import Beam, Sample, Strategy

Texts = Sequence[Decoding | BeamDecoding]
_WEIGHT: dict[State, int] = {"pruned": 0, "alive": 1, "continued": 2, "finished": 3}


@dataclass(frozen=True, kw_only=True)
class TreeNode(Beginning):
    """A beginning that one text or several share.

    Hypotheses of a beam have the sums and states that the search gave them. Other texts have the
    model's own log-probability, and are ``continued``, then ``finished`` or (not at their end yet)
    ``alive``.

    Attributes:
        text: A text to open in order to see this state, at step ``depth − 1``.
        hypothesis: Which hypothesis of that text's beam search; None for what it wrote.
        texts: All texts that wrote it.
    """

    text: int
    hypothesis: int | None
    texts: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class TextTree:
    """Everything that was written or considered, by beginnings.

    Attributes:
        nodes: Parents before their children.
        names: How each text was written, by its number.
        tips: The last node of each text, by its number; None of one that is empty.
        words: The text of every node that is finished or alive.
    """

    nodes: tuple[TreeNode, ...]
    names: tuple[str, ...]
    tips: tuple[int | None, ...]
    words: dict[int, str]

    def ranked(self, length_penalty: float) -> tuple[TreeNode, ...]:
        """Finished texts, best first; nothing is written again for another length penalty."""
        finished = [node for node in self.nodes if node.state == "finished"]
        return tuple(sorted(finished, key=lambda node: -node.score(length_penalty)))

    def path(self, node: TreeNode) -> tuple[TreeNode, ...]:
        """From the first token to a node."""
        path = [node]
        while (parent := path[-1].parent) is not None:
            path.append(self.nodes[parent])
        return tuple(reversed(path))


def text_tree(texts: Texts, names: Sequence[str] = ()) -> TextTree:
    """Lay texts from one source over each other.

    Args:
        texts: None of them may be at work in another thread.
        names: What to call them; by default their strategies.
    """
    growing = _Growing()
    tips: list[int | None] = []
    for number, text in enumerate(texts):
        if isinstance(text, BeamDecoding):
            tips.append(growing.add_search(number, text.tree))
        else:
            tips.append(growing.add_steps(number, text))
    nodes = tuple(growing.nodes)
    called = tuple(names) or tuple(strategy_name(text.strategy) for text in texts)
    return TextTree(nodes, called, tuple(tips), growing.words)


def strategy_name(strategy: Strategy) -> str:
    """A strategy in a few words."""
    if isinstance(strategy, Beam):
        return f"beam of {strategy.n_beams}"
    if not isinstance(strategy, Sample):
        return "greedy"
    filters = {"top-k": strategy.top_k, "top-p": strategy.top_p, "min-p": strategy.min_p}
    kept = "".join(f", {name} {value:g}" for name, value in filters.items() if value is not None)
    return f"sample {strategy.seed}, T {strategy.temperature:g}{kept}"


class _Growing:
    """A tree under construction."""

    def __init__(self) -> None:
        self.nodes: list[TreeNode] = []
        self.words: dict[int, str] = {}
        self._at: dict[tuple[int | None, int], int] = {}
        self._searched: set[int] = set()

    def add_steps(self, number: int, text: Decoding) -> int | None:
        parent: int | None = None
        steps = text.steps
        for step in steps:
            is_last = step is steps[-1]
            state: State = "continued"
            if is_last:
                state = "finished" if step.ended else "alive"
            node = TreeNode(
                id=len(self.nodes),
                parent=parent,
                depth=step.index + 1,
                token_id=step.token_id,
                token=step.token,
                log_prob=step.log_prob,
                total=step.cumulative_log_prob,
                state=state,
                ended=step.ended,
                text=number,
                hypothesis=None,
                texts=(number,),
            )
            parent = self._merge(node)
        if parent is not None:
            self.words[parent] = text.text
        return parent

    def add_search(self, number: int, tree: BeamTree) -> int | None:
        best = tree.best
        written = set() if best is None else {h.id for h in tree.path(best)}
        opened = _Openings(tree).by_id
        places: dict[int, int] = {}
        for h in tree:
            is_written = h.id in written
            places[h.id] = self._merge(
                TreeNode(
                    id=len(self.nodes),
                    parent=None if h.parent is None else places[h.parent],
                    depth=h.depth,
                    token_id=h.token_id,
                    token=h.token,
                    log_prob=h.log_prob,
                    total=h.total,
                    state=h.state,
                    ended=h.ended,
                    text=number,
                    hypothesis=None if is_written else opened[h.id],
                    texts=(number,) if is_written else (),
                ),
                is_searched=True,
            )
            if h.state in ("finished", "alive"):
                self.words[places[h.id]] = tree.text(h)
        return None if best is None else places[best.id]

    def _merge(self, node: TreeNode, *, is_searched: bool = False) -> int:
        """Add a node, or what it knows to the one that stands there already."""
        key = (node.parent, node.token_id)
        place = self._at.setdefault(key, len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(node)
        else:
            self.nodes[place] = self._both(self.nodes[place], node, is_searched=is_searched)
        if is_searched:
            self._searched.add(place)
        return place

    def _both(self, old: TreeNode, new: TreeNode, *, is_searched: bool) -> TreeNode:
        # What a search adds up decides its ranking, so its sums stay.
        takes_sums = is_searched and old.id not in self._searched
        takes_place = new.hypothesis is None and old.hypothesis is not None
        return replace(
            old,
            log_prob=new.log_prob if takes_sums else old.log_prob,
            total=new.total if takes_sums else old.total,
            state=max(old.state, new.state, key=_WEIGHT.__getitem__),
            ended=old.ended or new.ended,
            text=new.text if takes_place else old.text,
            hypothesis=None if takes_place else old.hypothesis,
            texts=(*old.texts, *new.texts),
        )


@dataclass(frozen=True)
class _Openings:
    """For each hypothesis the one to open for it: the best finished one that goes on from it."""

    tree: BeamTree

    @cached_property
    def by_id(self) -> dict[int, int]:
        best: dict[int, int] = {}
        for h in self.tree.ranked:  # best first
            for one in self.tree.path(h):
                best.setdefault(one.id, h.id)
        return {h.id: best.get(h.id, h.id) for h in self.tree}
