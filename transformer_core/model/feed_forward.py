"""The position-wise feed-forward block."""

from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.config import TransformerConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}


class FeedForward(nn.Module):
    """Two matrices with a non-linearity between, the same at every position.

    FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 (Vaswani et al. 2017, equation 2), or with GELU
    (Hendrycks & Gimpel 2016) or swish (Ramachandran et al. 2017) in the place of max(0, ·).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.w_in = nn.Linear(config.d_model, config.d_ff)
        self.activation = ACTIVATIONS[config.activation]()
        self.w_out = nn.Linear(config.d_ff, config.d_model)

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Transform each position by itself."""
        ff_pre = self.w_in(x)  # [batch pos d_ff]
        ff_post = self.activation(ff_pre)
        ff_out: Tensor = self.w_out(ff_post)  # [batch pos d_model]
        return ff_out
