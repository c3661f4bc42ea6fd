"""The fused loss is torch's own, in value and in every gradient."""

import pytest
import torch
from torch.nn import functional

from transformer_core.training.loss import fused_cross_entropy, smoothed_cross_entropy


def _inputs(n: int, *, bias: bool) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tensors = [torch.randn(n, 16, generator=generator), torch.randn(40, 16, generator=generator)]
    if bias:
        tensors.append(torch.randn(40, generator=generator))
    labels = torch.randint(0, 40, (n,), generator=generator)
    return [tensor.requires_grad_() for tensor in tensors], labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("n", [1, 256, 700])
def test_fused_loss_and_gradients_equal_torch(smoothing: float, bias: bool, n: int) -> None:
    inputs, labels = _inputs(n, bias=bias)
    logits = functional.linear(*inputs)
    wanted = functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    wanted_grads = torch.autograd.grad(wanted * 0.25, inputs)
    loss, nll = fused_cross_entropy(
        inputs[0], inputs[1], labels, smoothing=smoothing, bias=inputs[2] if bias else None
    )
    grads = torch.autograd.grad(loss * 0.25, inputs)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(nll, functional.cross_entropy(logits, labels, reduction="sum"))
    for grad, wanted_grad in zip(grads, wanted_grads, strict=True):
        torch.testing.assert_close(grad, wanted_grad, atol=1e-4, rtol=1e-4)


def test_under_autocast_it_is_as_close_as_bfloat16_allows() -> None:
    inputs, labels = _inputs(300, bias=False)
    wanted = smoothed_cross_entropy(inputs[0] @ inputs[1].T, labels, smoothing=0.1)
    wanted_grads = torch.autograd.grad(wanted, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = fused_cross_entropy(inputs[0], inputs[1], labels, smoothing=0.1)
    grads = torch.autograd.grad(loss, inputs)
    assert grads[0].dtype == grads[1].dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=1e-2, atol=0)
    for grad, wanted_grad in zip(grads, wanted_grads, strict=True):
        assert (grad - wanted_grad).norm() < 0.02 * wanted_grad.norm()


def test_smoothing_by_hand() -> None:
    # Two entries of probability ¾ and ¼; the label is the first; ε = 0.2 gives 0.9 and 0.1.
    logits = torch.tensor([[0.75, 0.25]]).log()
    wanted = -(0.9 * logits[0, 0] + 0.1 * logits[0, 1])
    label = torch.tensor([0])
    torch.testing.assert_close(smoothed_cross_entropy(logits, label, smoothing=0.2), wanted)


def test_nothing_to_be_taught_gives_no_loss_and_no_gradient() -> None:
    inputs, _ = _inputs(1, bias=False)
    none = torch.zeros(0, dtype=torch.int64)
    loss, _ = fused_cross_entropy(inputs[0][:0], inputs[1], none, smoothing=0.1)
    grads = torch.autograd.grad(loss, inputs)
    assert float(loss.detach()) == 0 and not any(grad.any() for grad in grads)
