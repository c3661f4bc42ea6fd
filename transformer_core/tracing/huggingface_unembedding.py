"""From a Hugging Face model's residual stream to its logits: what follows the last layer."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.tracing.capture import Layout

_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "layer_norm", "norm_f")


def unembed(
    module: Any, layout: Layout, resid: Float[Tensor, "pos d_model"]
) -> Float[Tensor, "pos vocab"]:
    """Logits as if the residual stream came out of the decoder's last layer.

    That is the logit lens ("interpreting GPT: the logit lens", nostalgebraist 2020). Whoever draws
    it checks that after the last layer it gives the model's own logits.

    Raises:
        NotInTraceError: If the model has no head that scores a vocabulary.
    """
    head = module.get_output_embeddings()
    if head is None:
        raise NotInTraceError(f"{type(module).__name__} has no head that scores a vocabulary.")
    config = module.config
    stack = _stack(module, layout)
    norm = next((getattr(stack, name) for name in _FINAL_NORMS if hasattr(stack, name)), None)
    hidden = resid if norm is None else norm(resid)
    if (project_out := getattr(stack, "project_out", None)) is not None:  # OPT
        hidden = project_out(hidden)
    if getattr(config, "scale_decoder_outputs", False):  # T5
        hidden = hidden * config.d_model**-0.5
    logits: Tensor = head(hidden)
    if (bias := getattr(module, "final_logits_bias", None)) is not None:  # BART, Marian
        logits = logits + bias
    if getattr(config, "logit_scale", None):  # Cohere
        logits = logits * config.logit_scale
    if getattr(config, "logits_scaling", None):  # Granite
        logits = logits / config.logits_scaling
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        logits = (logits / cap).tanh() * cap
    return logits


def _stack(module: nn.Module, layout: Layout) -> nn.Module:
    """The module that owns the decoder's list of layers, and the norm after them."""
    first = next(key for key, place in layout.layers.items() if place == ("decoder", 0))
    for owner in module.modules():
        for child in owner.children():
            if isinstance(child, nn.ModuleList) and any(id(layer) == first for layer in child):
                return owner
    raise NotInTraceError(f"{type(module).__name__}: its decoder's layers are in no list.")
