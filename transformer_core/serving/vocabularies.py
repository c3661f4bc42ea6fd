"""A tokenizer's files as they go over the line: the app reads texts itself, with the same code."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.errors import FileFormatError
from transformer_core.models import scratch
from transformer_core.serving.packets import Packet
from transformer_core.tokenization.bpe import BpeTokenizer

if TYPE_CHECKING:
    from transformer_core.tokenization.tokens import Tokenizer

_SUFFIXES = {".json", ".txt", ".model", ".spm", ".jinja", ".tiktoken"}


def put_tokenizer(model: Any, packet: Packet) -> dict[str, Any] | None:
    """A model's tokenizer, for a header; None for a model that reads images."""
    if model.card.reads != "text":
        return None
    tokenizer = model.tokenizer
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if isinstance(tokenizer, BpeTokenizer):
            tokenizer.save(folder / scratch.TOKENIZER)
        else:
            tokenizer.hf.save_pretrained(folder)
        files = {
            path.name: packet.put_array(np.frombuffer(path.read_bytes(), dtype=np.uint8))
            for path in sorted(folder.iterdir())
            if path.suffix in _SUFFIXES and path.stat().st_size
        }
    return {
        "is_own": isinstance(tokenizer, BpeTokenizer),
        "n_ctx": tokenizer.n_ctx,
        "target_language": getattr(getattr(tokenizer, "hf", None), "tgt_lang", None),
        "files": files,
    }


def take_tokenizer(header: dict[str, Any] | None, packet: Packet) -> Tokenizer | None:
    """What :func:`put_tokenizer` made.

    Raises:
        FileFormatError: If a file has a name that no tokenizer's has.
        ModelUnavailableError: If the files are no tokenizer.
    """
    if header is None:
        return None
    n_ctx = None if header["n_ctx"] is None else int(header["n_ctx"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, array in header["files"].items():
            if Path(file).name != file or Path(file).suffix not in _SUFFIXES:
                raise FileFormatError(f"{file[:80]!r} is no file of a tokenizer.")
            (folder / file).write_bytes(packet.array(array).tobytes())
        if header["is_own"]:
            return BpeTokenizer.load(folder / scratch.TOKENIZER, n_ctx=n_ctx)
        from transformer_core.models.folders import load_tokenizer

        return load_tokenizer(folder, n_ctx=n_ctx, target_language=header["target_language"])
