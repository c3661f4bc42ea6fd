"""NPZ files from anywhere: what is inside is looked at before any of it is unpacked."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from transformer_core.errors import FileFormatError

Arrays = dict[str, NDArray[Any]]

MAX_UNPACKED = 2**30
"""Bytes that a file may unpack to."""
MAX_ARRAYS = 20_000
_KINDS = "bifuSU"  # booleans, numbers, strings; no objects, which are pickles
_BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    OverflowError,
    RecursionError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def read_arrays(file: IO[bytes], name: str, *, most: int | None = None) -> Arrays:
    """Read the arrays of an NPZ file; nothing is executed, and nothing large is unpacked unseen.

    Args:
        file: The file, open for reading.
        name: What to call it in an error.
        most: Bytes that it may unpack to; :data:`MAX_UNPACKED` if not given.

    Raises:
        FileFormatError: If it is damaged, no NPZ file, holds pickles, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_sizes(members, name, MAX_UNPACKED if most is None else most)
            return {
                member.filename.removesuffix(".npy"): _read(archive, member, name)
                for member in members
            }
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{name} is damaged or no NPZ file: {reason}.") from error


def _check_sizes(members: list[zipfile.ZipInfo], name: str, most: int) -> None:
    n_bytes = sum(member.file_size for member in members)
    if len(members) > MAX_ARRAYS or n_bytes > most:
        raise FileFormatError(
            f"{name} would unpack to {len(members):,} arrays of {n_bytes / 2**20:,.0f} MiB; at "
            f"most {MAX_ARRAYS:,} arrays and {most / 2**20:,.0f} MiB are read. Save fewer "
            "layers, or a shorter text."
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """Read one array whose header promises no more than the archive holds."""
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.kind not in _KINDS:
        raise FileFormatError(
            f"{name}: the array {member.filename} holds Python objects ({dtype}), which are not "
            "read. Save numbers, and texts as strings: np.array(tokens)."
        )
    # Also where a cell has no bytes, or an axis no cells: what is promised must be there.
    n_bytes = max(dtype.itemsize, 1) * math.prod(shape)
    if not all(0 <= size <= member.file_size for size in shape) or n_bytes > member.file_size:
        raise FileFormatError(f"{name}: the array {member.filename} is not complete.")
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array
