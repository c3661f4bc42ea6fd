"""What the properties are tried on: texts of any kind, damaged bytes, damaged JSON."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

HARD = (
    "e\u0301", "a\u0308\u0323", "\u0301", "👩\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "👍🏽",
    "\U0001f1eb\U0001f1f7", "שלום", "مرحبا", "\u202eabc\u202c", "नमस्ते", "\u200d", "\u200b",
    "\ufeff", "\x00", "\x1b[31m", "\r\n", "\t", "\u2028", "\u0085", "ﬁ", "ß", "İ", "ſ", "①", "㎏",
    "가", "\u1100\u1161", "你好", "ｶﾞ", "▁", "Ġ", "##", "<s>", "</s>", "[CLS]", "<0xE2>", "<pad>",
    "\ue000", "\uffff", "\U0010ffff", "l'homme", "don’t", "3.14", "1,000", "    ", "\xa0", "'", '"',
    "\\", "<script>", "=1+1", "a" * 300, "ﷺ",
)  # fmt: skip
"""What has broken tokenizers: marks, joiners, directions, ligatures, look-alikes of their marks."""


def texts(*, max_size: int = 60) -> st.SearchStrategy[str]:
    """Any text that has a UTF-8 form: hard pieces and arbitrary characters, mixed."""
    character = st.characters(exclude_categories=("Cs",))
    piece = st.sampled_from(HARD) | st.text(character, max_size=6) | st.sampled_from("abc .,!é")
    return st.lists(piece, max_size=max_size).map("".join)


def any_texts() -> st.SearchStrategy[str]:
    """The same, sometimes with half a surrogate pair, which stands for no character."""
    half = st.sampled_from(["\ud83d", "\udcff", "a\udc00b"])
    return texts() | st.tuples(texts(max_size=5), half, texts(max_size=5)).map("".join)


def damaged(content: bytes, *, at_most: int = 6) -> st.SearchStrategy[bytes]:
    """Some bytes with a few changed, cut out, put in or cut off."""
    place = st.integers(0, max(len(content) - 1, 0))
    change = st.one_of(
        st.tuples(st.just("set"), place, st.integers(0, 255).map(lambda byte: bytes([byte]))),
        st.tuples(st.just("cut"), place, st.just(b"")),
        st.tuples(st.just("put"), place, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("out"), place, st.binary(min_size=1, max_size=40)),
    )
    return st.lists(change, min_size=1, max_size=at_most).map(lambda all_: _apply(content, all_))


def _apply(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, at, new in changes:
        if kind == "set":
            content = content[:at] + new + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "put":
            content = content[:at] + new + content[at:]
        else:
            content = content[:at] + content[at + len(new) :]
    return content


def json_values() -> st.SearchStrategy[Any]:
    """Any value that JSON can hold, odd numbers included."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-5, 5)
        | st.sampled_from([2**31, -(2**63), 10**30, 0.5, -1.5, 1e308])
        | st.sampled_from([float("nan"), float("inf")])
        | st.text(max_size=5)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )


def deranged(content: Any) -> st.SearchStrategy[Any]:
    """A JSON value with one place in it replaced, taken away, or doubled."""
    places = [*_places(content)]

    def change(place: tuple[Any, ...], value: Any, *, is_gone: bool) -> Any:
        copy = json.loads(json.dumps(content))
        if not place:
            return value
        inner = copy
        for key in place[:-1]:
            inner = inner[key]
        if is_gone:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
        return copy

    return st.builds(change, st.sampled_from(places), json_values(), is_gone=st.booleans())


def _places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(content, dict):
        for key, value in content.items():
            found += _places(value, (*path, key))
    elif isinstance(content, list):
        for index, value in enumerate(content[:3]):
            found += _places(value, (*path, index))
    return found


ODD_HEADERS = (
    ("|S0", (10**12,)), ("<U0", (10**12,)), ("<f4", (0, 10**30)), ("<f4", (-1, -4)),
    ("<f4", (2**62,)), ("<U4", (0,)), ("<c8", (1,)), ("|O", (1,)), ("<f2", (3,)), ("<M8[s]", (2,)),
    ("|V4", (2,)), ("<f4", ()), ("<f4", (0,)), ("|b1", (2, 2)), ("<i8", (1, 1)), (">f4", (2, 2)),
    ("<U3", (2,)), ("<f16", (1,)),
)  # fmt: skip
"""Headers of arrays that promise what no file holds, or what no reader of numbers expects."""


def odd_arrays() -> st.SearchStrategy[bytes]:
    """An ``.npy`` whose header is odd, with some bytes behind it."""

    def make(header: tuple[str, tuple[int, ...]], body: bytes, version: int) -> bytes:
        text = repr({"descr": header[0], "fortran_order": False, "shape": header[1]}).encode()
        text += b" " * 8 + b"\n"
        size = len(text).to_bytes(2 if version == 1 else 4, "little")
        return b"\x93NUMPY" + bytes([version, 0]) + size + text + body

    body = st.binary(max_size=64)
    return st.builds(make, st.sampled_from(ODD_HEADERS), body, st.sampled_from([1, 2, 3]))


def npz(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    """The members of a ZIP file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def damaged_npz(content: bytes) -> st.SearchStrategy[bytes]:
    """An NPZ file damaged as a whole, or in one member, or with an odd array in place of one.

    Damage within a member is packed up again with its right checksum, so that it gets past the
    archive and into the reader of arrays.
    """
    members = members_of(content)
    names = st.sampled_from(sorted(members))

    def put(name: str, new: bytes, method: int) -> bytes:
        return npz({**members, name: new}, method=method)

    def within(name: str) -> st.SearchStrategy[bytes]:
        return st.builds(put, st.just(name), damaged(members[name]), st.sampled_from(METHODS))

    packed = [npz(members, method=method) for method in METHODS]
    return st.one_of(
        st.sampled_from(packed).flatmap(damaged),
        names.flatmap(within),
        st.builds(put, names, odd_arrays(), st.just(zipfile.ZIP_STORED)),
        st.builds(lambda gone: npz({k: v for k, v in members.items() if k != gone}), names),
        names.map(lambda n: npz(members | {n: b""})),
    )


def npy(array: NDArray[Any]) -> bytes:
    """An array as the bytes of its ``.npy``."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def patterns(*, max_side: int = 5) -> st.SearchStrategy[NDArray[np.float32]]:
    """Rows that sum to 1, of any small shape ``[layer head query key]``."""

    def make(shape: tuple[int, int, int, int], seed: int) -> NDArray[np.float32]:
        raw = np.random.default_rng(seed).random(shape) + 1e-3
        return (raw / raw.sum(-1, keepdims=True)).astype(np.float32)

    side = st.integers(1, max_side)
    return st.builds(make, st.tuples(st.integers(1, 2), side, side, side), st.integers(0, 2**16))
