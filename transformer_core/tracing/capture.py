"""The seat in Hugging Face models from which attention is seen and, where asked, changed.

One attention function, registered under a name of its own, notes queries and keys in the capture of
the current call and then calls the stock SDPA attention, so the model's output stays bit-identical.
Without a capture it is SDPA. Captures live in a context variable: each thread sees its own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from transformer_core.errors import ArchitectureError
from transformer_core.tracing.interventions import (
    Change,
    HideKey,
    Intervention,
    concerns,
    imposed,
    of_item,
    with_hidden,
    zeroed_positions,
)
from transformer_core.tracing.records import AttentionRecord

ATTENTION_NAME = "workbench"
"""What ``attn_implementation`` must be for a model to be seen."""

Place = tuple[str, int]
"""Site and layer."""

_UNSUPPORTED = ("softcap", "s_aux")


@dataclass(frozen=True)
class Layout:
    """Where things stand in a model.

    Attributes:
        sites: Attention sites.
        layers: Site ("encoder" or "decoder") and layer of each layer module.
        attention_layers: The layer that any module inside a layer belongs to, by module id.
    """

    sites: tuple[str, ...]
    layers: Mapping[int, Place]
    attention_layers: Mapping[int, Place]


@dataclass
class Capture:
    """What one forward pass does and sees; belongs to the thread that runs it.

    Attributes:
        layout: The model's layout.
        interventions: Changes to make.
        detailed: Whether to note values, outputs, residual stream and activations too.
    """

    layout: Layout
    interventions: tuple[Intervention, ...] = ()
    detailed: bool = False
    records: dict[Place, list[AttentionRecord]] = field(default_factory=dict)
    resid: dict[Place, Tensor] = field(default_factory=dict)
    ff: dict[Place, Tensor] = field(default_factory=dict)
    out_proj: dict[Place, Tensor] = field(default_factory=dict)
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
        for name in _UNSUPPORTED:
            if options.get(name) is not None:
                raise ArchitectureError(
                    f"{type(module).__name__} uses {name!r}, which cannot be captured exactly."
                )
        query, key, value = qkv
        self._n_items = len(query)
        place = self._place(module)
        chosen = self._chosen(place, len(query))
        if any(map(zeroed_positions, chosen)):
            value = value.clone()
            for item, changes in enumerate(chosen):
                for position in zeroed_positions(changes):
                    value[item, :, position] = 0
        if any(isinstance(change, HideKey) for changes in chosen for change in changes):
            mask = _whole_mask(module, query, key, mask, options)
            mask = with_hidden(mask, chosen, is_self=place[0] != "cross")
        output = sdpa_attention_forward(module, query, key, value, mask, **options)[0]
        records = self._records(module, (query, key, value), mask, options, output)
        if any(chosen):
            output = output.clone()
            records = [_intervene(r, chosen[i], output[i]) for i, r in enumerate(records)]
        self.records[place] = records if self.detailed else [r.light() for r in records]
        if self.detailed:
            self._last = (place, output.reshape(*output.shape[:2], -1))
        return output

    def saw_layer(self, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
        """Note the residual stream around a layer."""
        site, layer = self.layout.layers[id(module)]
        if layer == 0:
            self.resid[site, -1] = entering
        self.resid[site, layer] = leaving

    def saw_linear(self, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
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

    def _chosen(self, place: Place, n_items: int) -> list[tuple[Change, ...]]:
        """What is to be changed at a place, by input of the batch."""
        return [
            tuple(c for c in of_item(self.interventions, item) if concerns(c, *place))
            for item in range(n_items)
        ]

    def _place(self, module: nn.Module) -> Place:
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
        output: Tensor,
    ) -> list[AttentionRecord]:
        query, key, value = qkv
        scaling = options.get("scaling")
        seen, bias = _split_mask(mask)
        position_bias = options.get("position_bias")
        if position_bias is not None:
            bias = position_bias if bias is None else bias + position_bias
        return [
            AttentionRecord(
                q=_own(query, i),
                k=_own(key, i),
                scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
                mask=None if seen is None else seen[min(i, len(seen) - 1)],
                is_causal=mask is None and _is_causal(module, query, options),
                bias=None if bias is None else bias[min(i, len(bias) - 1)].detach(),
                v=_own(value, i) if self.detailed else value[i],
                z=output[i].transpose(0, 1),
            )
            for i in range(query.shape[0])
        ]


_current: ContextVar[Capture | None] = ContextVar("capture", default=None)


@contextmanager
def capturing(capture: Capture) -> Iterator[Capture]:
    """Let a capture see the forward passes of this thread."""
    token = _current.set(capture)
    try:
        yield capture
    finally:
        _current.reset(token)


def current() -> Capture | None:
    """The capture of the call under way in this thread, if any."""
    return _current.get()


def _own(batched: Tensor, item: int) -> Tensor:
    """One item of a batch that keeps nothing else alive (a view of a fused projection would)."""
    tensor = batched[item].detach()
    is_view = tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()
    return tensor.clone() if is_view else tensor


def _split_mask(mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """A mask of either kind as what may be seen and, if it adds anything else, a bias."""
    if mask is None or mask.dtype == torch.bool:
        return mask, None
    seen = mask > torch.finfo(mask.dtype).min / 2
    rest = mask.masked_fill(~seen, 0)
    return seen, rest if bool(rest.any()) else None


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


def _intervene(
    record: AttentionRecord, changes: tuple[Change, ...], output: Tensor
) -> AttentionRecord:
    """Impose changes on one item: write the changed heads into ``output`` [pos head d]."""
    if not changes:
        return record
    patterns, outputs = imposed(record, changes)
    for head, changed in outputs.items():
        output[:, head] = changed.to(output.dtype)
    return replace(record, overrides=patterns, z=output.transpose(0, 1))


def _workbench_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    capture = _current.get()
    if capture is None:
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return output
    return capture.attend(module, (query, key, value), attention_mask, options), None


AttentionInterface.register(ATTENTION_NAME, _workbench_attention)
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
