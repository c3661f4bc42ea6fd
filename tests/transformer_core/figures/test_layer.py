"""What a layer's pictures show is what the model computed, and says what was done to it."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.analysis.layer_walk import LayerWalk, walk
from transformer_core.analysis.logit_attribution import MEAN, attribute
from transformer_core.figures.layer import Looking, layer_walk, sheet_of, thumbnail
from transformer_core.figures.layer_files import lengths_to_csv, to_csv, to_npz
from transformer_core.figures.layer_logit import Asked, layer_logit
from transformer_core.figures.layer_logit import to_csv as logit_to_csv
from transformer_core.figures.layer_schemes import layer_schemes
from transformer_core.figures.layer_stations import (
    Station,
    pooled_extremes,
    stations_of,
    strongest,
)
from transformer_core.figures.layer_sum import MAX_CELLS, equation_of, layer_sum
from transformer_core.figures.payload import Payload
from transformer_core.models.loading import load
from transformer_core.tracing.parts import watch_parts
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."
Look = tuple[Trace, LayerWalk]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def look(kind: str, folder: Path, stack: str = "decoder", layer: int = 1) -> Look:
    path = folder / kind
    model: Any = load(str(make_translator(path) if kind == "ours" else make_tiny(kind, path)))
    trace = model.trace(TEXT)
    place = (stack, layer)
    return trace, walk(watch_parts(model, trace, layers={place}), place)


def names(payload: Payload) -> list[str]:
    return [station["name"] for station in payload.header["options"]["stations"]]


def test_a_pre_norm_decoder_layer_is_laid_out_as_it_runs(folder: Path) -> None:
    trace, found = look("ours", folder)
    options = layer_walk(trace, found, Looking(head=2)).header["options"]
    texts = [row["text"] for row in options["rows"] if row["kind"] == "add"]
    assert texts == [
        "resid_mid = resid_pre + attn_out",
        "resid_cross = resid_mid + cross_out",
        "resid_post = resid_cross + ff_out",
    ]
    assert [block["kind"] for block in options["blocks"]] == ["attention", "cross", "feed-forward"]
    shown = names(layer_walk(trace, found, Looking(head=2)))
    assert "LayerNorm(resid_cross)" in shown
    assert "z W_O^2" in shown
    causal, cross = (row["text"] for row in options["rows"] if row["kind"] == "heads")
    assert "causal" in causal
    assert "causal" not in cross


def test_a_post_norm_layer_norms_the_sum(folder: Path) -> None:
    trace, found = look("bert", folder, "encoder")
    rows = layer_walk(trace, found, Looking()).header["options"]["rows"]
    assert [row["text"] for row in rows if row["kind"] == "norm"] == [
        "resid_mid = LayerNorm(resid_pre + attn_out)",
        "resid_post = LayerNorm(resid_mid + ff_out)",
    ]
    stations = stations_of(trace, found, 0).stations
    norm = found.blocks[0].after
    assert norm is not None
    np.testing.assert_array_equal(stations["resid_mid"].values, norm.leaving.numpy())
    np.testing.assert_array_equal(
        stations["0.sum"].values, stations["resid_pre"].values + stations["attn_out"].values
    )


def test_rms_norm_and_a_gate_are_named(folder: Path) -> None:
    shown = names(layer_walk(*look("llama", folder), Looking()))
    assert "RMSNorm(resid_pre)" in shown
    assert {"ff_pre", "ff_up", "ff_post"} <= set(shown)
    trace, found = look("t5", folder)
    assert "RMSNorm(resid_mid)" in names(layer_walk(trace, found, Looking()))
    words = {s.name: s.words for s in stations_of(trace, found, 0).stations.values()}
    assert words["ff_pre"] == "x W₁"
    assert words["attn_out"] == "what all heads write together"


def test_parallel_blocks_are_added_once(folder: Path) -> None:
    trace, found = look("gpt_neox", folder)
    options = layer_walk(trace, found, Looking()).header["options"]
    assert options["is_parallel"]
    texts = [row["text"] for row in options["rows"] if row["kind"] == "add"]
    assert texts == ["resid_post = resid_pre + attn_out + ff_out"]
    payload = layer_sum(trace, found, found.blocks[0])
    assert [t["name"] for t in payload.header["options"]["terms"]] == [
        *("resid_pre", "attn_out", "ff_out", "resid_post")
    ]
    scheme = layer_schemes(trace, found)
    assert any("at once" in note for note in scheme.header["notes"])


def test_a_norm_of_what_is_written_is_in_the_equation(folder: Path) -> None:
    trace, found = look("gemma3", folder)
    assert equation_of(found, found.blocks[0]) == "resid_mid = resid_pre + RMSNorm(attn_out)"
    assert "RMSNorm(attn_out)" in names(layer_walk(trace, found, Looking()))


def test_the_numbers_are_the_tensors(folder: Path) -> None:
    trace, found = look("marian", folder)
    payload = layer_walk(trace, found, Looking(head=1, opened="1.k"))
    options = payload.header["options"]
    np.testing.assert_array_equal(
        payload.arrays["open"].codes, trace.record("cross", layer=1).keys(1).numpy()
    )
    assert options["open"]["rows"] == "key"
    index = names(payload).index("attn_out")
    norms = found.blocks[0].written.norm(dim=-1).numpy()
    np.testing.assert_allclose(payload.arrays[f"n{index}"].codes, norms, rtol=1e-6)
    wrote = trace.head_output("cross", layer=1).norm(dim=-1).numpy()
    np.testing.assert_allclose(payload.arrays["writes1"].codes, wrote, rtol=1e-6)
    best = trace.ff("decoder", layer=1).abs().argmax(dim=-1)
    assert payload.arrays["neuron_ids"].codes[:, 0].tolist() == best.tolist()
    badge = payload.header["badge"]
    assert badge["ok"]
    assert "to the bit" in badge["text"]


def test_a_wrong_sum_shows_in_the_badge(folder: Path) -> None:
    trace, found = look("gpt2", folder)
    off = type(found)(**{**vars(found), "resid_post": found.resid_post + 1.0})
    badge = layer_walk(trace, off, Looking()).header["badge"]
    assert not badge["ok"]


def test_small_maps_keep_the_extremes_and_their_signs() -> None:
    values = np.zeros((100, 400), np.float32)
    values[50, 200], values[70, 10] = -3.0, 2.0
    pooled = pooled_extremes(values, (10, 20))
    assert pooled.shape == (10, 20)
    assert (pooled[5, 10], pooled[7, 0]) == (-3.0, 2.0)
    assert np.count_nonzero(pooled) == 2
    ramp = np.linspace(-1, 1, 500, dtype=np.float32).reshape(5, 100)
    codes, limit, peak = thumbnail(Station("a", "a", "", ramp))
    assert (codes.min(), codes.max()) == (1, 255)
    assert limit == pytest.approx(0.99, abs=0.01)
    assert peak == 1.0


def test_the_strongest_neurons_keep_their_signs() -> None:
    ids, values = strongest(np.array([[0.1, -5.0, 2.0, 0.0]], np.float32), 2)
    assert ids.tolist() == [[1, 2]]
    assert values.tolist() == [[-5.0, 2.0]]


def test_a_matrix_that_is_too_large_is_pooled_and_says_so() -> None:
    sheet, encoded = sheet_of(Station("a", "a", "", np.ones((2048, 1536), np.float32)))
    assert encoded.codes.size <= 1_000_000
    assert "Pooled from 2048 × 1536" in sheet["notes"][0]


def test_the_sum_shows_the_three_matrices_and_its_proof(folder: Path) -> None:
    trace, found = look("gpt2", folder)
    block = found.block("attention")
    payload = layer_sum(trace, found, block)
    arrays = {name: array.codes for name, array in payload.arrays.items()}
    np.testing.assert_array_equal(arrays["term0"] + arrays["term1"], arrays["total"])
    assert payload.header["title"] == "resid_mid = resid_pre + attn_out"
    assert "max |Δ| 0" in payload.header["badge"]["text"]
    post, layer = look("bert", folder, "encoder")
    normed = layer_sum(post, layer, layer.blocks[1]).arrays["normed"].codes
    np.testing.assert_array_equal(normed, layer.resid_post.numpy())


def test_a_long_sum_shows_its_first_tokens_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, found = look("gpt2", folder)
    monkeypatch.setattr("transformer_core.figures.layer_sum.MAX_CELLS", 3 * 32)
    payload = layer_sum(trace, found, found.blocks[0])
    assert payload.arrays["total"].codes.shape == (3, 32)
    assert "the first 3 of" in payload.header["notes"][0]
    assert MAX_CELLS > 65_536


def test_the_bars_of_a_logit_add_up_to_it(folder: Path) -> None:
    model: Any = load(str(make_tiny("marian", folder / "logit")))
    trace = model.trace(TEXT)
    found = attribute(model, trace, 1)
    asked = Asked(5, "cat", 0.25, 3)
    payload = layer_logit(trace, found, asked)
    options = payload.header["options"]
    bars = sum(sum(row["values"]) for row in options["rows"])
    total = bars + sum(end["value"] for end in options["ends"])
    assert total == pytest.approx(float(trace.logits[1, 5]), abs=1e-4)
    assert [row["group"] for row in options["rows"]] == [
        *("attention", "cross", "feed-forward", "bias")
    ]
    assert payload.header["badge"]["ok"]
    assert "number 4" in payload.header["subtitle"]
    assert options["token"] == "cat"
    compared = layer_logit(trace, found, Asked(5, "cat", 0.25, 3, MEAN, "the mean"))
    assert compared.header["options"]["token"] == "cat over the mean"
    rows = list(csv.reader(io.StringIO(logit_to_csv(trace, found, asked))))
    assert sum(float(row[-1]) for row in rows[2:]) == pytest.approx(options["logit"], abs=1e-4)


def test_the_schemes_say_which_is_the_models_own(folder: Path) -> None:
    trace, found = look("bert", folder, "encoder")
    options = layer_schemes(trace, found).header["options"]
    assert [(s["name"], s["is_here"]) for s in options["schemes"]] == [
        ("post", True),
        ("pre", False),
    ]
    expected = [float(trace.resid("encoder", layer=i).norm(dim=-1).mean()) for i in (-1, 0, 1)]
    assert options["norms"] == pytest.approx(expected)
    rows = list(csv.reader(io.StringIO(lengths_to_csv(trace, "encoder"))))
    assert [float(row[1]) for row in rows[2:]] == pytest.approx(expected)


def test_files_hold_the_tensors_whole(folder: Path) -> None:
    trace, found = look("marian", folder)
    with np.load(io.BytesIO(to_npz(trace, found, 1))) as kept:
        np.testing.assert_array_equal(kept["resid_post"], found.resid_post.numpy())
        assert kept["tokens"].tolist() == list(trace.target_tokens or ())
    table = list(csv.reader(io.StringIO(to_csv(trace, found, 1, "1.v"))))
    assert len(table) - 2 == len(trace.source)
    values = torch.tensor([[float(cell) for cell in row[1:]] for row in table[2:]])
    torch.testing.assert_close(values, trace.record("cross", layer=1).values(1))
