"""The tree of a beam search: worked by hand, and against whole forward passes."""

import math
from typing import Any

import pytest
import torch

from tests.support.decoding import settings
from tests.support.table_stepper import TableStepper
from tests.support.tiny_models import make_tiny
from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.begin import begin
from transformer_core.decoding.strategies import Beam, Greedy
from transformer_core.errors import ConfigError
from transformer_core.models.loading import load
from transformer_core.tracing.stepping import Constraints

TEXT = "The cat sat on the mat."
END = 3

# a: start; b looks best at first, but c is followed by the end with certainty almost.
TABLE = [
    [1e-9, 0.6, 0.4, 1e-9],
    [1e-9, 0.35, 0.35, 0.3],
    [1e-9, 0.05, 0.05, 0.9],
    [0.25, 0.25, 0.25, 0.25],
]


def by_hand(strategy: Beam, *, room: int = 10) -> BeamDecoding:
    stepper = TableStepper(TABLE, constraints=Constraints(end_ids=frozenset({END})), room=room)
    decoding = begin(stepper, strategy)
    assert isinstance(decoding, BeamDecoding)
    return decoding


@pytest.fixture(scope="module", params=["marian", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


def test_a_search_worked_by_hand() -> None:
    """Beams of 2. After a: b 0.6, c 0.4. Then: cd 0.36 ends, bb, bc 0.21; bd 0.18 is fourth."""
    decoding = by_hand(Beam(2, length_penalty=0.0, early_stopping=True))
    assert decoding.expand()
    assert [(h.token, h.state) for h in decoding.tree][:2] == [("b", "alive"), ("c", "alive")]
    assert decoding.expand()
    states = {decoding.tree.text(h): h.state for h in decoding.tree}
    assert states["cd"] == "finished"
    assert states["bb"] == states["bc"] == "alive"
    assert states["bd"] == "pruned"  # it ended, but not among the two best
    assert states["b"] == states["c"] == "continued"
    # bc goes on to bcd, 0.189; nothing of bb is better than its 0.21 · 0.35.
    assert [step.token for step in decoding] == ["c", "d"]
    tree = decoding.tree
    assert [(tree.text(h), h.ended) for h in tree.ranked] == [("cd", "eos"), ("bcd", "eos")]
    assert math.exp(tree.ranked[0].total) == pytest.approx(0.36)
    assert math.exp(tree.ranked[1].total) == pytest.approx(0.6 * 0.35 * 0.9)
    assert {tree.text(h): h.state for h in tree}["bb"] == "pruned"
    assert decoding.ended == "eos"
    assert not decoding.expand()


def test_greedy_falls_into_the_trap_that_a_beam_avoids() -> None:
    stepper = TableStepper(TABLE, constraints=Constraints(end_ids=frozenset({END})), room=3)
    assert next(begin(stepper, Greedy())).token == "b"
    assert next(by_hand(Beam(2, length_penalty=0.0))).token == "c"


def test_another_length_penalty_ranks_the_same_texts_again() -> None:
    decoding = by_hand(Beam(2, length_penalty=0.0, early_stopping=True))
    list(decoding)
    n_read = decoding._stepper.n_read  # type: ignore[attr-defined]
    tree = decoding.tree
    total = {tree.text(h): h.total for h in tree.ranked}
    # log 0.36 = −1.02 over 2 tokens; log 0.189 = −1.67 over 3: by means the shorter wins still,
    # by squares the longer.
    assert total["cd"] / 2 > total["bcd"] / 3
    assert total["cd"] / 4 < total["bcd"] / 9
    for penalty, best in ((1.0, "cd"), (2.0, "bcd")):
        again = tree.with_length_penalty(penalty)
        assert again.text(again.ranked[0]) == best
        assert again.score(again.ranked[0]) == pytest.approx(
            total[best] / len(best) ** penalty, rel=1e-6
        )
    assert decoding._stepper.n_read == n_read  # type: ignore[attr-defined]


def test_a_search_that_never_stops_early_finds_a_longer_text_that_scores_better() -> None:
    """After b: end 0.6, b 0.4. log p ÷ n² is −0.130 for bd, −0.147 for bbbd, −0.116 for bbbbbd.

    At its own length bb scores −0.23, which is why the usual search stops after bd.
    """
    table = [[1e-9, 0.99, 1e-9, 0.01], [1e-9, 0.4, 1e-9, 0.6], *TABLE[2:]]

    def best(early_stopping: Any) -> str:
        stepper = TableStepper(table, constraints=Constraints(end_ids=frozenset({END})), room=6)
        strategy = Beam(1, length_penalty=2.0, early_stopping=early_stopping)
        return "".join(step.token for step in begin(stepper, strategy))

    assert best(False) == best(True) == "bd"
    assert best("never") == "bbbbbd"


def test_the_limit_finishes_what_is_alive() -> None:
    decoding = by_hand(Beam(2, length_penalty=0.0), room=1)
    assert [step.token for step in decoding] == ["b"]
    assert decoding.ended == "limit"
    assert [h.state for h in decoding.tree][:2] == ["finished", "finished"]


def test_a_forced_beginning_stands_in_every_hypothesis() -> None:
    stepper = TableStepper(TABLE, constraints=Constraints(end_ids=frozenset({END})))
    decoding = begin(stepper, Beam(2, length_penalty=0.0), prefix=[1, 1])
    steps = list(decoding)
    assert [step.is_forced for step in steps][:3] == [True, True, False]
    assert isinstance(decoding, BeamDecoding)
    assert all("bb".startswith(decoding.tree.text(h)[:2]) for h in decoding.tree)


def test_a_search_that_is_stopped_gives_no_steps_but_its_tree() -> None:
    decoding = by_hand(Beam(2, length_penalty=0.0))
    decoding.expand()
    decoding.stop()
    assert list(decoding) == []
    assert decoding.ended == "stopped"
    assert decoding.text == "b"
    best = decoding.tree.best
    assert best is not None and best.token == "b"
    assert by_hand(Beam(2)).tree.best is None


def test_hypotheses_hold_together(model: Any) -> None:
    """Totals are sums, parents stand before children, and the beam is never too wide."""
    strategy = Beam(3, max_new_tokens=6)
    decoding = model.decode(TEXT, strategy)
    while decoding.expand():
        tree = decoding.tree
        assert sum(h.state == "alive" for h in tree) <= strategy.n_beams
        for h in tree:
            path = tree.path(h)
            assert [p.depth for p in path] == list(range(1, h.depth + 1))
            assert h.total == pytest.approx(sum(p.log_prob for p in path), abs=1e-4)
            lives = any(h in tree.path(o) for o in tree if o.state in ("alive", "finished"))
            assert (h.state == "pruned") == (not lives)


def test_steps_of_any_hypothesis_are_those_of_its_text_alone(model: Any) -> None:
    """Rows of a batch that changes places: logits, attention, lens and trace are the text's own."""
    free = {"bad_words_ids": None, "forced_eos_token_id": None, "eos_token_id": [0, 1]}
    with settings(model, **free):
        decoding = model.decode(TEXT, Beam(4, max_new_tokens=7))
        list(decoding)
        tree = decoding.tree
        pruned = [h for h in tree if h.state == "pruned" and h.depth > 4][-1]
        for hypothesis in (tree.ranked[0], pruned):
            ids = tree.token_ids(hypothesis)
            mine = decoding.steps_of(hypothesis.id)
            alone = list(model.decode(TEXT, target_prefix=ids, strategy=Greedy(max_new_tokens=7)))
            assert [step.token_id for step in mine] == list(ids)
            for step, other in zip(mine, alone, strict=False):
                assert torch.allclose(step.logits, other.logits, atol=1e-4)
                for site in step.sites:
                    row = other.pattern(site, layer=1)
                    assert torch.allclose(step.pattern(site, layer=1), row, atol=1e-5)
            last, single = mine[-1], alone[len(mine) - 1]
            assert torch.allclose(last.lens_logits(), single.lens_logits(), atol=1e-4)
            whole = model.trace(last.trace.source, last.trace.target)
            pattern = last.trace.pattern("decoder", layer=1)
            assert torch.allclose(pattern, whole.pattern("decoder", layer=1), atol=1e-5)
            assert last.cumulative_log_prob == pytest.approx(hypothesis.total, abs=1e-4)


def test_a_beam_s_candidates_are_scored_by_log_probability(model: Any) -> None:
    step = next(model.decode(TEXT, Beam(2, max_new_tokens=2, repetition_penalty=1.5)))
    assert torch.equal(step.distribution().filtered.logits, step.logits.log_softmax(-1))


@pytest.mark.parametrize("value", ["always", 2, None])
def test_early_stopping_is_one_of_three(value: Any) -> None:
    with pytest.raises(ConfigError, match="early_stopping"):
        Beam(early_stopping=value)
