"""The matrix that scores a vocabulary: what turns the last hidden state into logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.model import Transformer


@dataclass(frozen=True, eq=False)
class OutputHead:
    """logits = (hidden · weightᵀ + bias) · scale.

    Attributes:
        module: The module that computes the product.
        weight: A row for each token of the vocabulary.
        bias: What is added to each token's logit; None if nothing is.
        scale: What the logits are multiplied by; 1 in most models.
        cap: If the model squashes its logits at the end (Gemma 2), to what; else None.
    """

    module: nn.Module
    weight: Float[Tensor, "vocab d_model"]
    bias: Float[Tensor, " vocab"] | None
    scale: float = 1.0
    cap: float | None = None


def output_head(model: Any) -> OutputHead:
    """Find a model's output head.

    Raises:
        NotInTraceError: If it has none, with the models that do.
    """
    module = model.module
    if isinstance(module, Transformer):
        weight = module.unembedding.weight
        weight = module.target_embedding.weight if weight is None else weight
        return OutputHead(module.unembedding, weight.detach(), module.unembedding.bias)
    head = module.get_output_embeddings() if hasattr(module, "get_output_embeddings") else None
    if head is None:
        raise NotInTraceError(
            f"{model.card.name} has no output logits: it was saved without a head that scores a "
            "vocabulary. Models that have one: en-fr-small and smollm2 here; of the hub's, those "
            "saved for language modelling, such as gpt2, bert-base-uncased, "
            "Helsinki-NLP/opus-mt-en-fr and facebook/bart-large-cnn."
        )
    config = module.config
    bias: Tensor | None = getattr(head, "bias", None)
    more: Tensor | None = getattr(module, "final_logits_bias", None)  # BART, Marian
    if more is not None:
        bias = more.reshape(-1) if bias is None else bias + more.reshape(-1)
    scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)  # Granite
    cap = getattr(config, "final_logit_softcapping", None)
    return OutputHead(
        head, head.weight.detach(), None if bias is None else bias.detach(), scale, cap
    )
