"""Changes made to a model's attention while it runs, from the seat where attention is captured.

Each intervention is a plain value; a trace carries the ones that it was made with.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.tracing.records import AttentionRecord
from transformer_core.tracing.sparsity import SparseAttention

AblationMode = Literal["zero", "mean", "uniform"]


@dataclass(frozen=True)
class AblateHead:
    """Take one head out.

    Attributes:
        mode: ``zero``: the head writes nothing (Michel et al. 2019). ``mean``: every position gets
            the mean of the head's output z over the positions of this input (in a decoder over
            later ones, too). ``uniform``: the head attends equally to all keys that it may see.
    """

    site: str
    layer: int
    head: int
    mode: AblationMode = "zero"


@dataclass(frozen=True, eq=False)
class ReplacePattern:
    """Make one head attend as told; each row must sum to 1."""

    site: str
    layer: int
    head: int
    pattern: Float[Tensor, "query_pos key_pos"]


@dataclass(frozen=True)
class TopKKeys:
    """Let every query keep its k highest-scoring keys; the rest are masked before softmax.

    Attributes:
        site, layer, head: Where; None means everywhere.
    """

    k: int
    site: str | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class ZeroValue:
    """Zero one position's value vectors at one layer (value zeroing, Mohebbi et al. 2023)."""

    site: str
    layer: int
    position: int


@dataclass(frozen=True)
class HideKey:
    """Hide one position from all others: nobody reads it, as if the text did not have it.

    Positions stay as they were, so what changes is due to the token and not to a shift of the
    others. The hidden position itself reads on, but nothing of that reaches the others.

    Attributes:
        position: The key to hide.
        site, layer: Where; None means everywhere.
    """

    position: int
    site: str | None = None
    layer: int | None = None


@dataclass(frozen=True)
class WithoutPositions:
    """Take positions away from the whole model: nothing added, nothing turned, no bias by distance.

    A causal mask stays: a decoder then still tells how much stands before a token.

    Attributes:
        site, layer: None: it acts before and in every layer.
    """

    site: None = None
    layer: None = None


Change = (
    AblateHead
    | ReplacePattern
    | TopKKeys
    | ZeroValue
    | HideKey
    | WithoutPositions
    | SparseAttention
)


@dataclass(frozen=True)
class InItem:
    """A change to one input of a batch only.

    Copies of a text, each with a change of its own, then take one forward pass together.

    Attributes:
        item: Which input of the batch, from 0.
        change: What to do there.
    """

    item: int
    change: Change


Intervention = Change | InItem


def of_item(interventions: Sequence[Intervention], item: int) -> tuple[Change, ...]:
    """The changes that one input of a batch gets."""
    return tuple(
        i.change if isinstance(i, InItem) else i
        for i in interventions
        if not isinstance(i, InItem) or i.item == item
    )


def concerns(change: Change, site: str, layer: int) -> bool:
    """Whether a change touches this layer at this site."""
    return change.site in (None, site) and change.layer in (None, layer)


def check_interventions(
    interventions: Sequence[Intervention],
    places: Collection[tuple[str, int]],
    *,
    n_items: int,
    is_padded: bool,
) -> None:
    """Refuse interventions that would silently do nothing, or something else than they say.

    Args:
        places: Site and layer of every attention module that there is.
        n_items: Inputs in the batch.
        is_padded: Whether some input of the batch is shorter than another.

    Raises:
        InputError: If one names a layer, site or input of the batch that is not there, or averages
            over the positions of a padded input.
    """
    for intervention in interventions:
        if isinstance(intervention, InItem) and not 0 <= intervention.item < n_items:
            raise InputError(f"There is no input {intervention.item} in a batch of {n_items}.")
        change = intervention.change if isinstance(intervention, InItem) else intervention
        if is_padded and isinstance(change, AblateHead) and change.mode == "mean":
            raise InputError(
                "Mean ablation would average over padding in a batch of different lengths; "
                "trace the inputs one by one."
            )
        if not any(concerns(change, *place) for place in places):
            sites = ", ".join(sorted({site for site, _ in places}))
            raise InputError(
                f"{type(change).__name__}: there is no layer {change.layer} at {change.site!r}; "
                f"the sites are {sites}, layers count from 0."
            )


def with_zeroed(
    v: Float[Tensor, "batch head key_pos d_head"], chosen: Sequence[tuple[Change, ...]]
) -> Float[Tensor, "batch head key_pos d_head"]:
    """Values with those of the chosen positions zeroed; the same tensor where none is chosen.

    Args:
        v: Values of a batch.
        chosen: What each input of the batch gets.

    Raises:
        InputError: If there is no such position.
    """
    zeroed = [
        (item, change.position)
        for item, changes in enumerate(chosen)
        for change in changes
        if isinstance(change, ZeroValue)
    ]
    if not zeroed:
        return v
    v, n_key = v.clone(), v.shape[2]
    for item, position in zeroed:
        if not 0 <= position < n_key:
            raise InputError(
                f"There is no value at position {position}; positions run from 0 to {n_key - 1}."
            )
        v[item, :, position] = 0
    return v


def sparse_of(chosen: Sequence[tuple[Change, ...]]) -> list[tuple[SparseAttention, ...]]:
    """For each input of a batch, which links it is to keep; empty if all keep all."""
    sparse = [tuple(c for c in changes if isinstance(c, SparseAttention)) for changes in chosen]
    return sparse if any(sparse) else []


def with_hidden(
    mask: Bool[Tensor, "#batch #head query_pos key_pos"]
    | Float[Tensor, "#batch #head query_pos key_pos"],
    changes: Sequence[tuple[Change, ...]],
    *,
    is_self: bool,
) -> Tensor:
    """A mask that hides the chosen keys, too.

    Args:
        mask: True where a query may look; or what is added to the scores.
        changes: What each input of the batch gets.
        is_self: Whether queries and keys are the same positions; a hidden one then sees itself.

    Raises:
        InputError: If there is no such key.
    """
    n_key = mask.shape[-1]
    mask = mask.expand(len(changes), -1, -1, -1).clone()
    closed = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
    for item, mine in enumerate(changes):
        for hide in mine:
            if not isinstance(hide, HideKey):
                continue
            if not 0 <= hide.position < n_key:
                raise InputError(
                    f"There is no key {hide.position}; keys run from 0 to {n_key - 1}."
                )
            others = torch.ones(mask.shape[2], dtype=torch.bool)
            if is_self:
                others[hide.position] = False
            mask[item, :, others, hide.position] = closed
    return mask


def imposed(
    record: AttentionRecord, interventions: tuple[Change, ...]
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """What the interventions impose on a layer, in their order.

    Args:
        record: The layer's record, with values and outputs.
        interventions: Those that concern this layer.

    Returns:
        Patterns by head, and outputs [query_pos d_value] by head.

    Raises:
        InputError: If a head, a pattern or k does not fit the record.
    """
    patterns: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    for intervention in interventions:
        if isinstance(intervention, AblateHead):
            _ablate(record, intervention, patterns, outputs)
        elif isinstance(intervention, ReplacePattern):
            patterns[intervention.head] = _fitting(record, intervention)
        elif isinstance(intervention, TopKKeys):
            heads = range(record.n_heads) if intervention.head is None else [intervention.head]
            _check_head(heads[0], record.n_heads)
            patterns |= {head: top_k_pattern(record, head, k=intervention.k) for head in heads}
    for head, pattern in patterns.items():
        outputs.setdefault(head, pattern @ record.values(head))
    return patterns, outputs


def _ablate(
    record: AttentionRecord,
    ablation: AblateHead,
    patterns: dict[int, Tensor],
    outputs: dict[int, Tensor],
) -> None:
    head = ablation.head
    _check_head(head, record.n_heads)
    if ablation.mode == "uniform":
        seen = record.visible(head)
        seen = torch.ones(record.n_query, record.n_key) if seen is None else seen.float()
        patterns[head] = seen / seen.sum(dim=-1, keepdim=True)
        return
    if record.z is None:
        raise NotInTraceError("Ablating a head needs a record with its output.")
    z = record.z[head].float()
    kept = torch.zeros_like(z) if ablation.mode == "zero" else z.mean(dim=0).expand_as(z)
    outputs[head] = kept


def _check_head(head: int, n_heads: int) -> None:
    if not 0 <= head < n_heads:
        raise InputError(f"There is no head {head}; heads run from 0 to {n_heads - 1}.")


def _fitting(record: AttentionRecord, replacement: ReplacePattern) -> Tensor:
    wanted = (record.n_query, record.n_key)
    if tuple(replacement.pattern.shape) != wanted:
        raise InputError(
            f"The pattern is {tuple(replacement.pattern.shape)}, this head needs {wanted} "
            "(queries × keys)."
        )
    _check_head(replacement.head, record.n_heads)
    if not torch.allclose(replacement.pattern.sum(-1), torch.ones(wanted[0]), atol=1e-4):
        raise InputError("Every row of a replaced pattern must sum to 1.")
    return replacement.pattern.float()


def top_k_pattern(
    record: AttentionRecord, head: int, *, k: int
) -> Float[Tensor, "query_pos key_pos"]:
    """One head's pattern if each query kept its k best keys only.

    Raises:
        InputError: If k is below 1.
    """
    if k < 1:
        raise InputError(f"Top-k needs k of at least 1, not {k}.")
    scores = record.attn_scores(head)
    kept = scores.topk(min(k, record.n_key), dim=-1).indices
    only = torch.full_like(scores, -torch.inf).scatter(-1, kept, scores.gather(-1, kept))
    return only.softmax(dim=-1)
