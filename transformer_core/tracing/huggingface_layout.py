"""Where a Hugging Face model's layers stand, and the hooks that let a capture see them."""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from transformer_core.errors import ArchitectureError
from transformer_core.tracing.capture import current
from transformer_core.tracing.seat import Layout


def find_layout(module: PreTrainedModel) -> Layout:
    """Find a model's layers and attention sites from its structure.

    A layer is an item of an outermost ``ModuleList``; in an encoder–decoder, those under the
    decoder are the decoder's. Whether a single stack is an encoder or a decoder is told by its
    causality.

    Raises:
        ArchitectureError: If no stack of layers is found.
    """
    two_stacks = bool(module.config.is_encoder_decoder)
    decoder = module.get_decoder() if two_stacks else None
    inside_decoder = {id(m) for m in decoder.modules()} if decoder is not None else set()
    causal = any(getattr(m, "is_causal", False) is True for m in module.modules())
    single = "decoder" if causal else "encoder"
    layers: dict[int, tuple[str, int]] = {}
    members: dict[int, tuple[str, int]] = {}
    for stack in module.modules():
        if not isinstance(stack, nn.ModuleList) or id(stack) in members:
            continue
        for index, layer in enumerate(stack):
            # Lists without attention in them (a head's norms, say) are passed over.
            if not any("attention" in type(m).__name__.lower() for m in layer.modules()):
                break
            site = (
                ("decoder" if id(layer) in inside_decoder else "encoder") if two_stacks else single
            )
            layers[id(layer)] = (site, index)
            members |= {id(m): (site, index) for m in layer.modules()}
    if not layers:
        raise ArchitectureError(
            f"{type(module).__name__} has no stack of attention layers that could be shown."
        )
    sites = ("encoder", "decoder", "cross") if two_stacks else (single,)
    return Layout(sites, layers, members)


def watch_layers(module: PreTrainedModel, layout: Layout) -> None:
    """Hooks that note the residual stream, while a capture that wants it looks on."""

    def on_layer(layer: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        capture = current()
        if capture is not None and capture.sees_layers:
            entering = args[0] if args else kwargs["hidden_states"]
            leaving = output if isinstance(output, Tensor) else output[0]
            capture.saw_layer(layer, entering, leaving)

    for part in module.modules():
        if id(part) in layout.layers:
            part.register_forward_hook(on_layer, with_kwargs=True)


def watch_matrices(module: PreTrainedModel, layout: Layout) -> None:
    """Hooks that note projections and activations, while a detailed capture looks on."""

    def on_linear(linear: nn.Module, args: Any) -> None:
        capture = current()
        if capture is not None and capture.detailed:
            capture.saw_linear(linear, args[0])

    for part in module.modules():
        if id(part) in layout.attention_layers and isinstance(part, nn.Linear | Conv1D):
            part.register_forward_pre_hook(on_linear)


def patch_labels(config: Any, pixels: Tensor) -> list[str]:
    """Names of a vision model's positions: special tokens, then the patches by row and column."""
    size = config.patch_size
    rows, columns = pixels.shape[-2] // size, pixels.shape[-1] // size
    special = ["[CLS]", "[DIST]"] if config.model_type == "deit" else ["[CLS]"]
    return special + [f"r{row}c{column}" for row in range(rows) for column in range(columns)]
