"""Traces on the disk: what was saved is read back, and nothing else is; damage is always said."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.fuzz.strategies import (
    damaged,
    damaged_npz,
    deranged,
    members_of,
    npy,
    npz,
    odd_arrays,
    patterns,
    texts,
)
from tests.fuzz.trying import check_words, tried
from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.errors import FileFormatError, InputError, TransformerCoreError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing import archives
from transformer_core.tracing.imports import read_matrix
from transformer_core.tracing.trace import Trace


def saved(trace: Trace) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        trace.save(path := Path(folder) / "t.npz")
        return path.read_bytes()


@functools.cache
def kept() -> bytes:
    return saved(trace_of(random_record(3, is_causal=True), tokens_of(["a", "##b", "c"])))


def used(trace: Trace) -> None:
    """Look at everything that a page would show; a trace that was read must give it."""
    for site in trace.sites:
        for layer in range(trace.n_layers(site)):
            pattern = trace.pattern(site, layer=layer)
            assert pattern.ndim == 3
            trace.record(site, layer=layer)
            trace.light(site, layer)
    _ = trace.tokens, trace.target_tokens, trace.notes, trace.source.words


def read(content: bytes, reader: Callable[[bytes], Trace]) -> None:
    """Read some bytes: a trace that can be used, or an error of the library's own in few words."""
    try:
        used(reader(content))
    except TransformerCoreError as error:
        check_words(error)


def load(content: bytes) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.npz"
        path.write_bytes(content)
        return Trace.load(path)


def opened(content: bytes) -> Trace:
    return read_matrix(content, "own.npz")


READERS = pytest.mark.parametrize("reader", [load, opened])


@tried(
    labels=st.lists(texts(max_size=3), min_size=1, max_size=5),
    n_query=st.integers(1, 5),
    seed=st.integers(0, 99),
    is_causal=st.booleans(),
)
def test_what_was_saved_is_read_back(
    labels: list[str], n_query: int, seed: int, is_causal: bool
) -> None:
    source = Tokens.from_labels(labels)
    is_self = n_query == len(labels)
    target = None if is_self else Tokens.from_labels([f"q{i}" for i in range(n_query)])
    record = random_record(n_query, len(labels), seed=seed, is_causal=is_causal and is_self)
    trace = trace_of(record, source, target, site="encoder" if is_self else "cross")
    back = load(saved(trace))
    assert back.source == source
    assert back.target == target
    assert back.sites == trace.sites
    site = trace.sites[0]
    torch.testing.assert_close(back.pattern(site, layer=0), trace.pattern(site, layer=0))
    assert saved(back) == saved(load(saved(back)))


@READERS
@tried(times=60, data=st.data())
def test_a_damaged_trace_is_said_to_be_one(data: Any, reader: Callable[[bytes], Trace]) -> None:
    read(data.draw(damaged_npz(kept())), reader)


@READERS
@tried(times=60, data=st.data())
def test_a_trace_with_another_header_is_read_or_refused(
    data: Any, reader: Callable[[bytes], Trace]
) -> None:
    members = members_of(kept())
    header = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    changed = json.dumps(data.draw(deranged(header))).encode()
    read(npz(members | {"header.npy": npy(np.frombuffer(changed, np.uint8))}), reader)


@READERS
@tried(content=st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"PK\x03\x04" + b))
def test_any_bytes_are_no_trace(content: bytes, reader: Callable[[bytes], Trace]) -> None:
    read(content, reader)


@tried(odd=odd_arrays(), key=st.sampled_from(["tokens", "pattern", "encoder", "special"]))
def test_an_array_that_promises_too_much_is_refused(odd: bytes, key: str) -> None:
    members = {"tokens.npy": npy(np.array(["a", "b"])), "pattern.npy": npy(np.full((2, 2), 0.5))}
    read(npz(members | {f"{key}.npy": odd}), opened)


def test_what_unpacks_to_more_than_is_read_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**20)
    bomb = npz({"pattern.npy": npy(np.zeros(2**20, np.float32))})
    assert len(bomb) < 2**14
    with pytest.raises(FileFormatError, match="would unpack to"):
        opened(bomb)


@tried(weights=patterns(), as_npz=st.booleans(), n_axes=st.integers(2, 4))
def test_a_matrix_of_ones_own_is_shown_as_it_is(
    weights: NDArray[np.float32], as_npz: bool, n_axes: int
) -> None:
    n_query, n_key = weights.shape[-2:]
    own = weights[(0,) * (4 - n_axes)]
    fields: dict[str, Any] = {"tokens": [f"t{i}" for i in range(n_key)], "pattern": own}
    if n_query != n_key:
        fields["target_tokens"] = [f"q{i}" for i in range(n_query)]
    if as_npz:
        out = io.BytesIO()
        np.savez(out, **{name: np.array(value) for name, value in fields.items()})
        content = out.getvalue()
    else:
        content = json.dumps(fields | {"pattern": own.tolist()}).encode()
    trace = opened(content)
    (site,) = trace.sites
    wanted = own.reshape((1,) * (4 - n_axes) + own.shape)
    for layer in range(trace.n_layers(site)):
        np.testing.assert_allclose(trace.pattern(site, layer=layer), wanted[layer], atol=1e-6)


@functools.cache
def own_fields() -> dict[str, Any]:
    return {
        "tokens": ["[CLS]", "a"], "target_tokens": ["b", "c"], "pattern": [[0.5, 0.5], [1, 0]],
        "site": "cross", "special": [0], "model": "m", "layer": 1, "head": 0,
    }  # fmt: skip


@tried(times=60, fields=deranged(own_fields()))
@example(fields={"tokens": ["a"], "pattern": [[float("nan")]]})
@example(fields={"tokens": [["x"] * 5_000], "pattern": [[1.0]]})
def test_a_matrix_with_another_entry_is_read_or_refused(fields: Any) -> None:
    read(json.dumps(fields).encode(), opened)


@tried(content=damaged(json.dumps(own_fields()).encode()))
@example(content=b"[" * 100_000)
@example(content=b'{"tokens": ' + b"9" * 5_000 + b"}")
@example(content="{“tokens”: 1}".encode("utf-16"))
def test_damaged_json_is_read_or_refused(content: bytes) -> None:
    read(content, opened)


@tried(record=deranged(tokens_of(["a", "##b"]).to_dict()))
def test_a_record_of_tokens_is_read_or_refused(record: Any) -> None:
    try:
        tokens = Tokens.from_dict(record)
    except (FileFormatError, InputError):
        return
    _ = tokens.words, tokens.continues
