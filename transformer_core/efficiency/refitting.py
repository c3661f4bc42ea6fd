"""After heads are gone: the output matrices of those that stay, fitted anew by least squares.

The residual stream r' of the pruned model should be that of the whole one, r, as nearly as the
heads that are left can make it: W_O' = argmin ‖r' + Z_kept (W_O' − W_O) − r‖² + λ ‖W_O' − W_O‖² on
calibration text, bias included, layer after layer in the order of computation (the reconstruction
of He et al. 2017, "Channel Pruning", section 3.1, for heads in place of channels; each layer also
makes good what those before it could not). No training: one linear system a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.efficiency.cutting import attention_parts
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import Batch
from transformer_core.efficiency.quality import GoOn, batches
from transformer_core.efficiency.variants import Variant
from transformer_core.model import Transformer
from transformer_core.model.attention import MultiHeadAttention
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.tracing.seat import Place

RIDGE = 0.01
"""λ as a share of the mean variance of the heads' outputs: it holds back what data do not say."""


@dataclass
class _Noted:
    """What was seen at one attention module, at real positions only.

    Attributes:
        leaving: The residual stream after it [token d_model].
        z: What its heads put out, side by side [token d_z].
    """

    leaving: Tensor
    z: Tensor


@torch.no_grad()
def refit(
    whole: ScratchModel, pruned: Variant, on: EvaluationSet, *, go_on: GoOn = lambda: None
) -> Variant:
    """Fit the output matrices of a pruned model to what the whole one writes.

    Args:
        whole: The untouched model.
        pruned: What :func:`~transformer_core.efficiency.cutting.without_heads` made of it; changed
            in place.
        on: Its calibration pairs are used.
        go_on: Called between layers.
    """
    texts = batches(whole, on, is_calibration=True)
    wanted = _noted(whole.module, texts, [place for place, _ in attention_parts(whole.module)])
    parts = sorted(attention_parts(pruned.model.module), key=lambda found: _order(found[0]))
    for place, part in parts:
        go_on()  # a layer before the first cut still writes what it wrote, and is left as it is
        now = _noted(pruned.model.module, texts, [place])[place]
        missing = wanted[place].leaving - now.leaving
        _fit(part, now.z, missing)
    pruned.facts["refitted"] = True
    return pruned


def _order(place: Place) -> tuple[bool, int, bool]:
    """The order in which attention modules are computed."""
    site, layer = place
    return site != "encoder", layer, site == "cross"


def _fit(
    part: MultiHeadAttention, z: Float[Tensor, "token d_z"], missing: Float[Tensor, "token d_model"]
) -> None:
    """Let W_O and its bias write what is missing, too: the ridge solution around what they are."""
    ones = torch.ones(len(z), 1, dtype=torch.float64)
    x = torch.cat([z.double(), ones], dim=1)
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * float(gram.diagonal()[:-1].mean()))
    move = torch.linalg.solve(gram, x.T @ missing.double()).float()  # [d_z + 1, d_model]
    part.w_o.weight = nn.Parameter(part.w_o.weight + move[:-1].T, requires_grad=False)
    part.w_o.bias = nn.Parameter(part.w_o.bias + move[-1], requires_grad=False)


def _noted(module: Transformer, texts: list[Batch], places: list[Place]) -> dict[Place, _Noted]:
    """Run all layers on some texts and note what passes these places."""
    seen: dict[Place, list[_Noted]] = {place: [] for place in places}
    parts = dict(attention_parts(module))
    for batch in texts:
        target = batch.source if batch.target is None else batch.target
        with ExitStack() as watching:
            for place in places:
                mask = batch.source.mask if place[0] == "encoder" else target.mask
                watching.enter_context(_watched(module, place, parts[place], mask, seen[place]))
            memory = None
            if batch.target is not None:
                memory = module.encode(batch.source.ids, batch.source.mask)
            source_mask = None if memory is None else batch.source.mask
            module.decode(target.ids, memory, src_mask=source_mask)
    return {
        place: _Noted(*(torch.cat(each) for each in zip(*map(_fields, notes), strict=True)))
        for place, notes in seen.items()
    }


def _fields(noted: _Noted) -> tuple[Tensor, Tensor]:
    return noted.leaving, noted.z


@contextmanager
def _watched(
    module: Transformer, place: Place, part: MultiHeadAttention, mask: Tensor, seen: list[_Noted]
) -> Iterator[None]:
    """Note what one attention module, and the residual stream around it, hold."""
    site, layer = place
    stack = "decoder" if site == "cross" else site
    kind = "cross" if site == "cross" else "self"
    residual = module.get_submodule(f"{stack}.layers.{layer}.{kind}_attention_residual")
    heads: list[Tensor] = []

    def on_output(_: nn.Module, args: Any) -> None:
        heads.append(args[0][mask])

    def on_residual(_: nn.Module, __: Any, leaving: Tensor) -> None:
        seen.append(_Noted(leaving[mask], heads.pop()))

    handles = [
        part.w_o.register_forward_pre_hook(on_output),
        residual.register_forward_hook(on_residual),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
