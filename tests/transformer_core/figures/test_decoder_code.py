"""The code that a page shows writes the very text and draws the very picture."""

from pathlib import Path
from typing import Any

import pytest

import transformer_core as tc
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.figures.decoder import decoder
from transformer_core.figures.decoder_code import code_before, code_of
from transformer_core.tasks.branching import Branches

TEXT = "The cat sat."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_translator(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    assert Path("decoding.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    return names


def same(code: str, branches: Branches, shown: tuple[int, int | None]) -> None:
    """The picture of the code against that of what was written."""
    steps = branches.steps(*shown)
    drawn, expected = run(code)["picture"], decoder(steps)
    for name, array in expected.arrays.items():
        assert drawn.arrays[name].values() == pytest.approx(array.values(), abs=1e-4), name
    known = ("id", "token", "logProb", "isForced", "ended", "previous")
    for one, other in zip(
        drawn.header["options"]["steps"], expected.header["options"]["steps"], strict=True
    ):
        for key in known:
            assert one[key] == (pytest.approx(other[key]) if key == "logProb" else other[key]), key


@pytest.mark.parametrize(
    "strategy",
    [Greedy(6), Sample(1.7, top_k=50, seed=3, max_new_tokens=6), Beam(3, max_new_tokens=6)],
    ids=lambda strategy: type(strategy).__name__,
)
def test_the_code_writes_a_text_and_its_forks_again(folder: str, strategy: Strategy) -> None:
    branches = Branches(tc.load(folder), TEXT, strategy)
    _ = [*branches.write(0)]
    same(code_before(folder, TEXT, strategy), branches, (0, None))
    same(code_of(folder, TEXT, branches), branches, (0, None))
    fork = branches.fork(0, 2, int(branches.steps(0)[2].logits.topk(9).indices[-1]))
    _ = [*branches.write(fork.id)]
    same(code_of(folder, TEXT, branches, (fork.id, None)), branches, (fork.id, None))
    again = branches.fork(fork.id, 3, int(branches.steps(fork.id)[3].logits.topk(9).indices[-2]))
    _ = [*branches.write(again.id)]
    same(code_of(folder, TEXT, branches, (again.id, None)), branches, (again.id, None))


def test_the_code_of_a_hypothesis_and_of_a_stopped_text(folder: str) -> None:
    branches = Branches(tc.load(folder), TEXT, Beam(3, max_new_tokens=5))
    _ = [*branches.write(0)]
    worst = branches[0].decoding.tree.ranked[-1].id  # type: ignore[union-attr]
    same(code_of(folder, TEXT, branches, (0, worst)), branches, (0, worst))
    stopped = Branches(tc.load(folder), TEXT, Greedy(8))
    next(stopped.write(0))
    code = code_of(folder, TEXT, stopped)
    assert "it was stopped here" in code
    same(code, stopped, (0, None))
