"""Records of a training as one NPZ file: arrays, and a header of plain values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from transformer_core.errors import FileFormatError
from transformer_core.tracing.archives import Arrays, read_arrays

T = TypeVar("T")


@dataclass(frozen=True)
class RecordFormat:
    """What a file of records says it is.

    Attributes:
        name: Stands in the file.
        version: So does this.
        words: What people call such a file.
    """

    name: str
    version: int
    words: str

    def save(self, path: Path, header: dict[str, Any], arrays: Arrays) -> None:
        """Write one NPZ file, without pickles; the old one stays until the new one is whole."""
        full = {"format": self.name, "version": self.version, **header}
        packed: dict[str, Any] = {
            **arrays, "header": np.frombuffer(json.dumps(full).encode(), dtype=np.uint8)
        }  # fmt: skip
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **packed)
        partial.replace(path)

    def load(self, path: Path, build: Callable[[dict[str, Any], Arrays], T]) -> T:
        """Read what :meth:`save` wrote.

        Args:
            path: The file.
            build: Makes the record from header and arrays.

        Raises:
            FileFormatError: If the file is missing, damaged, or something else.
        """
        try:
            with path.open("rb") as file:
                arrays = read_arrays(file, path.name)
            header = json.loads(arrays["header"].tobytes())
            if (header["format"], header["version"]) != (self.name, self.version):
                raise FileFormatError(f"{path.name} is no {self.words}, version {self.version}.")
            return build(header, arrays)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise FileFormatError(f"{path.name} is no {self.words}: {error}") from error
