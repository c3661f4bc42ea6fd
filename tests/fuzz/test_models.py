"""Folders and files of models, damaged in every part: loaded and traced, or refused in words."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example
from hypothesis import strategies as st

from tests.fuzz.strategies import any_texts, damaged, deranged
from tests.fuzz.trying import check_words, tried
from tests.support.tiny_gguf import make_gguf
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.errors import TransformerCoreError
from transformer_core.models import cache
from transformer_core.models.loading import load
from transformer_core.models.lookup import is_here, look_up
from transformer_core.tracing.interventions import (
    AblateHead,
    Change,
    HideKey,
    InItem,
    ReplacePattern,
    TopKKeys,
    ZeroValue,
)
from transformer_core.tracing.sparsity import Blocks, SparseAttention, TopShare, Window

TEXT = "The cat sat"
HEAD = 700
"""Bytes at the beginning of weights in which their header stands."""


@functools.cache
def files_of(kind: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        make_translator(path, n_ctx=16) if kind == "own" else make_tiny(kind, path)
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))


def use(path: Path) -> None:
    """Load and trace a model, or be told why not."""
    try:
        model: Any = load(path, allow_download=False)
        trace = model.trace(TEXT)
        trace.pattern(trace.sites[0], layer=0)
    except TransformerCoreError as error:
        check_words(error)


def use_with(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
        use(path)


KINDS = [
    (kind, name)
    for kind in ("bert", "gpt2", "own")
    for name in ("config.json", "model.safetensors", "tokenizer.json")
]


@pytest.mark.parametrize(("kind", "name"), KINDS)
@tried(times=10, data=st.data())
def test_a_folder_with_a_damaged_file_is_loaded_or_refused(data: Any, kind: str, name: str) -> None:
    files = files_of(kind)
    content = files[name]
    if name == "config.json":
        changed = deranged(json.loads(content)).map(lambda value: json.dumps(value).encode())
    elif name == "tokenizer.json":
        changed = damaged(content, at_most=2)
    else:
        changed = damaged(content[:HEAD]).map(lambda head: head + content[HEAD:])
    use_with(files | {name: data.draw(changed)})


@pytest.mark.parametrize("kind", ["bert", "own"])
def test_a_folder_of_nested_json_is_refused(kind: str) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        use_with(files_of(kind) | {name: b"[" * 100_000})
        use_with(files_of(kind) | {name: b'{"model_type":' * 50_000})


@functools.cache
def gguf_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        return make_gguf(make_tiny("llama", path / "llama"), path / "m.gguf").read_bytes()


@tried(times=20, data=st.data())
def test_a_damaged_gguf_is_loaded_or_refused(data: Any) -> None:
    content, place = gguf_bytes(), 4_000
    damage = damaged(content[:place], at_most=3).map(lambda head: head + content[place:])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.gguf"
        path.write_bytes(data.draw(damage))
        use(path)


@tried(
    times=60,
    name=any_texts() | st.sampled_from(["../..", "~nobody/x", "a/b", "C:\\x", "/dev/null"]),
)
@example(name="\x00")
@example(name="a" * 5_000)
@example(name="/" + "a" * 300)
@example(name="trained-../../x")
@example(name="\ud83d")
def test_any_name_of_a_model_is_found_or_refused(name: str) -> None:
    is_here(name)
    for act in (lambda: look_up(name), lambda: load(name, allow_download=False)):
        try:
            act()
        except TransformerCoreError as error:
            check_words(error)


@functools.cache
def model_of(kind: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        return load(make_translator(path) if kind == "own" else make_tiny(kind, path))


INDEX = st.sampled_from([-2, -1, 0, 1, 2, 7, 10**9, 2**63])
SITE = st.sampled_from(["encoder", "decoder", "cross", "nowhere", ""])


def changes() -> st.SearchStrategy[Any]:
    """Any change at any place, most of which are not there."""
    maybe = st.none() | INDEX
    site = st.none() | SITE
    shape = st.tuples(st.integers(0, 6), st.integers(0, 6))
    pattern = shape.map(lambda s: torch.ones(s) / max(s[1], 1))
    share = st.sampled_from([0, 0.5, 0.99, 1, -1, float("nan")])
    rule = st.one_of(
        st.builds(lambda s: (TopShare, (s,)), share),
        st.builds(lambda a, b: (Window, (a, b)), INDEX, INDEX),
        st.builds(lambda a, b: (Blocks, (a, b)), INDEX, INDEX),
    )
    return st.one_of(
        st.tuples(st.just(AblateHead), st.tuples(SITE, INDEX, INDEX, st.sampled_from(
            ["zero", "mean", "uniform"]))),
        st.tuples(st.just(ReplacePattern), st.tuples(SITE, INDEX, INDEX, pattern)),
        st.tuples(st.just(TopKKeys), st.tuples(INDEX, site, maybe, maybe)),
        st.tuples(st.just(ZeroValue), st.tuples(SITE, INDEX, INDEX)),
        st.tuples(st.just(HideKey), st.tuples(INDEX, site, maybe)),
        st.tuples(st.just(_sparse), st.tuples(rule, site, maybe, maybe)),
    )  # fmt: skip


def _sparse(rule: tuple[Any, tuple[Any, ...]], *place: Any) -> SparseAttention:
    return SparseAttention(rule[0](*rule[1]), *place)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "marian", "own"])
@tried(times=20, wanted=st.lists(changes(), min_size=1, max_size=2), item=st.none() | INDEX)
@example(wanted=[(ZeroValue, ("encoder", 0, 99))], item=None)
@example(wanted=[(ZeroValue, ("decoder", 0, -1))], item=None)
@example(wanted=[(TopKKeys, (2, None, None, 99))], item=None)
@example(wanted=[(TopKKeys, (2, None, None, -1))], item=None)
def test_any_change_is_made_or_refused(wanted: list[Any], item: int | None, kind: str) -> None:
    model = model_of(kind)
    try:
        made: list[Change] = [kind_of(*arguments) for kind_of, arguments in wanted]
        asked = made if item is None else [InItem(item, change) for change in made]
        trace = model.trace(TEXT, interventions=asked)
        for site in trace.sites:
            for layer in range(trace.n_layers(site)):
                pattern = trace.pattern(site, layer=layer)
                assert bool(pattern.isfinite().all())
                assert torch.allclose(pattern.sum(-1), torch.ones(pattern.shape[:-1]), atol=1e-3)
    except TransformerCoreError as error:
        check_words(error)
