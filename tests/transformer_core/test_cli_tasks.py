"""``translate`` and ``summarize``: a text a line in, a result a line out."""

import io
import sys
from pathlib import Path

import pytest

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.cli import main
from transformer_core.models.loading import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_translator(tmp_path_factory.mktemp("own") / "model")


def run(*args: str) -> int:
    return main(list(args))


def test_lines_of_a_file_come_back_in_order(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.txt"
    file.write_text("The cat sat.\n\nThe dog ran.\n", encoding="utf-8")
    assert run("translate", "--model", str(folder), "--file", str(file)) == 0
    lines = capsys.readouterr().out.split("\n")
    model = load(folder)
    expected = [model.translate(text) for text in ("The cat sat.", "The dog ran.")]  # type: ignore[attr-defined]
    assert lines == [" ".join(expected[0].split()), "", " ".join(expected[1].split()), ""]


def test_standard_input_is_read_without_a_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"The cat sat.\nThe dog ran."))
    monkeypatch.setattr(sys, "stdin", stream)
    assert run("translate", "--model", str(folder), "--beams", "2") == 0
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["translate", "a", "--file", "b"], "not both"),
        (["translate", "--file", "no-such-file"], "cannot be read"),
        (["translate", "a", "--model", "no/such"], "no/such"),
        (["translate", "a", "--beams", "0"], "n_beams"),
        (["summarize", "a", "--min-length", "9", "--max-length", "3"], "at least 9"),
    ],
)
def test_bad_input_is_one_line_and_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*args) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_file_that_is_no_text_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.bin"
    file.write_bytes(b"\xff\xfe\x00")
    assert run("translate", "--model", str(folder), "--file", str(file)) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_a_model_that_cannot_summarise_says_which_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bert = make_tiny("bert", tmp_path / "bert")
    assert run("summarize", "The cat sat.", "--model", str(bert)) == 2
    assert "smollm2" in capsys.readouterr().err
