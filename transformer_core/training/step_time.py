"""How long a step will take: measured on two models, predicted for any other."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from transformer_core.background import Report
from transformer_core.config import TransformerConfig
from transformer_core.model import Transformer
from transformer_core.training.corpus import EncodedPairs, Ragged
from transformer_core.training.live_settings import LiveSettings
from transformer_core.training.trainer import Trainer

_WARM, _TIMED = 2, 5
_PER_ENTRY = 900
"""What an entry of two compared distributions costs, in multiplications of a product: exponentials,
logarithms and their gradients go through memory one by one."""
_VOCABULARY, _LENGTH = 259, 11
_MEASURED = (
    LiveSettings(d_model=32, n_layers=1, batch=8),
    LiveSettings(d_model=128, n_layers=2, batch=48),
)
"""One whose steps are mostly calls, one whose steps are mostly products."""


@dataclass(frozen=True)
class StepTime:
    """What a step costs on this machine.

    Attributes:
        per_block: Seconds of one sub-layer's calls, whatever its size.
        per_operation: Seconds of a floating-point operation.
    """

    per_block: float
    per_operation: float

    def predict(
        self,
        settings: LiveSettings,
        *,
        vocab_size: int,
        length: int,
        teacher: TransformerConfig | None = None,
    ) -> float:
        """Seconds of a step of these settings, on a machine as busy as it was then.

        Args:
            settings: What was set.
            vocab_size: Entries of the vocabulary.
            length: Tokens of a side, its special token included.
            teacher: A student's teacher: what it left at these positions is known, its logits are
                made anew, and the distributions of both are compared entry by entry.
        """
        config = settings.config(vocab_size)
        n_positions = settings.batch * length
        operations = n_operations(config, n_positions)
        if teacher is not None:
            per_entry = 2 * teacher.d_model + _PER_ENTRY
            operations += n_positions * vocab_size * per_entry
        return self.per_block * n_blocks(config) + self.per_operation * operations


def n_blocks(config: TransformerConfig) -> int:
    """Sub-layers, and three for embedding, loss and optimiser."""
    return 2 * config.n_encoder_layers + 3 * config.n_decoder_layers + 3


def n_operations(config: TransformerConfig, n_positions: int) -> float:
    """Floating-point operations of a step: 6 a weight and position, forward and back.

    So Kaplan et al. 2020, section 2.1, count. A weight works on the positions of one side; the
    tied table, where logits are made.

    Args:
        config: The model's.
        n_positions: Positions of either side of a batch.
    """
    return 6.0 * n_positions * config.n_parameters


def calibrate(report: Report) -> StepTime:
    """Measure this machine for a second or so.

    Args:
        report: Told how far it is.
    """
    torch.set_num_threads(1)
    rows, seconds = [], []
    for index, settings in enumerate(_MEASURED):
        report(index, len(_MEASURED))
        config = settings.config(_VOCABULARY)
        rows.append([n_blocks(config), n_operations(config, settings.batch * _LENGTH)])
        seconds.append(_measure(settings, config))
    # Two equations, two unknowns; noise may make one of them negative.
    solved = np.linalg.solve(np.array(rows), np.array(seconds))
    per_block, per_operation = (float(value) for value in solved)
    if per_block <= 0 or per_operation <= 0:
        per_block, per_operation = seconds[0] / rows[0][0], seconds[1] / rows[1][1]
    return StepTime(per_block, per_operation)


def _measure(settings: LiveSettings, config: TransformerConfig) -> float:
    """Median seconds of a step, on made-up pairs."""
    rng = np.random.default_rng(0)
    n_pairs = settings.batch * (_WARM + _TIMED)
    sides = [
        Ragged.from_rows(rng.integers(3, _VOCABULARY, (n_pairs, _LENGTH - 1)).tolist())
        for _ in range(2)
    ]
    pairs = EncodedPairs(sides[0], sides[1], np.ones(n_pairs))
    model = Transformer(config, generator=torch.Generator().manual_seed(0))
    steps = iter(Trainer(model, pairs, settings.recipe(_LENGTH)))
    taken = [next(steps).seconds for _ in range(_WARM + _TIMED)]
    return median(taken[_WARM:])
