"""Roles that heads are known to play, and how clearly a head plays one.

A role names, for every query, the keys that a head in that role would read. A head's score is the
mean weight that it gives to these keys, over the queries that have some and have a choice. The
baseline is the exact expectation of that mean if each row's weights were shuffled among the keys
that the query may see: the share of the role's keys among them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.records import AttentionRecord

CLEAR_SCORE = 0.4
"""A clear role's keys get at least this share of the weight, …"""

CLEAR_RATIO = 2.0
"""… at least this many times the baseline, and the baseline lies more than one spread below."""

Material = Literal["sentences", "repeats"]
Keys = Callable[[Tokens, Tokens], Bool[Tensor, "query_pos key_pos"]]


@dataclass(frozen=True)
class Role:
    """One role.

    Attributes:
        name: Such as ``previous token``.
        keys: From the tokens of queries and keys, the keys that each query would read.
        material: On which probes it is measured: sentences, or random words said twice.
        meaning: One sentence for readers, with the paper that describes such heads.
        is_rest: Whether it is where heads rest that have nothing to do. An induction head rests on
            the first token of most sentences: such a role never hides another one.
    """

    name: str
    keys: Keys
    material: Material
    meaning: str
    is_rest: bool = False


def _offset(offset: int) -> Keys:
    def keys(queries: Tokens, _: Tokens) -> Tensor:
        n = len(queries)
        return torch.ones(n, n, dtype=torch.bool).triu(offset).tril(offset)

    return keys


def _column(position: int) -> Keys:
    def keys(queries: Tokens, keys: Tokens) -> Tensor:
        cells = torch.zeros(len(queries), len(keys), dtype=torch.bool)
        cells[:, position] = True
        if len(queries) == len(keys):  # a token that reads itself is the same-token role
            cells.fill_diagonal_(False)
        return cells

    return keys


def _same(queries: Sequence[int], keys: Sequence[int]) -> Tensor:
    return torch.tensor(queries)[:, None] == torch.tensor(keys)[None, :]


def _duplicates(queries: Tokens, keys: Tokens) -> Tensor:
    return _same(queries.ids, keys.ids).fill_diagonal_(False)


def _induction(queries: Tokens, keys: Tokens) -> Tensor:
    earlier = _same(queries.ids, keys.ids).tril(-1)
    # What stands after an earlier occurrence; after one just before, that is the query itself.
    cells = torch.zeros_like(earlier)
    cells[:, 1:] = earlier[:, :-1]
    return cells.tril(-1)


def _diagonal(queries: Tokens, keys: Tokens) -> Tensor:
    n_query, n_key = len(queries), len(keys)
    rows = torch.arange(n_query)[:, None] * (n_key - 1) / max(1, n_query - 1)
    return (torch.arange(n_key)[None, :] - rows).abs() <= 1


def _copies(shift: int) -> Keys:
    """Source tokens written like the target token that a query reads, or (1) that comes next."""

    def keys(queries: Tokens, keys: Tokens) -> Tensor:
        target = [_plain(queries, i + shift) for i in range(len(queries))]
        source = [_plain(keys, j) for j in range(len(keys))]
        return torch.tensor([[bool(t) and t == s for s in source] for t in target])

    return keys


def _plain(tokens: Tokens, position: int) -> str:
    """A token's letters; empty for a special token or none."""
    if position >= len(tokens) or tokens.is_special[position]:
        return ""
    return tokens.display[position].strip("␣ ").casefold()


SELF_ROLES = (
    Role(
        "previous token",
        _offset(-1),
        "sentences",
        "Reads the token before. Clark et al. 2019, section 3.1; Voita et al. 2019, section 5.1.",
    ),
    Role(
        "next token",
        _offset(1),
        "sentences",
        "Reads the token after. Clark et al. 2019, section 3.1; Voita et al. 2019, section 5.1.",
    ),
    Role("same token", _offset(0), "sentences", "Reads its own position. Clark et al. 2019."),
    Role(
        "first token",
        _column(0),
        "sentences",
        "Rests on the first token, often with nothing to do. Clark et al. 2019, section 3.2; "
        "attention sinks of Xiao et al. 2023.",
        is_rest=True,
    ),
    Role(
        "last token",
        _column(-1),
        "sentences",
        "Rests on the last token: [SEP] in BERT. Clark et al. 2019, section 3.2.",
        is_rest=True,
    ),
    Role(
        "induction",
        _induction,
        "repeats",
        "Reads the token after an earlier occurrence of its own token. Olsson et al. 2022.",
    ),
    Role(
        "duplicate token",
        _duplicates,
        "repeats",
        "Reads another occurrence of its own token. Wang et al. 2022 (indirect objects).",
    ),
)
CROSS_ROLES = (
    Role(
        "diagonal",
        _diagonal,
        "sentences",
        "Reads the source in step with the target: within one token of the diagonal. "
        "Monotone alignment, Raffel et al. 2017.",
    ),
    Role(
        "aligned to output",
        _copies(1),
        "sentences",
        "Reads the source token written like the target token that comes next (names, figures, "
        "marks). Chen et al. 2020, Accurate Word Alignment Induction.",
    ),
    Role(
        "aligned to input",
        _copies(0),
        "sentences",
        "Reads the source token written like the target token just read. Chen et al. 2020, "
        "Accurate Word Alignment Induction.",
    ),
    Role("first token", _column(0), "sentences", "Rests on the first source token.", is_rest=True),
    Role(
        "last token",
        _column(-1),
        "sentences",
        "Rests on the last source token, often the end mark. Clark et al. 2019, section 3.2.",
        is_rest=True,
    ),
)


def roles_at(site: str) -> tuple[Role, ...]:
    """The roles that heads of a site can play."""
    return CROSS_ROLES if site == "cross" else SELF_ROLES


def role_cells(
    roles: Iterable[Role], queries: Tokens, keys: Tokens
) -> Bool[Tensor, "role query_pos key_pos"]:
    """The keys of each role, for every query of a text."""
    return torch.stack([role.keys(queries, keys) for role in roles])


def scores_of(
    pattern: Float[Tensor, "head query_pos key_pos"],
    cells: Bool[Tensor, "role query_pos key_pos"],
    visible: Bool[Tensor, "#head query_pos key_pos"] | None = None,
) -> tuple[Float[Tensor, "head role"], Float[Tensor, "head role"]]:
    """How strongly heads play roles on one text.

    Args:
        pattern: Attention weights; rows sum to 1.
        cells: The keys of each role.
        visible: Where a query may look; None where all may look at all.

    Returns:
        Score and baseline, see the module; NaN where no query of the text has a choice.
    """
    seen = torch.ones_like(pattern[:1], dtype=torch.bool) if visible is None else visible
    possible = cells & seen[:, None]  # [#head role query_pos key_pos]
    n_possible, n_seen = possible.sum(-1), seen.sum(-1)[:, None]
    has_choice = (n_possible > 0) & (n_possible < n_seen)
    n_rows = has_choice.sum(-1)
    on_role = (pattern[:, None] * possible).sum(-1)
    score = (on_role * has_choice).sum(-1) / n_rows
    chance = (n_possible / n_seen * has_choice).sum(-1) / n_rows
    return score, chance.expand_as(score)


def record_scores(
    record: AttentionRecord, cells: Bool[Tensor, "role query_pos key_pos"]
) -> tuple[Float[Tensor, "head role"], Float[Tensor, "head role"]]:
    """Score and baseline of every head of a layer on one text, see :func:`scores_of`."""
    n_masks = 1 if record.mask is None else record.mask.shape[0]
    masks = [record.visible(head) for head in range(n_masks)]
    visible = None if masks[0] is None else torch.stack([m for m in masks if m is not None])
    return scores_of(record.pattern(), cells, visible)


def clear_roles(
    roles: Sequence[Role],
    scores: Sequence[float],
    baselines: Sequence[float],
    spreads: Sequence[float],
) -> list[int]:
    """Which roles a head clearly plays, the clearest first; none is an answer.

    The clearest is the one that goes farthest of the way from its baseline to 1; roles of rest come
    after all others. A score that could not be measured (NaN) is none.
    """
    found = []
    for i, (score, base, spread) in enumerate(zip(scores, baselines, spreads, strict=True)):
        if score >= CLEAR_SCORE and score >= CLEAR_RATIO * base and score - spread > base:
            found.append((roles[i].is_rest, -(score - base) / (1 - base), i))
    return [i for _, _, i in sorted(found)]
