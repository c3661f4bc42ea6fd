"""The tree of texts, and words of tokens, as they travel with a picture of decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.text_tree import TextTree
    from transformer_core.tokenization.tokens import Tokens

_COLUMNS = ("id", "parent", "depth", "token", "state", "ended", "hypothesis")


def tree_facts(
    tree: TextTree, steps: Sequence[DecodingStep], numbers: Sequence[int] | None = None
) -> dict[str, Any]:
    """Every node as a row, every text by its name, and where the text that is shown ends.

    Args:
        steps: The text that is shown.
        numbers: How a page counts the tree's texts; by default from 0.
    """
    count = range(len(tree.names)) if numbers is None else numbers
    strategy = steps[-1].strategy
    return {
        "columns": [*_COLUMNS, "logProb", "total", "text", "texts"],
        "rows": [
            [
                *(getattr(node, name) for name in _COLUMNS),
                round(node.log_prob, 5),
                round(node.total, 5),
                count[node.text],
                [count[text] for text in node.texts],
            ]
            for node in tree.nodes
        ],
        "texts": [
            {"number": number, "name": name, "tip": tip}
            for number, name, tip in zip(count, tree.names, tree.tips, strict=True)
        ],
        "words": {str(node): words for node, words in tree.words.items()},
        "tip": _node_of(tree, steps[-1].written),
        "lengthPenalty": getattr(strategy, "length_penalty", 1.0),
    }


def words_of(tokens: Tokens) -> list[list[Any]]:
    """Words with the positions of their tokens: ``[text, [positions], is special]``."""
    return [[word.text, [*word.positions], word.is_special] for word in tokens.words]


def _node_of(tree: TextTree, written: Sequence[int]) -> int | None:
    """Where in the tree these tokens end; None if it does not hold them."""
    children = {(node.parent, node.token_id): node.id for node in tree.nodes}
    place: int | None = None
    for token_id in written:
        if (place, token_id) not in children:
            return None
        place = children[place, token_id]
    return place
