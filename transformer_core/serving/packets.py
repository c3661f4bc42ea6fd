"""What goes over the line: arrays as a safetensors buffer, all else as the JSON in its metadata.

Reading one executes nothing and makes nothing but arrays, strings, numbers, lists and dicts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from transformer_core.errors import FileFormatError

_HEADER = "header"
_LENGTH = 8  # bytes: a safetensors buffer begins with the length of its own header
_FRAME = 4  # bytes: a frame of a stream begins with its length
MAX_FRAME = 2**31
"""A frame that says it is longer is none."""


@dataclass
class Packet:
    """A message: a header of plain values, and arrays that it names.

    Attributes:
        header: What JSON can hold.
        arrays: By name.
    """

    header: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _names: dict[Any, str] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def put(self, tensor: Tensor | None) -> str | None:
        """Add a tensor; one that several places share goes over the line once.

        Returns:
            Its name, for the header.
        """
        if tensor is None:
            return None
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if key not in self._names or tensor.numel() == 0:
            plain = tensor.detach().cpu()
            kept = plain.float() if plain.dtype == torch.bfloat16 else plain  # exact: only wider
            self._names[key] = self.put_array(kept.numpy())
            self._kept.append(tensor)  # or another could take its place in memory, and its name
        return self._names[key]

    def put_array(self, array: NDArray[Any]) -> str:
        """Add an array; return its name."""
        name = str(len(self.arrays))
        self.arrays[name] = np.asarray(array, order="C")
        return name

    def take(self, name: str | None) -> Tensor | None:
        """The tensor of a name; None for None.

        Raises:
            FileFormatError: If there is none.
        """
        return None if name is None else self.tensor(name)

    def tensor(self, name: str) -> Tensor:
        """The tensor of a name.

        Raises:
            FileFormatError: If there is none.
        """
        return torch.from_numpy(self.array(name))

    def array(self, name: str) -> NDArray[Any]:
        """The array of a name.

        Raises:
            FileFormatError: If there is none.
        """
        if name not in self.arrays:
            raise FileFormatError(f"This message names an array {str(name)[:40]!r} and has none.")
        return self.arrays[name]

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def to_bytes(self) -> bytes:
        """The message as it goes over the line."""
        content: bytes = save(self.arrays, metadata={_HEADER: json.dumps(self.header)})
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> Packet:
        """Read a message.

        Raises:
            FileFormatError: If it is none.
        """
        try:
            arrays = load(content)
            length = int.from_bytes(content[:_LENGTH], "little")
            metadata = json.loads(content[_LENGTH : _LENGTH + length])["__metadata__"]
            header = json.loads(metadata[_HEADER])
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError("This is no message of a served model.") from error
        if not isinstance(header, dict):
            raise FileFormatError("This message has no header.")
        return cls(header, arrays)


def framed(content: bytes) -> bytes:
    """A message as one frame of a stream."""
    return len(content).to_bytes(_FRAME, "big") + content


class Frames:
    """The frames of a stream that arrives in chunks of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def is_between(self) -> bool:
        """Whether the stream stands between two frames: it ended well if it ends here."""
        return not self._rest

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that are whole now.

        Raises:
            FileFormatError: If a frame says that it is longer than any is.
        """
        self._rest += chunk
        while len(self._rest) >= _FRAME:
            length = int.from_bytes(self._rest[:_FRAME], "big")
            if length >= MAX_FRAME:
                raise FileFormatError(f"A frame of {length:,} bytes is none of a served model's.")
            if len(self._rest) < _FRAME + length:
                return
            content = bytes(self._rest[_FRAME : _FRAME + length])
            del self._rest[: _FRAME + length]
            yield content
