"""The commands, run as a user runs them."""

import json
import os
import subprocess
import sys
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


@pytest.mark.parametrize("head", [[], ["--layer", "1", "--head", "2"]], ids=["all", "one"])
def test_attend_draws_pictures_without_a_browser(
    folder: Path, tmp_path: Path, head: list[str]
) -> None:
    svg, png = tmp_path / "x.svg", tmp_path / "x.png"
    for path in (svg, png):
        assert main(["attend", str(folder), "The cat", *head, "--out", str(path)]) == 0
    words = svg.read_text(encoding="utf-8")
    assert ">query (reads)<" in words or ">↓ query (reads)<" in words
    assert (">cat<" in words) == bool(head)
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["attend", "FOLDER", ""], "text"),
        (["attend", "FOLDER", "a", "--layer", "9"], "no layer 9"),
        (["attend", "FOLDER", "a", "--layer", "0", "--head", "9"], "no head 9"),
        (["attend", "FOLDER", "a", "--site", "cross"], "no attention site"),
        (["attend", "FOLDER", "a", "--out", "x.doc"], "must end in"),
        (["attend", "FOLDER", "a", "--layer", "0", "--out", "x.svg"], "give --layer and --head"),
        (["attend", "./nowhere", "a"], "nowhere"),
        (["attend", "FOLDER", "a", "--layer", "-1"], "no layer -1"),
        (["attend", "FOLDER", "a", "--target", "b"], "no decoder of its own"),
        (["attend", "FOLDER", "a", "--out", "/no/such/folder/x.json"], "/no/such/folder/x.json"),
        (["attend", "FOLDER", "a", "--out", "/no/such/folder/x.npz"], "/no/such/folder/x.npz"),
        (["attend", "FOLDER", "word " * 10_000], "this model reads 128 at most"),
        (["attend", "FOLDER", "a\udce9"], "half of a surrogate pair"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder) if a == "FOLDER" else a for a in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: verb"),
        (["look"], "invalid choice: 'look'"),
        (["attend"], "required: model, text"),
        (["attend", "minilm", "a", "--layer", "two"], "invalid int value: 'two'"),
        (["models", "--colour"], "--colour"),
    ],
)
def test_a_command_that_is_none_ends_with_2_and_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    said_at_all = capsys.readouterr()
    assert said in said_at_all.err and said_at_all.err.count("\n") == 1
    assert said_at_all.out == ""


@pytest.mark.parametrize("verb", ["", "models", "attend", "first-paint"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m transformer_core")


def test_models_in_words_say_how_to_get_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all("available" in line or "get it: " in line for line in lines)
    assert any(line.startswith("minilm ") for line in lines)


def _run(*arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "transformer_core", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, "LANG": "C"}
    )


def test_results_go_to_stdout_as_utf8_and_nothing_else_does(tmp_path: Path) -> None:
    folder = make_tiny("gpt2", tmp_path / "gpt2")
    run = _run("attend", str(folder), "été 中文 🙂", "--layer", "0", "--head", "0")
    assert (run.returncode, run.stderr) == (0, b"")
    printed = json.loads(run.stdout)
    assert list(printed) == ["model", "tokens", "target_tokens", "site", "layer", "head", "pattern"]
    assert "⟨E4⟩" in printed["tokens"] and "⟨E4⟩".encode() in run.stdout


def test_a_text_that_is_no_utf8_ends_with_2_and_one_line(folder: Path) -> None:
    run = _run("attend", str(folder), b"caf\xe9")
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr.count(b"\n") == 1 and b"surrogate" in run.stderr


def test_who_has_read_enough_may_close_the_pipe(folder: Path) -> None:
    command = [sys.executable, "-m", "transformer_core", "attend", str(folder), "cat " * 100]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_progress_is_for_people_and_goes_to_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["attend", str(folder), "The cat"]) == 0
    assert "Reading the weights" in capsys.readouterr().err
    assert main(["attend", str(folder), "The cat", "--layer", "9"]) == 2
    assert capsys.readouterr().err.endswith(
        "\r\x1b[KThere is no layer 9; layers run from 0 to 1.\n"
    )
