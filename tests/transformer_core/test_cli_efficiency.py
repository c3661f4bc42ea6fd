"""prune, quantize, distill and bench: what they print, and one line for bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_corpus import write_corpus
from tests.support.tiny_translator import make_translator
from transformer_core.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_translator(tmp_path_factory.mktemp("own") / "own"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_corpus(tmp_path_factory.mktemp("data") / "numbers.tsv", n=30))


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_prune_gives_a_curve_beside_random_orders(
    capsys: pytest.CaptureFixture[str], model: str, data: str
) -> None:
    common = ("--model", model, "--data", data, "--limit", "4")
    found = printed(
        capsys, "prune", *common, "--heads", "4", "--points", "2", "--seeds", "1", "--refit"
    )
    assert list(found["least_important_first"]) == ["2", "4"]
    assert list(found["random"]["0"]) == ["2", "4"]
    assert len(found["order"]) == 4
    assert len(found["importance"]) == 24
    assert found["plain"]["kind"] == "BLEU"
    assert (
        main(
            [
                "prune",
                *common,
                "--heads",
                "2",
                "--points",
                "1",
                "--seeds",
                "1",
                "--by",
                "surgeon",
                "--calibration",
                "2",
            ]
        )
        == 0
    )
    assert "heads gone" in capsys.readouterr().out
    weights = printed(capsys, "prune", *common, "--weights", "0.5")
    assert weights["rows"][1]["relative"]["size"] == 1
    layers = printed(capsys, "prune", *common, "--layers", "encoder:1")
    assert layers["rows"][1]["relative"]["size"] < 1


def test_quantize_compares_with_the_plain_model(
    capsys: pytest.CaptureFixture[str], model: str, data: str
) -> None:
    argv = ("--model", model, "--data", data, "--limit", "4", "--rounds", "2")
    found = printed(capsys, "quantize", *argv)
    assert [row["name"] for row in found["rows"]] == ["plain", "int8", "bfloat16"]
    assert main(["quantize", *argv, "--precision", "int8"]) == 0
    assert "tokens/s" in capsys.readouterr().out


def test_bench_measures_each_of_its_subjects(
    capsys: pytest.CaptureFixture[str], model: str, data: str
) -> None:
    points = printed(capsys, "bench", "attention", "--max-length", "128", "--rounds", "1")
    assert [point["length"] for point in points] == [64, 128]
    common = ("--model", model, "--data", data, "--limit", "3", "--rounds", "1")
    points = printed(capsys, "bench", "cache", *common, "--max-length", "16")
    assert points[0]["cache_bytes"] > 0
    sparse = printed(
        capsys, "bench", "sparse", *common, "--sparsity", "0.5", "--window", "1", "--block", "2"
    )
    names = [row["name"] for row in sparse["rows"]]
    assert names == ["plain", "top-k, sparsity 0.5", "window of ±1", "blocks of 2"]
    shared = printed(capsys, "bench", "kv-heads", *common, "--kv-heads", "2")
    assert shared["rows"][1]["facts"]["kv_heads"] == 2
    for what in ("attention", "cache"):
        assert main(["bench", what, "--model", model, "--max-length", "16", "--rounds", "1"]) == 0
        assert "MB" in capsys.readouterr().out


def test_distill_trains_and_scores_both_students(
    capsys: pytest.CaptureFixture[str], model: str, data: str, tmp_path: Path
) -> None:
    argv = [
        "distill", "--teacher", model, "--data", f"numbers={data},held_out=0.3",
        "--out", str(tmp_path), "--steps", "4", "--d-model", "8", "--n-heads", "2", "--d-ff", "8",
        "--n-encoder-layers", "1", "--n-decoder-layers", "1", "--tokens", "256",
    ]  # fmt: skip
    found = printed(capsys, *argv)
    assert set(found["scores"]["numbers"]) == {"teacher", "distilled", "alone"}
    assert found["parameters"]["distilled"] * 4 <= found["parameters"]["teacher"]
    assert main(argv) == 0  # what is finished is read, not trained again
    assert "distilled − alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["prune", "--heads", "24"], "at least one must stay"),
        (["prune", "--heads", "-1"], "at least one must stay"),
        (["prune", "--heads", "2", "--points", "0"], "--points must be at least 1"),
        (["prune", "--weights", "1"], "from 0 to below 1"),
        (["prune", "--layers", "encoder"], "write encoder:3,decoder:1"),
        (["prune", "--layers", "encoder:0,encoder:1"], "at least one must stay"),
        (["bench", "sparse", "--sparsity", "1.0"], "sparsity is 1"),
        (["bench", "sparse", "--sparsity", "-1"], "sparsity is -1"),
        (["bench", "attention", "--max-length", "9999"], "from 1 to 4,096"),
        (["bench", "kv-heads", "--kv-heads", "3"], "choose one of 1, 2"),
        (["quantize", "--rounds", "0"], "at least 1"),
        (["quantize", "--data", "nowhere.tsv"], "nowhere.tsv cannot be read"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    capsys: pytest.CaptureFixture[str], model: str, argv: list[str], message: str
) -> None:
    assert main([*argv, "--model", model]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "0"], "temperature is 0"),
        (["--soft-share", "2"], "from 0 to 1"),
        (["--data", "numbers"], "NAME=FILE"),
        (["--teacher", "minilm-that-is-not-there"], "minilm-that-is-not-there"),
    ],
)
def test_a_lesson_that_cannot_be_taught_is_refused(
    capsys: pytest.CaptureFixture[str], model: str, data: str, options: list[str], message: str
) -> None:
    argv = ["distill", "--teacher", model, "--data", f"numbers={data},held_out=0.3"]
    assert main([*argv, "--out", "nowhere", *options]) == 2
    assert message in capsys.readouterr().err
