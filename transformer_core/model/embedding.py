"""From token ids into the residual stream, and from it to scores over the vocabulary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from transformer_core.config import TransformerConfig


class TokenEmbedding(nn.Module):
    """A vector for each token of the vocabulary, × √d_model (Vaswani et al. 2017, section 3.4)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(config.vocab_size, config.d_model))
        self.scale = config.d_model**0.5 if config.scales_embeddings else 1.0

    def forward(self, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """Look the tokens up."""
        return embedding(ids, self.weight) * self.scale


class Unembedding(nn.Module):
    """Scores over the vocabulary: a token's logit is the hidden state times the token's vector.

    Tied to the target embedding (Press & Wolf 2017) it has no matrix of its own.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        shape = (config.vocab_size, config.d_model)
        self.weight = None if config.is_tied else nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.has_output_bias else None

    def forward(
        self,
        hidden: Float[Tensor, "batch pos d_model"],
        token_embed: Float[Tensor, "vocab d_model"],
    ) -> Float[Tensor, "batch pos vocab"]:
        """Compute the logits.

        Args:
            hidden: What the last layer leaves.
            token_embed: The target embedding, used where the two are tied.
        """
        weight = token_embed if self.weight is None else self.weight
        return linear(hidden, weight, self.bias)
