"""The seat in Hugging Face models: one attention function for every architecture.

Registered under a name of its own, it notes queries and keys in the capture of the current call and
then calls the stock SDPA attention, so the model's output stays bit-identical. Without a capture it
is SDPA.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from transformer_core.errors import ArchitectureError
from transformer_core.tracing import seat
from transformer_core.tracing.interventions import (
    HideKey,
    sparse_of,
    with_hidden,
    with_zeroed,
)
from transformer_core.tracing.records import AttentionRecord
from transformer_core.tracing.seat import Layout, Place, Seat, capturing, intervened, is_short, own
from transformer_core.tracing.sparsity import with_links_cut

__all__ = ["ATTENTION_NAME", "Capture", "Layout", "Place", "capturing", "current"]

ATTENTION_NAME = "workbench"
"""What ``attn_implementation`` must be for a model to be seen."""

_UNSUPPORTED = ("softcap", "s_aux")


@dataclass
class Capture(Seat):
    """What one forward pass of a Hugging Face model does and sees."""

    _seen: dict[Place, int] = field(default_factory=dict)
    _last: tuple[Place, Tensor] | None = None
    _n_items: int = 1

    def attend(
        self,
        module: nn.Module,
        qkv: tuple[Tensor, Tensor, Tensor],
        mask: Tensor | None,
        options: Any,
    ) -> Tensor:
        """Compute a module's attention as SDPA does and note what went into it."""
        refuse_unsupported(module, options)
        query, key, value = qkv
        self._n_items = len(query)
        place = self.place(module)
        if not (self.interventions or self.detailed):
            # The common case, which every traced forward pass pays for in every layer.
            plain: Tensor = sdpa_attention_forward(module, query, key, value, mask, **options)[0]
            output = plain if is_short(query, key) else None
            self.records[place] = self._records(module, qkv, mask, options, output)
            return plain
        chosen = self.chosen(place, len(query))
        value = with_zeroed(value, chosen)
        if any(isinstance(change, HideKey) for changes in chosen for change in changes):
            mask = _whole_mask(module, query, key, mask, options)
            mask = with_hidden(mask, chosen, is_self=place[0] != "cross")
        if sparse := sparse_of(chosen):
            whole = _whole_mask(module, query, key, mask, options)
            mask = with_links_cut(
                whole,
                lambda: _scores(query, key, whole, options),
                sparse,
                is_self=place[0] != "cross",
            )
        output = sdpa_attention_forward(module, query, key, value, mask, **options)[0]
        records = self._records(module, (query, key, value), mask, options, output)
        if any(chosen):
            output = output.clone()
            records = [intervened(r, chosen[i], output[i]) for i, r in enumerate(records)]
        self.records[place] = records if self.detailed else [r.light() for r in records]
        if self.detailed:
            self._last = (place, output.reshape(*output.shape[:2], -1))
        return output

    def saw_linear(self, module: nn.Module, entering: Tensor) -> None:
        """Recognise the output projection (it reads z) and the feed-forward's second matrix."""
        if self._last is not None:
            place, z = self._last
            if entering.shape == z.shape and torch.equal(entering, z):
                weight: Any = module.weight
                is_linear = isinstance(module, nn.Linear)
                self.out_proj[place] = weight.T if is_linear else weight
                self._last = None
                return
        site_layer = self.layout.attention_layers[id(module)]
        # The last matrix of a layer is the one that writes the feed-forward's result. OPT gives it
        # the positions of all inputs in one row.
        self.ff[site_layer] = entering.reshape(self._n_items, -1, entering.shape[-1])

    def place(self, module: nn.Module) -> Place:
        """Where a module stands that is about to attend: its site and layer."""
        site, layer = self.layout.attention_layers.get(id(module), ("", -1))
        if layer < 0:
            raise ArchitectureError(
                f"{type(module).__name__} attends outside the model's layers and cannot be placed."
            )
        nth = self._seen.get((site, layer), 0)
        self._seen[site, layer] = nth + 1
        if nth == 0:
            return site, layer
        if nth == 1 and site == "decoder" and "cross" in self.layout.sites:
            return "cross", layer
        raise ArchitectureError(
            f"Layer {layer} of the {site} attends {nth + 1} times; cannot place it."
        )

    def _records(
        self,
        module: nn.Module,
        qkv: tuple[Tensor, Tensor, Tensor],
        mask: Tensor | None,
        options: Any,
        output: Tensor | None = None,
    ) -> list[AttentionRecord]:
        """One record an input, without values where the output is not given."""
        query, key, value = qkv
        seen, bias = split_mask(mask, options)
        return [
            AttentionRecord(
                q=own(query, i),
                k=own(key, i),
                scaling=scaling_of(query, options),
                mask=None if seen is None else seen[min(i, len(seen) - 1)],
                is_causal=mask is None and _is_causal(module, query, options),
                bias=None if bias is None else bias[min(i, len(bias) - 1)].detach(),
                v=None if output is None else own(value, i),
                z=None if output is None else own(output, i).transpose(0, 1),
            )
            for i in range(query.shape[0])
        ]


def current() -> Capture | None:
    """The capture of the call under way in this thread, if any."""
    watching = seat.current()
    return watching if isinstance(watching, Capture) else None


def refuse_unsupported(module: nn.Module, options: Any) -> None:
    """Refuse what would make recorded attention differ from the model's own.

    Raises:
        ArchitectureError: If the module does more than scale, mask, add a bias and softmax.
    """
    for name in _UNSUPPORTED:
        if options.get(name) is not None:
            raise ArchitectureError(
                f"{type(module).__name__} uses {name!r}, which cannot be captured exactly."
            )


def scaling_of(query: Tensor, options: Any) -> float:
    """What q·k is multiplied by."""
    scaling = options.get("scaling")
    return float(query.shape[-1] ** -0.5 if scaling is None else scaling)


def split_mask(mask: Tensor | None, options: Any) -> tuple[Tensor | None, Tensor | None]:
    """A mask of either kind as what may be seen and, if anything is added besides, a bias."""
    seen, bias = mask, None
    if mask is not None and mask.dtype != torch.bool:
        seen = mask > torch.finfo(mask.dtype).min / 2
        rest = mask.masked_fill(~seen, 0)
        bias = rest if bool(rest.any()) else None
    position_bias = options.get("position_bias")
    if position_bias is not None:
        bias = position_bias if bias is None else bias + position_bias
    return seen, bias


def _is_causal(module: nn.Module, query: Tensor, options: Any) -> bool:
    """Whether, without a mask, a query sees no key after itself (as SDPA decides it)."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return bool(causal) and query.shape[2] > 1


def _whole_mask(
    module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None, options: Any
) -> Tensor:
    """The mask, also where it is only implied."""
    if mask is not None:
        return mask
    seen = torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool)
    return seen.tril() if _is_causal(module, query, options) else seen


def _scores(query: Tensor, key: Tensor, mask: Tensor, options: Any) -> Tensor:
    """Scaled and masked scores of all heads [batch head query_pos key_pos]."""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.mT * scaling_of(query, options)
    seen, bias = split_mask(mask, options)
    scores = scores if bias is None else scores + bias
    return scores if seen is None else scores.masked_fill(~seen, -torch.inf)


def _workbench_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    capture = current()
    if capture is None:
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return output
    return capture.attend(module, (query, key, value), attention_mask, options), None


AttentionInterface.register(ATTENTION_NAME, _workbench_attention)
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
