"""Files that unfold to far more than they weigh, or lie about it: refused, in little memory."""

import io
import json
import lzma
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from tests.support.tiny_models import make_tiny
from transformer_core.config import TransformerConfig
from transformer_core.errors import (
    DataError,
    FileFormatError,
    InputError,
    ModelUnavailableError,
)
from transformer_core.model import Transformer
from transformer_core.models import trained
from transformer_core.models.loading import load
from transformer_core.tasks import documents
from transformer_core.tokenization.characters import train_characters
from transformer_core.tracing.imports import read_matrix
from transformer_core.tracing.vision_images import read_image
from transformer_core.training.data import ReadingReport, read_pairs
from transformer_core.training.own_pairs import read_own_pairs

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
ROOM = 80 * MIB
"""What refusing a file may take, the file itself aside."""
LIE = 2**61


@contextmanager
def little_memory(room: int = ROOM) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < room, f"{peak / MIB:.0f} MiB"


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    out = io.BytesIO()
    npy.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue()


def large_npz() -> bytes:
    """500 MiB of zeros in half a megabyte, written in pieces."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("pattern.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((500 * MIB // 4,)))
        for _ in range(500):
            member.write(bytes(MIB))
    return out.getvalue()


def declared(content: bytes, size: int) -> bytes:
    """A ZIP file whose directory declares another size of what it holds."""
    at = content.rindex(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


NPZ: dict[str, Callable[[], bytes]] = {
    "500 MiB of zeros": large_npz,
    "a header of exabytes": lambda: zipped({"pattern.npy": header((2**30, 2**31)) + b"1234"}),
    "a negative axis": lambda: zipped({"pattern.npy": header((-1, 4)) + b"1234"}),
    "cells of a gigabyte": lambda: zipped({"tokens.npy": header((4,), "<U300000000") + b"1234"}),
    "a directory that lies": lambda: declared(
        zipped({"pattern.npy": header((MIB,)) + bytes(4 * MIB)}), 100
    ),
    "30,000 arrays": lambda: zipped({f"{i}.npy": header((1,)) + b"1234" for i in range(30_000)}),
    "a ZIP in a ZIP": lambda: zipped({"pattern.npy": large_npz()}),
}


@pytest.mark.parametrize("name", NPZ)
def test_an_npz_bomb_is_refused(name: str) -> None:
    content = NPZ[name]()
    with little_memory(), pytest.raises(FileFormatError, match=r"x\.npz"):
        read_matrix(content, "x.npz")


def test_json_too_large_for_memory_is_refused() -> None:
    content = b'{"tokens": [' + b"0," * (20 * MIB) + b"0]}"
    with little_memory(), pytest.raises(FileFormatError, match="40 MiB of JSON; at most 25"):
        read_matrix(content, "x.json")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(60_000, 60_000), (9_000, 9_000), (1, 2**31 - 1), (20_000, 100)])
def test_a_picture_of_huge_size_is_refused_unopened(size: tuple[int, int]) -> None:
    with little_memory(), pytest.raises(InputError, match=r"pixels.*smaller"):
        read_image(png(*size))


def test_a_picture_file_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_IMAGE_MEGABYTES", "1")
    with pytest.raises(InputError, match="2 MiB; 1 are read"):
        read_image(png(10, 10) + bytes(2 * MIB))


def test_a_line_of_gigabytes_in_an_xz_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv.xz"
    with lzma.open(path, "wb", preset=0) as file:
        for _ in range(200):
            file.write(b"a" * MIB)
    assert path.stat().st_size < MIB
    with little_memory(), pytest.raises(DataError, match="too long"):
        list(read_pairs(path, ReadingReport(path)))


def test_pairs_above_the_limit_are_refused() -> None:
    with little_memory(), pytest.raises(DataError, match="20 MiB are read at most"):
        read_own_pairs(bytes(21 * MIB), "x.tsv")


def test_a_document_above_the_limit_is_refused() -> None:
    with little_memory(), pytest.raises(FileFormatError, match="5 are read at most"):
        documents.read("x.csv", b"a" * (6 * MIB))


LIES = {
    "a header of exabytes": struct.pack("<Q", LIE) + b"{}",
    "a header beyond the file": struct.pack("<Q", 10_000) + b"{}",
    "tensors beyond the file": {"shape": [2**20, 2**20], "data_offsets": [0, 2**42]},
    "a shape that is not its bytes": {"shape": [2**31, 2**31], "data_offsets": [0, 4]},
    "offsets that overlap": {"shape": [1], "data_offsets": [4, 0]},
    "negative sizes": {"shape": [-1], "data_offsets": [0, 4]},
}


def lying(name: str) -> bytes:
    lie = LIES[name]
    if isinstance(lie, bytes):
        return lie
    text = json.dumps({"a": {"dtype": "F32", **lie}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


@pytest.mark.parametrize("name", LIES)
def test_weights_whose_header_lies_are_refused(name: str, tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    (folder / "model.safetensors").write_bytes(lying(name))
    with little_memory(), pytest.raises(ModelUnavailableError, match="damaged or not complete"):
        load(folder)


@pytest.mark.parametrize("name", LIES)
def test_an_uploaded_model_whose_weights_lie_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", str(tmp_path))
    content = uploaded({}, weights=lying(name))
    with little_memory(), pytest.raises(FileFormatError, match=r"mine\.zip is damaged") as caught:
        trained.from_zip(content, name="mine.zip")
    assert "/tmp" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_ctx": 10**9},
        {"vocab_size": 10**9},
        {"d_model": 2**20, "d_ff": 2**20},
        {"n_encoder_layers": 10**6},
    ],
    ids=str,
)
def test_an_uploaded_model_of_huge_shape_is_refused_before_it_is_made(
    changes: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", str(tmp_path))
    content = uploaded(changes)
    with little_memory(), pytest.raises(FileFormatError, match="parameters; 50,000,000 at most"):
        trained.from_zip(content, name="mine.zip")


def test_an_uploaded_cards_other_kinds_of_values_are_left_out(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"name": "n" * 500, "task": ["x"], "parameters": "many", "z": 1}))
    assert trained._read_card(card) == {"name": "n" * 60}
    for text in ("[]", '"x"', "1", "null", '{"name": "\\ud800"}', "[" * 100_000):
        card.write_text(text)
        assert trained._read_card(card) == {}


def uploaded(changes: dict[str, int], *, weights: bytes | None = None) -> bytes:
    """A ZIP file of the Train page, with another configuration or other weights."""
    tokenizer = train_characters(["abc"])
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=32, n_ctx=32,
        n_encoder_layers=1, n_decoder_layers=1,
    )  # fmt: skip
    model = Transformer(config, generator=torch.Generator().manual_seed(0))
    kept = trained.keep_model(model, tokenizer, name="m", description="", revision="1")
    with zipfile.ZipFile(io.BytesIO(trained.to_zip(kept))) as archive:
        files = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}
    said = json.loads(files["config.json"])
    assert set(changes) <= set(said)
    files["config.json"] = json.dumps(said | changes).encode()
    if weights is not None:
        files["model.safetensors"] = weights
    return zipped(files)


def test_nothing_that_runs_code_is_ever_opened() -> None:
    """No pickle, no foreign code: read from the source, and of Transformers' loaders each call."""
    source = {
        path: path.read_text(encoding="utf-8")
        for folder in ("transformer_core", "pages")
        for path in (ROOT / folder).rglob("*.py")
    }
    runs = r"(?<![.\w])(exec|eval)\("
    banned = rf"\bpickle\.\w|import pickle|torch\.load\(|trust_remote_code=(?!False)|{runs}"
    assert [p.name for p, text in source.items() if re.search(banned, text)] == []
    assert [p.name for p, text in source.items() if "allow_pickle=True" in text] == []
    folders = source[ROOT / "transformer_core" / "models" / "folders.py"]
    calls = re.findall(r"[aA]uto\w*\.from_pretrained\((.*?)\)", folders, re.DOTALL)
    assert len(calls) == 3
    assert all(
        "trust_remote_code=False" in call and "local_files_only=True" in call for call in calls
    )
    assert "use_safetensors=True" in folders


def test_an_array_of_objects_is_not_opened() -> None:
    out = io.BytesIO()
    np.savez(out, pattern=np.array([print], dtype=object))
    with pytest.raises(FileFormatError, match="Python objects"):
        read_matrix(out.getvalue(), "x.npz")
