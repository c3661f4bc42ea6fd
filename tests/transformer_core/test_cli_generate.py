"""The command ``generate``, run as a user runs it."""

import json
from pathlib import Path

import pytest

import transformer_core as tc
from tests.support.tiny_models import make_tiny
from transformer_core.cli import main
from transformer_core.models.loading import load

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("llama", tmp_path_factory.mktemp("tiny") / "llama")


def test_generate_prints_the_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(folder), TEXT, "--max-new-tokens", "7"]) == 0
    decoding = load(folder).decode(TEXT, tc.Greedy(max_new_tokens=7))
    list(decoding)
    printed = capsys.readouterr()
    assert printed.out == decoding.text + "\n"
    assert printed.err == "The text was cut after 7 tokens.\n"


def test_generate_as_json_prints_a_line_a_step(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--strategy", "sample", "--temperature", "1.5", "--top-k", "3", "--seed", "4"]
    command = ["generate", str(folder), TEXT, "--max-new-tokens", "5", "--json"]
    assert main([*command, *options, "--candidates", "6"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    strategy = tc.Sample(temperature=1.5, top_k=3, seed=4, max_new_tokens=5)
    steps = list(load(folder).decode(TEXT, strategy))
    assert [line["token_id"] for line in lines] == [step.token_id for step in steps]
    for line, step in zip(lines, steps, strict=True):
        assert line["token"] == step.token
        assert line["log_prob"] == pytest.approx(step.log_prob)
        kept = [c for c in line["candidates"] if c["cut"] is None]
        assert len(kept) == 3
        assert sum(c["chosen_probability"] for c in kept) == pytest.approx(1)
        assert {c["cut"].split(":")[0] for c in line["candidates"] if c["cut"]} == {"top-k"}
        total = sum(c["probability"] for c in line["candidates"])
        assert total + line["beyond"]["probability"] == pytest.approx(1, abs=1e-5)


def test_generate_by_beams_prints_the_best_text_s_steps(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--strategy", "beam", "--n-beams", "3", "--length-penalty", "0.5"]
    assert main(["generate", str(folder), TEXT, *options, "--max-new-tokens", "4", "--json"]) == 0
    ids = [json.loads(line)["token_id"] for line in capsys.readouterr().out.splitlines()]
    strategy = tc.Beam(3, length_penalty=0.5, max_new_tokens=4)
    assert ids == [step.token_id for step in load(folder).decode(TEXT, strategy)]


def test_generate_begins_with_a_prefix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", str(folder), TEXT, "--max-new-tokens", "9", "--prefix", " And then"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(" And then")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["FOLDER", ""], "text"),
        (["FOLDER", "a", "--temperature", "2"], "--strategy sample"),
        (["FOLDER", "a", "--strategy", "sample", "--temperature", "0"], "temperature is 0"),
        (["FOLDER", "a", "--strategy", "sample", "--n-beams", "2"], "--strategy beam"),
        (["FOLDER", "a", "--max-new-tokens", "0"], "max_new_tokens is 0"),
        (["FOLDER", "a", "--json", "--candidates", "-1"], "--candidates is -1"),
        (["./nowhere", "a"], "nowhere"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(folder) if a == "FOLDER" else a for a in arguments]
    assert main(["generate", *given]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
