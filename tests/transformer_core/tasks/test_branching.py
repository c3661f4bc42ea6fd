"""Branches of a text stay, go on where they stopped, and are the texts of the plain interface."""

from pathlib import Path
from typing import Any

import pytest

import transformer_core as tc
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.errors import InputError
from transformer_core.tasks import branching
from transformer_core.tasks.branching import Branches

TEXT = "The cat sat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tiny") / "model"
    return tc.load(str(make_translator(folder)))


def test_a_text_that_was_left_goes_on_where_it_stopped(model: Any) -> None:
    branches = Branches(model, TEXT, Greedy(8))
    next(branches.write(0))
    assert len(branches.steps(0)) == 1
    assert [*branches.write(0, lambda: True)] == []
    progress = [*branches.write(0)]
    whole = model.decode(TEXT, Greedy(8))
    assert [step.token_id for step in branches.steps(0)] == [step.token_id for step in whole]
    assert progress[-1].text == whole.text
    assert [*branches.write(0)] == []


def test_a_fork_is_the_text_with_that_prefix_and_computes_nothing_again(model: Any) -> None:
    branches = Branches(model, TEXT, Greedy(8))
    [*branches.write(0)]
    steps = branches.steps(0)
    other = int(steps[2].logits.topk(3).indices[2])
    branch = branches.fork(0, 2, other)
    [*branches.write(branch.id)]
    prefix = (*steps[2].answer.written, other)
    expected = [*model.decode(TEXT, Greedy(8), target_prefix=prefix)]
    assert [s.token_id for s in branches.steps(branch.id)] == [s.token_id for s in expected]
    assert branches.steps(branch.id)[:2] == steps[:2]
    assert branches.fork(0, 2, other) is branch
    assert branches.fork(branch.id, 2, steps[2].token_id) is branches[0]


def test_a_beam_search_is_begun_anew_with_the_prefix(model: Any) -> None:
    branches = Branches(model, TEXT, Beam(3, max_new_tokens=6))
    [*branches.write(0)]
    tree = branches[0].decoding.tree  # type: ignore[union-attr]
    worst = tree.ranked[-1]
    assert branches.steps(0, worst.id)[-1].written == tree.token_ids(worst)
    other = int(branches.steps(0)[1].logits.argmin())
    branch = branches.fork(0, 1, other, hypothesis=worst.id)
    [*branches.write(branch.id)]
    assert branches.steps(branch.id)[1].token_id == other
    assert branches.steps(branch.id)[0].token_id == tree.token_ids(worst)[0]


def test_wishes_that_cannot_be_met_are_explained(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    branches = Branches(model, TEXT, Greedy(4))
    [*branches.write(0)]
    with pytest.raises(InputError, match="There is no step 9"):
        branches.fork(0, 9, 5)
    with pytest.raises(InputError, match="There is no token"):
        branches.fork(0, 1, 10**6)
    monkeypatch.setattr(branching, "MAX_BRANCHES", 1)
    with pytest.raises(InputError, match="1 branches, as many as are kept"):
        branches.fork(0, 1, int(branches.steps(0)[1].logits.argmin()))
    assert len(branches) == 1


def test_strategies_stand_side_by_side_and_are_begun_once(model: Any) -> None:
    branches = Branches(model, TEXT, Greedy(5))
    beam = branches.begin(Beam(2, max_new_tokens=5))
    sample = branches.begin(Sample(2.0, seed=7, max_new_tokens=5))
    for branch in (branches[0], beam, sample):
        [*branches.write(branch.id)]
    assert branches.begin(Greedy(5)) is branches[0]
    assert [branch.name for branch in branches] == ["greedy", "beam of 2", "sample 7, T 2"]
    tree, numbers = branches.tree()
    assert numbers == (0, beam.id, sample.id)
    assert tree.tips[2] is not None
    assert len(tree.path(tree.nodes[tree.tips[2]])) == len(branches.steps(sample.id))
    # The same tokens by another strategy are no branch of this one.
    first = branches.steps(0)[0]
    fork = branches.fork(sample.id, 0, first.token_id)
    assert fork.strategy == sample.strategy
    assert fork.name == f"sample 7, T 2, by hand at step 0: {first.token}"


def test_room_is_made_for_another_strategy_but_forks_stay(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branching, "MAX_BRANCHES", 3)
    branches = Branches(model, TEXT, Greedy(3))
    [*branches.write(0)]
    fork = branches.fork(0, 1, int(branches.steps(0)[1].logits.argmin()))
    second = branches.begin(Greedy(4))
    third = branches.begin(Greedy(2))
    assert [branch.id for branch in branches] == [0, fork.id, third.id]
    assert second.id not in branches
    branches.keep_only(fork.id)
    assert [branch.id for branch in branches] == [fork.id]
    assert third.id < branches.begin(Greedy(2)).id
