"""From a run to a model: checkpoints averaged, weights in 16 bits, a folder that can be loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError
from transformer_core.model import Transformer
from transformer_core.models.scratch import save_model
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training.checkpoints import (
    WEIGHTS,
    average_weights,
    check_shapes,
    checkpoints,
    load_checkpoint,
)
from transformer_core.training.run import TOKENIZER


def averaged_model(run: Path, *, n_checkpoints: int = 1) -> Transformer:
    """Return the model of a run, as the mean of its last checkpoints.

    Raises:
        CheckpointError: If there are not so many, or they cannot be read.
    """
    saved = checkpoints(run)
    if not 1 <= n_checkpoints <= len(saved):
        raise CheckpointError(
            f"{run} holds {len(saved)} checkpoints; {n_checkpoints} cannot be averaged."
        )
    last = load_checkpoint(saved[-1])
    others = [load_file(folder / WEIGHTS) for folder in saved[-n_checkpoints:-1]]
    model = Transformer(TransformerConfig.from_dict(last.state["config"]))
    weights = average_weights([last.weights, *others])
    check_shapes(weights, model.state_dict(), what=f"The checkpoint {saved[-1].name}")
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def export_run(run: Path, folder: Path, *, n_checkpoints: int = 1) -> Sequence[Path]:
    """Write a run's model as a folder that ``load`` takes.

    Args:
        run: The run.
        folder: Where to write; a model card that lies there stays.
        n_checkpoints: How many of the last checkpoints are averaged.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: If the run has no such checkpoints.
        FileFormatError: If the weights do not fit 16 bits.
    """
    model = averaged_model(run, n_checkpoints=n_checkpoints)
    tokenizer = BpeTokenizer.load(run / TOKENIZER)
    save_model(folder, model, tokenizer)
    facts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "revision": f"step {load_checkpoint(checkpoints(run)[-1]).step}",
    }
    path = folder / "card.json"
    if path.is_file():
        facts = json.loads(path.read_text(encoding="utf-8")) | facts
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return sorted(folder.iterdir())
