"""The commands, run as a user runs them."""

import json
from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.cli import main
from transformer_core.models.loading import load
from transformer_core.tracing.trace import Trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert")


def test_models_as_json_lists_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    ids = [card["id"] for card in json.loads(capsys.readouterr().out)]
    assert {"minilm", "smollm2", "en-fr-small"} <= set(ids)


def test_attend_prints_the_pattern_of_a_head(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attend", str(folder), "The cat", "--layer", "1", "--head", "2"]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = load(folder).trace("The cat")
    assert printed["tokens"] == expected.tokens
    assert torch.allclose(
        torch.tensor(printed["pattern"]), expected.pattern("encoder", layer=1, head=2), atol=1e-6
    )


def test_attend_without_a_layer_prints_all_layers_and_heads(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attend", str(folder), "The cat"]) == 0
    pattern = torch.tensor(json.loads(capsys.readouterr().out)["pattern"])
    assert pattern.shape[:2] == (2, 4)
    assert pattern.shape[2] == pattern.shape[3]


def test_attend_writes_files_that_can_be_read_again(folder: Path, tmp_path: Path) -> None:
    assert main(["attend", str(folder), "The cat", "--out", str(tmp_path / "t.npz")]) == 0
    assert Trace.load(tmp_path / "t.npz").text == "The cat"
    page = tmp_path / "t.html"
    assert (
        main(["attend", str(folder), "The cat", "--layer", "0", "--head", "0", "--out", str(page)])
        == 0
    )
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["attend", "FOLDER", ""], "text"),
        (["attend", "FOLDER", "a", "--layer", "9"], "no layer 9"),
        (["attend", "FOLDER", "a", "--layer", "0", "--head", "9"], "no head 9"),
        (["attend", "FOLDER", "a", "--site", "cross"], "no attention site"),
        (["attend", "FOLDER", "a", "--out", "x.doc"], "must end in"),
        (["attend", "./nowhere", "a"], "nowhere"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder) if a == "FOLDER" else a for a in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
