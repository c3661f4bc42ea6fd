"""Settings, changes and inputs as plain values and back: a fixed list of names, no pickles."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.errors import FileFormatError, InputError
from transformer_core.models.catalogue import ModelCard
from transformer_core.serving.packets import Packet
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import (
    AblateHead,
    HideKey,
    InItem,
    ReplacePattern,
    TopKKeys,
    WithoutPositions,
    ZeroValue,
)
from transformer_core.tracing.sparsity import Blocks, SparseAttention, TopShare, Window
from transformer_core.tracing.stepping import Constraints
from transformer_core.tracing.trace import Provenance
from transformer_core.tracing.vision_images import read_image

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        AblateHead,
        Beam,
        Blocks,
        Constraints,
        Greedy,
        HideKey,
        InItem,
        ModelCard,
        Provenance,
        ReplacePattern,
        Sample,
        SparseAttention,
        TopKKeys,
        TopShare,
        Window,
        WithoutPositions,
        ZeroValue,
    )
}
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")


def to_plain(value: Any, packet: Packet) -> Any:
    """A value as JSON can hold it; tensors go into the packet.

    Raises:
        InputError: If it is of a kind that is not sent.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [to_plain(item, packet) for item in value]
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    if isinstance(value, Tensor):
        return {"tensor": packet.put(value)}
    name = type(value).__name__
    if _KINDS.get(name) is not type(value):
        raise InputError(f"A {name} cannot be sent to a model on another machine.")
    own = {f.name: to_plain(getattr(value, f.name), packet) for f in fields(value) if f.init}
    return {"kind": name, "fields": own}


def from_plain(value: Any, packet: Packet) -> Any:
    """What :func:`to_plain` made; lists come back as tuples.

    Raises:
        FileFormatError: If it is none of its kinds.
        ConfigError: If a setting is out of its range.
    """
    if isinstance(value, list):
        return tuple(from_plain(item, packet) for item in value)
    if not isinstance(value, dict):
        return value
    if "set" in value:
        return frozenset(value["set"])
    if "tensor" in value:
        return packet.tensor(value["tensor"])
    kind = _KINDS.get(str(value.get("kind")))
    own = value.get("fields")
    if kind is None or not isinstance(own, dict):
        raise FileFormatError(f"A message holds a value of no known kind: {str(value)[:80]!r}.")
    known = {f.name for f in fields(kind) if f.init}
    if not set(own) <= known:
        raise FileFormatError(f"{kind.__name__} has no {', '.join(sorted(set(own) - known))[:80]}.")
    try:
        made: Any = kind(**{name: from_plain(item, packet) for name, item in own.items()})
    except TypeError as error:
        raise FileFormatError(f"{kind.__name__} is not whole: {error}.") from error
    return made


def tokens_to_plain(tokens: Tokens | None) -> dict[str, Any] | None:
    """A record of tokens as JSON can hold it."""
    return None if tokens is None else tokens.to_dict()


def tokens_from_plain(value: dict[str, Any] | None) -> Tokens | None:
    """What :func:`tokens_to_plain` made."""
    return None if value is None else Tokens.from_dict(value)


def put_input(source: Any, packet: Packet, *, reads: str = "text") -> Any:
    """What a model is to read, ready to be sent: a text, tokens, or a picture.

    A picture is read here where it is a path: the other machine opens no file of that name.

    Args:
        source: As ``trace`` takes it.
        packet: Takes the picture.
        reads: ``text`` or ``image``.

    Raises:
        InputError: If it is a picture that cannot be read.
    """
    if source is None:
        return None
    if isinstance(source, Tokens):
        return {"tokens": source.to_dict()}
    if reads == "text":
        return {"text": str(source)}
    if isinstance(source, np.ndarray):
        return {"array": packet.put_array(source)}
    return {"file": packet.put_array(np.frombuffer(_file_of(source), dtype=np.uint8))}


def take_input(value: Any, packet: Packet) -> Any:
    """What :func:`put_input` made.

    Raises:
        FileFormatError: If it is none.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            return value["text"]
        if isinstance(value.get("tokens"), dict):
            return Tokens.from_dict(value["tokens"])
        if "array" in value:
            return packet.array(value["array"])
        if "file" in value:
            return packet.array(value["file"]).tobytes()
    raise FileFormatError("A message holds neither a text nor tokens nor a picture.")


def _file_of(source: Any) -> bytes:
    """A picture as the bytes of a file."""
    if isinstance(source, bytes | bytearray):
        return bytes(source)
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if not path.is_file():
            read_image(source)  # says so, as for a model that is here
        return path.read_bytes()
    if not isinstance(source, Image.Image) or source.mode not in _PNG_MODES:
        source = read_image(source).image
    content = io.BytesIO()
    source.save(content, "PNG", exif=source.getexif())
    return content.getvalue()
