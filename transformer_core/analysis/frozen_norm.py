"""A norm held at the scale that it had: then it is linear, and a sum can be taken apart through it.

LayerNorm (Ba et al. 2016) is γ ⊙ (x − mean(x)) / σ(x) + β, RMSNorm (Zhang & Sennrich 2019)
γ ⊙ x / rms(x). With σ or rms fixed at the value of this very x, both are linear in x, so what each
part of x contributes is exact; how a part would change σ is left out (nostalgebraist 2020, Elhage
et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.tracing.parts import Part

TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class FrozenNorm:
    """A norm at one position, as a linear map and a bias.

    Attributes:
        gain: γ divided by the scale, for each dimension.
        bias: β; None where there is none.
        is_centred: Whether the mean is taken out first (LayerNorm) or not (RMSNorm).
    """

    gain: Float64[Tensor, " d_model"]
    bias: Float64[Tensor, " d_model"] | None
    is_centred: bool

    def apply(self, rows: Float64[Tensor, "part d_model"]) -> Float64[Tensor, "part d_model"]:
        """Take each part of a sum through the norm, without the bias."""
        if self.is_centred:
            rows = rows - rows.mean(dim=-1, keepdim=True)
        return rows * self.gain


def freeze(norm: Part) -> FrozenNorm:
    """Hold a norm at the scale that it had for what it read, at one position.

    Raises:
        NotInTraceError: If it is neither LayerNorm nor RMSNorm, so that this would be wrong.
    """
    x, y = norm.entering[0].double(), norm.leaving[0].double()
    frozen = _layer_norm(norm.module, x) if isinstance(norm.module, nn.LayerNorm) else _rms(norm)
    rebuilt = frozen.apply(x[None])[0]
    if frozen.bias is not None:
        rebuilt = rebuilt + frozen.bias
    if float((rebuilt - y).abs().max()) > TOLERANCE * (1 + float(y.abs().max())):
        raise NotInTraceError(
            f"{norm.name} ({norm.class_name}) is neither LayerNorm nor RMSNorm: a logit cannot be "
            "taken apart through it."
        )
    return frozen


def _layer_norm(module: nn.LayerNorm, x: Tensor) -> FrozenNorm:
    scale = (x.var(unbiased=False) + module.eps).rsqrt()
    weight = torch.ones_like(x) if module.weight is None else module.weight.detach().double()
    bias = None if module.bias is None else module.bias.detach().double()
    return FrozenNorm(weight * scale, bias, is_centred=True)


def _rms(norm: Part) -> FrozenNorm:
    """The scale is read off what the norm made; its weights off what it makes of ones."""
    x, y = norm.entering[0].double(), norm.leaving[0].double()
    with torch.inference_mode():
        ones = norm.module(torch.ones_like(norm.entering[:1]))
    unscaled = x * ones[0].double()
    scale = (y @ unscaled) / (unscaled @ unscaled).clamp_min(torch.finfo(torch.float64).tiny)
    return FrozenNorm(ones[0].double() * scale, None, is_centred=False)
