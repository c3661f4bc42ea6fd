"""The training loop: an iterator of steps that can stop anywhere and go on exactly there."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from transformer_core.errors import CheckpointError, DataError, TransformerCoreError
from transformer_core.model import Transformer
from transformer_core.training.batching import Batch, SpecialIds, collate, plan_epoch
from transformer_core.training.checkpoints import Checkpoint, check_shapes
from transformer_core.training.corpus import EncodedPairs
from transformer_core.training.engine import Engine, LocalEngine
from transformer_core.training.kernels import use_cpu_kernels
from transformer_core.training.loss import fused_cross_entropy
from transformer_core.training.recipe import Recipe

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class Step:
    """What one step of training did.

    Attributes:
        step: Counted from 1.
        epoch: Counted from 0.
        epoch_done: Share of the epoch that is done, from 0 to 1.
        loss: Label-smoothed cross-entropy of a token, in nats.
        nll: Cross-entropy of a token without smoothing, in nats.
        rate: Learning rate.
        grad_norm: Norm of the gradient before it was clipped.
        n_labels: Tokens that were taught.
        seconds: What the step took.
    """

    step: int
    epoch: int
    epoch_done: float
    loss: float
    nll: float
    rate: float
    grad_norm: float
    n_labels: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Target tokens taught in a second."""
        return self.n_labels / self.seconds


class TeacherForcing(nn.Module):
    """The model as it is trained: it reads the true prefix and is scored on the next token."""

    def __init__(self, model: Transformer, *, label_smoothing: float) -> None:
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing

    def forward(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the smoothed loss and the negative log-likelihood, each summed over the labels."""
        model = self.model
        memory = model.encode(batch.src, batch.src_mask)
        hidden = model.decode(batch.tgt, memory, src_mask=batch.src_mask)
        is_label = batch.labels != model.config.pad_id
        unembedding = model.unembedding
        weight = unembedding.weight
        return fused_cross_entropy(
            hidden[is_label],
            model.target_embedding.weight if weight is None else weight,
            batch.labels[is_label],
            smoothing=self.label_smoothing,
            bias=unembedding.bias,
        )


class Trainer:
    """Teach a model, one :class:`Step` at a time: ``for step in trainer: …``.

    The loop ends when the schedule does, or when whoever iterates stops. What it does is a function
    of recipe, data, first weights and the number of the step alone: order and composition of the
    batches come from (seed, epoch), dropout from (seed, step, process). So a trainer that was given
    the state of another goes on as that one would have.

    Args:
        model: What to teach; changed in place.
        pairs: What to learn from.
        recipe: How.
        engine: Where; this process if not given.
        forcing: What computes the loss; None: label-smoothed cross-entropy of the true next token.
            It gets batches and returns loss and likelihood, both summed over the labels.
    """

    def __init__(
        self,
        model: Transformer,
        pairs: EncodedPairs,
        recipe: Recipe,
        *,
        engine: Engine | None = None,
        forcing: nn.Module | None = None,
    ) -> None:
        if len(pairs) == 0:
            raise DataError("There is no pair to learn from.")
        self.engine: Engine = engine or LocalEngine()
        self.recipe = recipe
        self.pairs = pairs
        self.model = model.to(self.engine.device)
        if self.engine.device.type == "cpu":
            use_cpu_kernels(self.model)
        config = model.config
        self._special = SpecialIds(config.pad_id, config.bos_id, config.eos_id)
        self._optimizer = _optimizer(self.model, recipe)
        forcing = forcing or TeacherForcing(self.model, label_smoothing=recipe.label_smoothing)
        self._forcing, self._prepared = self.engine.prepare(forcing, self._optimizer)
        self.step = 0
        self.epoch = 0
        self._batch = 0
        self._plan: list[NDArray[np.int64]] | None = None

    def __iter__(self) -> Iterator[Step]:
        while (last := self.recipe.schedule.last_step) is None or self.step < last:
            yield self._next()

    @property
    def steps_per_epoch(self) -> int:
        """Batches of the epoch that is under way."""
        return len(self._planned())

    def begin_decay(self, n_steps: int) -> None:
        """Let the learning rate fall to 0 from here on, and the run end when it gets there.

        Raises:
            ConfigError: If the schedule is no trapezoid, or ``n_steps`` is below 1.
        """
        schedule = self.recipe.schedule.decaying(self.step, n_steps)
        self.recipe = replace(self.recipe, schedule=schedule)

    def state(self) -> Checkpoint:
        """Return all that another trainer needs to go on from here."""
        optimizer = {
            f"{name}/{moment}": self._optimizer.state[parameter][moment]
            for name, parameter in self.model.named_parameters()
            if parameter in self._optimizer.state
            for moment in _MOMENTS
        }
        return Checkpoint(
            weights=self.model.state_dict(),
            optimizer=optimizer,
            state={
                "step": self.step,
                "epoch": self.epoch,
                "batch": self._batch,
                "n_pairs": len(self.pairs),
                "recipe": self.recipe.to_dict(),
                "config": self.model.config.to_dict(),
            },
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from another trainer's :meth:`state`; the recipe becomes that one's.

        Raises:
            CheckpointError: If the checkpoint belongs to a model of another shape or to other data,
                or lacks something.
        """
        check_shapes(checkpoint.weights, self.model.state_dict(), what="The checkpoint")
        state = checkpoint.state
        try:
            if state["n_pairs"] != len(self.pairs):
                raise CheckpointError(
                    f"The checkpoint was made with {state['n_pairs']:,} pairs, these data have "
                    f"{len(self.pairs):,}: the order of batches would be another. Give the same "
                    "data, or start a new run from its weights."
                )
            recipe = Recipe.from_dict(state["recipe"])
            moments = {
                name: {moment: checkpoint.optimizer[f"{name}/{moment}"] for moment in _MOMENTS}
                for name, _ in self.model.named_parameters()
                if checkpoint.optimizer
            }
            self.step, self.epoch, self._batch = (
                int(state[key]) for key in ("step", "epoch", "batch")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"The checkpoint lacks {error}: it is damaged.") from error
        self.recipe = recipe
        self._plan = None
        self.model.load_state_dict(dict(checkpoint.weights))
        for name, parameter in self.model.named_parameters():
            if moments:
                self._optimizer.state[parameter] = {
                    moment: tensor.clone() if moment == "step" else tensor.to(parameter.device)
                    for moment, tensor in moments[name].items()
                }

    def _planned(self) -> list[NDArray[np.int64]]:
        if self._plan is None:
            self._plan = plan_epoch(
                self.pairs,
                max_tokens=self.recipe.max_tokens,
                seed=self.recipe.seed,
                epoch=self.epoch,
            )
        return self._plan

    def _next(self) -> Step:
        started = time.perf_counter()
        plan = self._planned()
        batch = collate(
            self.pairs,
            plan[self._batch],
            self._special,
            rank=self.engine.rank,
            n_processes=self.engine.n_processes,
        ).to(self.engine.device)
        rate = self.recipe.schedule.rate(self.step + 1)
        loss, nll, norm = self._learn(batch, rate)
        self.step += 1
        self._batch += 1
        done = Step(
            step=self.step,
            epoch=self.epoch,
            epoch_done=self._batch / len(plan),
            loss=loss,
            nll=nll,
            rate=rate,
            grad_norm=norm,
            n_labels=batch.n_labels,
            seconds=time.perf_counter() - started,
        )
        if self._batch == len(plan):
            self.epoch, self._batch, self._plan = self.epoch + 1, 0, None
        return done

    def _learn(self, batch: Batch, rate: float) -> tuple[float, float, float]:
        """Do one step; return loss and likelihood of a token, and the norm of the gradient."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._forcing.train()
        is_low = self.recipe.precision == "bfloat16"
        device = self.engine.device.type
        with (
            _drawn_from([self.recipe.seed, self.step, self.engine.rank], self.engine.device),
            torch.autocast(device, torch.bfloat16, enabled=is_low),
        ):
            loss, nll = self._forcing(batch)
        # Each process sums over its own labels; the mean over processes then gives the whole
        # batch's sum divided by the whole batch's labels.
        self.engine.backward(loss * (self.engine.n_processes / batch.n_labels))
        norm = float(self.engine.clip(self._forcing, self.recipe.clip))
        if not math.isfinite(norm):
            raise TransformerCoreError(
                f"Step {self.step + 1}: the gradient is not finite. Lower the peak rate (now "
                f"{self.recipe.schedule.peak:g}) and resume from the last checkpoint."
            )
        self._prepared.step()
        self._prepared.zero_grad()
        sums = self.engine.total(torch.stack([loss.detach(), nll]).float()) / batch.n_labels
        return float(sums[0]), float(sums[1]), norm


@contextmanager
def _drawn_from(seed: list[int], device: torch.device) -> Iterator[None]:
    """Draw what is random inside from a seed, and leave the global generators as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
        yield


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019): matrices decay, vectors do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=recipe.schedule.peak, betas=recipe.betas, eps=1e-9, fused=True
    )
