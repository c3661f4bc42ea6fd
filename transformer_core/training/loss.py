"""Label-smoothed cross-entropy, plain for reading and fused for training."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor

_CHUNK = 256
"""Positions whose logits are held at once: 256 × 8,192 of them still fit a processor's cache."""


def smoothed_cross_entropy(
    logits: Float[Tensor, "pos vocab"], labels: Int[Tensor, " pos"], *, smoothing: float
) -> Float[Tensor, ""]:
    """Sum over positions of the cross-entropy with smoothed labels.

    The label has probability 1 − ε + ε/V, every other entry ε/V (Szegedy et al. 2016; Vaswani et
    al. 2017, section 5.4).
    """
    return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing, reduction="sum")


def fused_cross_entropy(
    hidden: Float[Tensor, "pos d_model"],
    weight: Float[Tensor, "vocab d_model"],
    labels: Int[Tensor, " pos"],
    *,
    smoothing: float,
    bias: Float[Tensor, " vocab"] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The same loss of ``hidden @ weight.T + bias``, without ever holding all logits.

    Logits of a few positions are made, turned into their part of the loss and at once into their
    part of the gradient: a vocabulary of thousands costs neither memory nor the time to move it.

    Returns:
        The smoothed loss, and the plain negative log-likelihood (without a gradient); both summed.
    """
    apply: Any = _FusedCrossEntropy.apply
    loss, nll = apply(hidden, weight, bias, (labels, smoothing))
    return loss, nll


class _FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        of: tuple[Tensor, float],
    ) -> tuple[Tensor, Tensor]:
        labels, smoothing = of
        n_vocab = weight.shape[0]
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
        else:
            dtype = hidden.dtype
        with torch.autocast(hidden.device.type, enabled=False):
            hidden_low, weight_low = hidden.to(dtype), weight.to(dtype)
            d_hidden = torch.empty_like(hidden_low)
            d_weight = torch.zeros_like(weight, dtype=torch.float32)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
            loss = torch.zeros((), device=hidden.device)
            nll = torch.zeros((), device=hidden.device)
            for start in range(0, len(labels), _CHUNK):
                part = slice(start, start + _CHUNK)
                logits = (hidden_low[part] @ weight_low.T).float()
                if bias is not None:
                    logits += bias
                label = labels[part, None]
                log_z = logits.logsumexp(dim=-1, keepdim=True)
                part_nll = (log_z - logits.gather(1, label)).sum()
                uniform = (log_z.sum() - logits.sum() / n_vocab).float()
                nll += part_nll
                loss += (1 - smoothing) * part_nll + smoothing * uniform
                # The gradient of the logits: softmax − smoothed label.
                d_logits = logits.sub_(log_z).exp_().sub_(smoothing / n_vocab)
                d_logits.scatter_add_(1, label, torch.full_like(log_z, smoothing - 1))
                if d_bias is not None:
                    d_bias += d_logits.sum(0)
                d_low = d_logits.to(dtype)
                torch.matmul(d_low, weight_low, out=d_hidden[part])
                d_weight += d_low.T @ hidden_low[part]
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        ctx.dtypes = hidden.dtype, weight.dtype
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(
        ctx: Any, d_loss: Tensor, _: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        hidden_dtype, weight_dtype = ctx.dtypes
        return (
            (d_hidden * d_loss).to(hidden_dtype),
            (d_weight * d_loss).to(weight_dtype),
            None if d_bias is None else d_bias * d_loss,
            None,
        )
