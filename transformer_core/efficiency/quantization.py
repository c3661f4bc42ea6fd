"""Weights in fewer bits: 8-bit integers with a scale each row, or bfloat16.

int8 here is dynamic quantisation, symmetric: each row of a matrix has its scale max|w| / 127, each
token's vector its own, taken as it comes; the products are of integers, summed in 32 bits
(Dettmers et al. 2022, section 2.1, "vector-wise"; Jacob et al. 2018 for the arithmetic). It is our
own, over the integer product that torch gives: torch.ao's is deprecated, and torchao's is made for
compiled models and would be one more package.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from transformer_core.efficiency.magnitude import matrices_of
from transformer_core.efficiency.variants import Variant, rebuilt
from transformer_core.errors import ConfigError
from transformer_core.model import Transformer
from transformer_core.model.embedding import TokenEmbedding

Precision = Literal["int8", "bfloat16"]

_LARGEST = 127.0


class Int8Linear(nn.Module):
    """A linear map whose matrix is kept, and multiplied, in 8-bit integers.

    y = s_x s_w (x̂ Ŵᵀ) + b with x̂ = round(x / s_x), Ŵ = round(W / s_w), s = max|·| / 127 by row.

    Args:
        weight: The matrix.
        bias: Kept as it is.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Float[Tensor, "d_out d_in"], bias: Float[Tensor, " d_out"] | None
    ) -> None:
        super().__init__()
        codes, scale = rounded(weight)
        self.register_buffer("weight", codes)
        self.register_buffer("scale", scale[:, 0].contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """Quantise x row by row, multiply, scale back."""
        return int8_product(x, self.weight, self.scale, self.bias)


class Int8Embedding(nn.Module):
    """A vocabulary's vectors in 8-bit integers, a scale each.

    Args:
        embedding: The embedding whose place it takes.
    """

    weight: Tensor
    row_scale: Tensor

    def __init__(self, embedding: TokenEmbedding) -> None:
        super().__init__()
        codes, scale = rounded(embedding.weight)
        self.register_buffer("weight", codes)
        self.register_buffer("row_scale", scale[:, 0].contiguous())
        self.scale = embedding.scale

    def forward(self, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """Look the tokens up."""
        return self.weight[ids].float() * (self.row_scale[ids] * self.scale)[..., None]


class Int8Unembedding(nn.Module):
    """Scores over a vocabulary by the 8-bit vectors of an embedding that it is tied to.

    Args:
        embedding: The embedding.
        bias: Added to the scores.
    """

    bias: Tensor | None

    def __init__(self, embedding: Int8Embedding, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = None
        self._embedding = (embedding,)  # in a tuple, so that its buffers are not saved twice
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(
        self, hidden: Float[Tensor, "batch pos d_model"], _: Tensor
    ) -> Float[Tensor, "batch pos vocab"]:
        """Compute the logits."""
        table = self._embedding[0]
        return int8_product(hidden, table.weight, table.row_scale, self.bias)


def rounded(
    matrix: Float[Tensor, "row column"],
) -> tuple[Int8[Tensor, "row column"], Float[Tensor, "row 1"]]:
    """Codes from −127 to 127 and the scale of each row; codes × scale is the matrix, nearly."""
    matrix = matrix.detach().float()
    scale = matrix.abs().amax(dim=-1, keepdim=True).clamp_min_(1e-12).div_(_LARGEST)
    return (matrix / scale).round_().to(torch.int8), scale


def int8_product(
    x: Float[Tensor, "*batch d_in"],
    codes: Int8[Tensor, "d_out d_in"],
    scale: Float[Tensor, " d_out"],
    bias: Float[Tensor, " d_out"] | None = None,
) -> Float[Tensor, "*batch d_out"]:
    """Compute x Wᵀ + b by integers; where few rows are multiplied, calls cost more than numbers."""
    flat = x.reshape(-1, x.shape[-1])
    rows, row_scale = rounded(flat)
    product: Tensor = torch._int_mm(rows, codes.t()) * row_scale
    product = product.mul_(scale) if bias is None else torch.addcmul(bias, product, scale)
    return product.view(*x.shape[:-1], len(scale))


def quantized(model: Any, precision: Precision, *, name: str = "") -> Variant:
    """A model in fewer bits.

    Args:
        model: The model.
        precision: ``int8``: all linear maps and, in a model of our own, the vocabulary; norms,
            biases, attention itself and what is added stay in 32 bits. ``bfloat16``: everything.
        name: What results call it.

    Raises:
        ConfigError: If there is no such precision.
    """
    if precision == "bfloat16":
        change = _to_bfloat16
    elif precision == "int8":
        change = _to_int8
    else:
        raise ConfigError(f"precision {precision!r}: choose int8 or bfloat16.")
    return Variant(name or precision, rebuilt(model, change), (), {"precision": precision})


@torch.no_grad()
def _to_bfloat16(module: nn.Module) -> None:
    """Parameters anew, as the copy shares its own with the model."""
    for part in module.modules():
        for name, parameter in [*part._parameters.items()]:
            if parameter is not None:
                low = nn.Parameter(parameter.to(torch.bfloat16), requires_grad=False)
                part.register_parameter(name, low)
        for name, buffer in [*part._buffers.items()]:
            if buffer is not None and buffer.is_floating_point() and _is_added(part):
                setattr(part, name, buffer.to(torch.bfloat16))
    _tie_again(module)


def _is_added(part: nn.Module) -> bool:
    """Tables that are added to the stream; angles of rotary positions stay exact."""
    return "rotary" not in type(part).__name__.lower()


@torch.no_grad()
def _to_int8(module: nn.Module) -> None:
    wanted = {id(part) for part in matrices_of(module)}
    for part in [*module.modules()]:
        for name, child in [*part.named_children()]:
            if id(child) in wanted:
                setattr(part, name, _int8_of(child))
    if isinstance(module, Transformer) and module.unembedding.weight is None:
        table = Int8Embedding(module.target_embedding)
        bias = module.unembedding.bias
        module.target_embedding = table  # type: ignore[assignment]
        module.unembedding = Int8Unembedding(table, bias)  # type: ignore[assignment]


def _int8_of(part: nn.Module) -> Int8Linear:
    weight: Any = part.weight
    bias: Any = part.bias
    return Int8Linear(weight if isinstance(part, nn.Linear) else weight.t(), bias)


def _tie_again(module: nn.Module) -> None:
    """Let a tied vocabulary be one matrix again, not two equal ones."""
    tie = getattr(module, "tie_weights", None)
    if tie is not None:
        tie()
