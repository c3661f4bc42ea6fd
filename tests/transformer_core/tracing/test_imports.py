"""Attention matrices from elsewhere: every format, and what is said of files that are none."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.tiny_models import make_tiny
from transformer_core.cli import main
from transformer_core.errors import FileFormatError, InputError, TransformerCoreError
from transformer_core.models.loading import load
from transformer_core.tracing import archives, imports
from transformer_core.tracing.imports import read_matrix
from transformer_core.tracing.trace import Trace

TOKENS = ["[CLS]", "the", "cat"]
PATTERN = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.125, 0.125, 0.75]]


def as_json(**entries: Any) -> bytes:
    return json.dumps({"tokens": TOKENS, "pattern": PATTERN} | entries).encode()


def as_npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **({"tokens": TOKENS, "pattern": PATTERN} | arrays))
    return file.getvalue()


def uniform(*shape: int) -> NDArray[np.float32]:
    return np.full(shape, 1 / shape[-1], dtype=np.float32)


@pytest.mark.parametrize("content", [as_json(), as_npz()], ids=["json", "npz"])
def test_one_pattern_with_its_tokens_is_a_trace(content: bytes) -> None:
    trace = read_matrix(content, "mine.x")
    assert trace.tokens == TOKENS
    assert trace.source.is_special == (True, False, False)
    assert (trace.sites, trace.n_layers("encoder"), trace.n_heads("encoder")) == (
        ("encoder",),
        1,
        1,
    )
    assert trace.pattern("encoder", layer=0, head=0).tolist() == PATTERN
    assert trace.model_name == "mine.x"
    assert not trace.has_details


@pytest.mark.parametrize(
    ("shape", "layers", "heads"),
    [((3, 3), 1, 1), ((5, 3, 3), 1, 5), ((2, 5, 3, 3), 2, 5), ((2, 1, 5, 3, 3), 2, 5)],
)
def test_axes_are_layer_head_query_key(shape: tuple[int, ...], layers: int, heads: int) -> None:
    trace = read_matrix(as_npz(pattern=uniform(*shape)), "x.npz")
    assert (trace.n_layers("encoder"), trace.n_heads("encoder")) == (layers, heads)


@pytest.mark.parametrize(
    "options", [[], ["--layer", "1"], ["--head", "2"], ["--layer", "1", "--head", "2"]]
)
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_what_attend_prints_is_opened_as_it_was(
    kind: str, options: list[str], tmp_path: Path
) -> None:
    folder = make_tiny(kind, tmp_path / kind)
    out = tmp_path / "x.json"
    assert main(["attend", str(folder), "The cat", *options, "--out", str(out)]) == 0
    trace, original = read_matrix(out.read_bytes(), out.name), load(folder).trace("The cat")
    site = original.sites[0]
    assert trace.sites == (site,)
    assert trace.tokens == original.tokens
    assert trace.source.is_special == original.source.is_special
    layers = [1] if "--layer" in options else [0, 1]
    heads = [2] if "--head" in options else [0, 1, 2, 3]
    for i, layer in enumerate(layers):
        for j, head in enumerate(heads):
            opened = trace.pattern(site, layer=i, head=j)
            assert torch.allclose(opened, original.pattern(site, layer=layer, head=head))
    assert trace.model_name.endswith("(x.json)")
    assert (" L1" in trace.model_name) == ("--layer" in options)


def test_cross_attention_is_opened_with_both_token_lists(tmp_path: Path) -> None:
    folder, out = make_tiny("marian", tmp_path / "marian"), tmp_path / "x.json"
    command = ["attend", str(folder), "The cat", "--target", "le chat", "--site", "cross"]
    assert main([*command, "--out", str(out)]) == 0
    trace, original = read_matrix(out.read_bytes(), "x"), load(folder).trace("The cat", "le chat")
    assert (trace.tokens, trace.target_tokens) == (original.tokens, original.target_tokens)
    for layer in range(2):
        opened, expected = (t.pattern("cross", layer=layer) for t in (trace, original))
        assert torch.allclose(opened, expected)


def test_a_matrix_with_a_target_is_cross_attention_unless_it_says_otherwise() -> None:
    content = as_npz(target_tokens=["le", "chat"], pattern=uniform(2, 3))
    assert read_matrix(content, "x").sites == ("cross",)
    content = as_npz(target_tokens=["le", "chat"], pattern=uniform(2, 2), site="decoder")
    assert read_matrix(content, "x").query_tokens("decoder").display == ("le", "chat")


def test_all_sites_can_come_in_one_file() -> None:
    file = io.BytesIO()
    np.savez(
        file,
        tokens=np.array(TOKENS),
        target_tokens=np.array([b"le", b"chat"]),
        encoder=uniform(2, 4, 3, 3),
        decoder=uniform(2, 4, 2, 2),
        cross=uniform(2, 4, 2, 3),
    )
    trace = read_matrix(file.getvalue(), "x")
    assert trace.sites == ("encoder", "decoder", "cross")
    assert trace.target_tokens == ["le", "chat"]


def test_special_tokens_are_those_that_the_file_names() -> None:
    assert read_matrix(as_json(special=[2]), "x").source.is_special == (False, False, True)
    assert read_matrix(as_npz(special=[0, 1]), "x").source.is_special == (True, True, False)


def test_tokens_are_shown_as_people_read_them() -> None:
    trace = read_matrix(as_json(tokens=["\x00", "a\u202eb", "x" * 999]), "x")
    assert trace.tokens == ["␀", "a⟨U+202E⟩b", "x" * imports.MAX_LABEL]
    half = b'"\\ud83d"'
    content = b'{"tokens": [%s], "model": %s, "pattern": [[1]]}' % (half, half)
    trace = read_matrix(content, "x")
    assert trace.tokens[0] == "⟨U+D83D⟩"
    json.dumps([trace.tokens, trace.model_name], ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["llama", "marian", "t5"])
def test_a_saved_trace_is_opened_whole(kind: str, tmp_path: Path) -> None:
    target = None if kind == "llama" else "the cat"
    original = load(make_tiny(kind, tmp_path / kind)).trace("The cat sat", target)
    original.save(tmp_path / "t.npz")
    trace = read_matrix((tmp_path / "t.npz").read_bytes(), "t.npz")
    site = original.sites[-1]
    assert torch.equal(trace.pattern(site, layer=1), original.pattern(site, layer=1))
    assert trace.model_id == original.model_id and trace.extra["file"] == "t.npz"
    assert trace.has_details


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "neither JSON nor NPZ"),
    "a text": (b"hello", "neither JSON nor NPZ"),
    "not UTF-8": (b'{"a": "\xff"}', "neither JSON nor NPZ"),
    "a deep nest": (b"[" * 100_000, "neither JSON nor NPZ"),
    "a list": (b"[1, 2]", "must be a JSON object"),
    "an empty object": (b"{}", "names no tokens: .* nothing at all"),
    "no tokens": (b'{"pattern": [[1]], "who": 1}', "names no tokens: .* pattern, who"),
    "no pattern": (b'{"tokens": ["a"], "weights": 1}', "holds no attention.*tokens, weights"),
    "tokens are a text": (as_json(tokens="the cat"), "must be a list of texts"),
    "tokens are numbers": (as_json(tokens=[1, 2, 3]), "must hold texts; 1 is none"),
    "tokens are numbers in NPZ": (as_npz(tokens=[1, 2, 3]), "must be a list of texts"),
    "empty tokens": (as_json(tokens=[]), "0 tokens; from 1"),
    "many tokens": (as_json(tokens=["a"] * 5000), "5,000 tokens; from 1 to 4,096"),
    "pattern is a text": (as_json(pattern="x"), "numbers in rows of equal length"),
    "ragged": (as_json(pattern=[[1], [0.5, 0.5], [1]]), "numbers in rows of equal length"),
    "objects": (as_json(pattern=[[{}] * 3] * 3), "numbers in rows of equal length"),
    "huge integers": (as_json(pattern=[[10**400] * 3] * 3), "numbers in rows of equal length"),
    "one row": (as_json(pattern=[1, 0, 0]), r"has the shape \(3,\); its axes must be"),
    "six axes": (as_npz(pattern=uniform(1, 1, 1, 1, 3, 3)), "its axes must be"),
    "a batch": (as_npz(pattern=uniform(2, 2, 2, 3, 3)), "its axes must be"),
    "no heads": (as_npz(pattern=np.zeros((0, 3, 3))), "none of them empty"),
    "no site of this name": (as_json(site="middle"), "there is no site 'middle'"),
    "site is a list": (as_json(site=["cross"]), "there is no site"),
    "cross without target": (as_json(site="cross"), "needs target_tokens"),
    "special is a word": (as_json(special="first"), "special must be a list"),
    "rows of three for two": (as_json(tokens=["a", "b"]), "3 × 3.*2 query tokens"),
    "rows do not sum to 1": (
        as_json(pattern=[[1, 0, 0], [0.5, 0, 0], [1, 0, 0]]),
        "row 1 of L0 H0",
    ),
    "scores": (as_json(pattern=[[3, 1, 2]] * 3), "sums to 6"),
    "NaN": (
        as_json(pattern=[[1, 0, 0], [0, 1, float("nan")], [1, 0, 0]]),
        "nan in row 1, column 2",
    ),
    "infinite": (as_json(pattern=[[float("inf"), 0, 0]] * 3), "inf in row 0"),
    "negative": (as_json(pattern=[[1.5, -0.5, 0]] * 3), "-0.5 in row 0, column 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_none_says_why_in_one_line(case: str) -> None:
    content, said = REFUSED[case]
    with pytest.raises((FileFormatError, InputError), match=said) as caught:
        read_matrix(content, "mine.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Harm:
        """Would write a file when unpickled."""

        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            """Tell the unpickler what to run."""
            return (mark.write_text, ("harm",))

    with pytest.raises(FileFormatError, match="Python objects"):
        read_matrix(as_npz(tokens=np.array([Harm()], dtype=object)), "x.npz")
    with pytest.raises(FileFormatError, match="neither JSON nor NPZ"):
        read_matrix(pickle.dumps(Harm()), "x.npz")
    assert not mark.exists()


def _npy_claiming(shape: tuple[int, ...]) -> bytes:
    """An array's file whose header claims a shape, with no data behind it."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (118 - len(header) - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def test_a_file_that_would_unpack_to_too_much_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**20)
    bomb = as_npz(pattern=np.zeros((600, 600), dtype=np.float32))
    assert len(bomb) < 10_000
    with pytest.raises(FileFormatError, match="would unpack to 2 arrays of 1 MiB"):
        read_matrix(bomb, "x.npz")
    monkeypatch.setattr(archives, "MAX_ARRAYS", 1)
    with pytest.raises(FileFormatError, match="at most 1 arrays"):
        read_matrix(as_npz(), "x.npz")


def test_an_array_that_claims_more_than_there_is_takes_no_memory() -> None:
    with pytest.raises(FileFormatError, match="is not complete"):
        read_matrix(_zip(pattern=_npy_claiming((10**6, 10**6))), "x.npz")


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    load(make_tiny("gpt2", tmp_path / "gpt2")).trace("The cat").save(tmp_path / "t.npz")
    for content in (as_npz(), (tmp_path / "t.npz").read_bytes()):
        for size in {0, 1, 10, len(content) // 2, len(content) - 30, len(content) - 1}:
            with pytest.raises(FileFormatError):
                read_matrix(content[:size], "x.npz")


def test_a_changed_byte_never_ends_in_anything_but_an_error_of_ours(tmp_path: Path) -> None:
    load(make_tiny("bert", tmp_path / "bert")).trace("The cat").save(tmp_path / "t.npz")
    content = bytearray((tmp_path / "t.npz").read_bytes())
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(content), 200):
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        try:
            trace = read_matrix(bytes(changed), "x.npz")
            trace.pattern("encoder", layer=0)
        except TransformerCoreError:
            continue


def _damaged(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays["header"].tobytes())
    change(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


DAMAGE: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "version": (lambda h, a: h.update(version=99), "no trace of version 1"),
    "format": (lambda h, a: h.update(format="other"), "no trace of version"),
    "header is a list": (lambda h, a: h.clear(), "is no trace"),
    "no layers": (lambda h, a: h.update(records={}), "holds no attention"),
    "site": (lambda h, a: h.update(records={"middle": []}), "the site 'middle'"),
    "empty site": (lambda h, a: h.update(records={"encoder": []}), "there are none"),
    "queries": (
        lambda h, a: a.update({"encoder/0/q": a["encoder/0/q"][:, :2]}),
        "q of encoder/0 has",
    ),
    "keys": (lambda h, a: a.update({"encoder/1/k": a["encoder/1/k"][:3]}), "4 query heads for 3"),
    "width": (
        lambda h, a: a.update({"encoder/0/k": a["encoder/0/k"][..., :2]}),
        "k of encoder/0 has",
    ),
    "NaN": (lambda h, a: a["encoder/0/q"].fill(np.nan), "not a number"),
    "kind": (lambda h, a: a.update({"encoder/0/q": a["encoder/0/q"].astype(int)}), "holds torch"),
    "mask": (
        lambda h, a: a.update({"encoder/0/mask": np.ones((1, 2, 2), bool)}),
        "mask of encoder/0 has",
    ),
    "scaling": (lambda h, a: h["records"]["encoder"][0].update(scaling=1e999), "scaling inf"),
    "text": (lambda h, a: h["source"].update(text="\ud83d"), "is no trace"),
    "stream": (lambda h, a: a.update({"resid/encoder/0": a["resid/encoder/0"][0]}), "resid at"),
    "missing": (lambda h, a: a.pop("encoder/0/k"), "lacks queries or keys"),
    "override": (lambda h, a: h["records"]["encoder"][0].update(overrides=[0]), "is no trace"),
    "values": (lambda h, a: a.update({"encoder/0/v": a["encoder/0/v"][:, 1:]}), "v of encoder/0"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    load(make_tiny("bert", folder / "bert")).trace("The cat").save(folder / "t.npz")
    return folder / "t.npz"


@pytest.mark.parametrize("case", DAMAGE)
def test_a_trace_whose_parts_do_not_fit_is_refused(case: str, saved: Path, tmp_path: Path) -> None:
    change, said = DAMAGE[case]
    content = _damaged(saved, change)
    with pytest.raises(FileFormatError, match=said):
        read_matrix(content, "x.npz")
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FileFormatError, match=said):
        Trace.load(tmp_path / "x.npz")


def test_a_large_file_is_refused_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "settings", lambda: SimpleNamespace(upload_megabytes=0))
    with pytest.raises(FileFormatError, match="MiB are read"):
        read_matrix(as_json(), "x.json")
    monkeypatch.undo()
    monkeypatch.setattr(imports, "MAX_CELLS", 8)
    with pytest.raises(FileFormatError, match="9 weights; at most 8"):
        read_matrix(as_json(), "x.json")
