"""Where a training step runs: in this process, or shared among several by Accelerate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from transformer_core.errors import ModelUnavailableError


class Engine(Protocol):
    """What the loop needs to know about the processes that share it."""

    device: torch.device
    rank: int
    n_processes: int

    def prepare(self, module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Bring model and optimiser to the device, wrapped as need be."""

    def backward(self, loss: Tensor) -> None:
        """Compute gradients; their mean over the processes."""

    def clip(self, module: nn.Module, norm: float) -> Tensor:
        """Shorten the gradient to a norm, and return the one that it had."""

    def total(self, value: Tensor) -> Tensor:
        """Sum a number over the processes."""

    def wait(self) -> None:
        """Wait for the other processes."""


class LocalEngine:
    """One process, one device."""

    rank = 0
    n_processes = 1

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def prepare(self, module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Nothing to wrap: the optimiser was made for parameters that stay where they are."""
        return module, optimizer

    def backward(self, loss: Tensor) -> None:
        """Compute gradients."""
        loss.backward()

    def clip(self, module: nn.Module, norm: float) -> Tensor:
        """Shorten the gradient."""
        return torch.nn.utils.clip_grad_norm_(module.parameters(), norm)

    def total(self, value: Tensor) -> Tensor:
        """There is but one."""
        return value

    def wait(self) -> None:
        """There is nobody to wait for."""


class AccelerateEngine:
    """As many processes, on as many machines, as ``accelerate launch`` started.

    Raises:
        ModelUnavailableError: If Accelerate is not installed.
    """

    def __init__(self) -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise ModelUnavailableError(
                "Training in several processes needs Accelerate: pip install accelerate."
            ) from error
        self._accelerator = Accelerator()
        self.device = self._accelerator.device
        self.rank = self._accelerator.process_index
        self.n_processes = self._accelerator.num_processes

    def prepare(self, module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Wrap both."""
        return cast("tuple[nn.Module, Optimizer]", self._accelerator.prepare(module, optimizer))

    def backward(self, loss: Tensor) -> None:
        """Compute gradients; the wrapped model takes their mean."""
        self._accelerator.backward(loss)

    def clip(self, module: nn.Module, norm: float) -> Tensor:
        """Shorten the gradient, which is the same in every process by now."""
        return cast(Tensor, self._accelerator.clip_grad_norm_(module.parameters(), norm))

    def total(self, value: Tensor) -> Tensor:
        """Sum over the processes."""
        return cast(Tensor, self._accelerator.reduce(value, reduction="sum"))

    def wait(self) -> None:
        """Wait for the others."""
        self._accelerator.wait_for_everyone()


def choose_engine(environment: Mapping[str, str] = os.environ) -> Engine:
    """Return Accelerate's engine where ``accelerate launch`` started this process."""
    is_launched = int(environment.get("WORLD_SIZE", "1")) > 1
    if is_launched or any(key.startswith("ACCELERATE_") for key in environment):
        return AccelerateEngine()
    return LocalEngine("cuda" if torch.cuda.is_available() else "cpu")
