"""Our own models on the disk: a folder of configuration, weights and tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transformer_core.config import TransformerConfig
from transformer_core.errors import (
    ConfigError,
    FileFormatError,
    ModelUnavailableError,
    StorageError,
)

if TYPE_CHECKING:
    from transformer_core.model import Transformer
    from transformer_core.tokenization.bpe import BpeTokenizer

MODEL_TYPE = "transformer-workbench"
"""What ``config.json`` names, so that nobody takes such a folder for one of Transformers'."""
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"


def is_own_folder(folder: Path) -> bool:
    """Tell whether a folder holds a model that :func:`save_model` wrote."""
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("model_type") == MODEL_TYPE


def save_model(
    folder: Path, model: Transformer, tokenizer: BpeTokenizer, *, in_16_bits: bool = True
) -> None:
    """Write a model into a folder, which is made if need be.

    Args:
        folder: Where to.
        model: The model.
        tokenizer: Its tokenizer.
        in_16_bits: Keep weights as float16: half the size, and differences too small to matter for
            translations. They are read back as float32.

    Raises:
        FileFormatError: If a weight is too large for float16.
        StorageError: If there is no room or no permission for it.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    if in_16_bits:
        largest = max(float(tensor.abs().max()) for tensor in weights.values())
        if largest > torch.finfo(torch.float16).max:
            raise FileFormatError(
                f"A weight of {largest:.3g} does not fit float16: save in 32 bits."
            )
    kept = {
        name: (tensor.half() if in_16_bits else tensor).contiguous()
        for name, tensor in weights.items()
    }
    config = {"model_type": MODEL_TYPE} | model.config.to_dict()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(folder / TOKENIZER)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"The model cannot be written to {folder}: {error}. Make room on the disk, or choose "
            "another folder."
        ) from error


def read_own_config(folder: Path) -> TransformerConfig:
    """Read the configuration of one of our own models.

    Raises:
        ModelUnavailableError: If there is none, or it contradicts itself.
    """
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if values.pop("model_type", None) != MODEL_TYPE:
            raise ModelUnavailableError(f"{folder} holds no model of {MODEL_TYPE}.")
        return TransformerConfig.from_dict(values)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError, ConfigError) as error:
        raise ModelUnavailableError(f"{folder}/{CONFIG} cannot be used: {error}") from error


def load_model(folder: Path) -> tuple[Transformer, BpeTokenizer]:
    """Read a model that :func:`save_model` wrote, ready to compute.

    Raises:
        ModelUnavailableError: If a file is missing or damaged, or they do not belong together.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from transformer_core.model import Transformer
    from transformer_core.tokenization.bpe import BpeTokenizer

    config = read_own_config(folder)
    try:
        tokenizer = BpeTokenizer.load(folder / TOKENIZER, n_ctx=config.n_ctx)
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, FileFormatError) as error:
        raise ModelUnavailableError(
            f"{folder} is damaged or not complete ({error}). Fetch or save it again."
        ) from error
    if tokenizer.vocab_size != config.vocab_size:
        raise ModelUnavailableError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size:,} entries, "
            f"the model {config.vocab_size:,}: they do not belong together."
        )
    model = Transformer(config, generator=torch.Generator())
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        found = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        found = found if len(found) <= 200 else f"{found[:200]}…"
        raise ModelUnavailableError(
            f"{folder}: the weights are not those of its configuration. {found}"
        ) from error
    return model.eval().requires_grad_(False), tokenizer
