"""Roles of heads, on patterns and models whose roles are known beforehand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.heads import role_scores
from transformer_core.analysis.probes import PROBES, WORDS, Probes
from transformer_core.analysis.probing import RoleReport, probe_roles, text_roles
from transformer_core.analysis.roles import CROSS_ROLES, SELF_ROLES, Role, role_cells, scores_of
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.trace import Trace

ROLES = {role.name: role for role in SELF_ROLES}
CROSS = {role.name: role for role in CROSS_ROLES}


def tokens(*ids: int, special: tuple[int, ...] = ()) -> Tokens:
    """Tokens with these ids, shown as letters."""
    n = range(len(ids))
    return Tokens(
        text="",
        ids=ids,
        display=tuple(chr(97 + i) for i in ids),
        is_special=tuple(i in special for i in n),
        spans=(None,) * len(ids),
        word_ids=tuple(n),
    )


def repeated(n: int = 6) -> Tokens:
    return tokens(*range(n), *range(n))


def pattern_of(role: Role, text: Tokens, visible: Tensor) -> Tensor:
    """A head that does nothing but its role, and rests on itself where it has no key."""
    cells = (role_cells([role], text, text)[0] & visible).float()
    alone = cells.sum(-1) == 0
    cells[alone] = torch.eye(len(text))[alone]
    return cells / cells.sum(-1, keepdim=True)


def mask(text: Tokens, *, is_causal: bool) -> Tensor:
    seen = torch.ones(len(text), len(text), dtype=torch.bool)
    return seen.tril() if is_causal else seen


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("is_causal", [True, False])
def test_a_head_that_does_nothing_but_its_role_scores_one(name: str, is_causal: bool) -> None:
    text = repeated()
    visible = mask(text, is_causal=is_causal)
    score, baseline = scores_of(
        pattern_of(ROLES[name], text, visible)[None],
        role_cells([ROLES[name]], text, text),
        visible[None],
    )
    if is_causal and name in ("next token", "last token"):
        assert bool(score.isnan())  # a decoder has no such key
    else:
        assert score.item() == pytest.approx(1.0)
        assert 0 < baseline.item() < 0.5


@pytest.mark.parametrize("name", ["previous token", "first token", "induction", "duplicate token"])
def test_the_baseline_is_the_score_of_shuffled_rows(name: str) -> None:
    text, generator = repeated(), torch.Generator().manual_seed(0)
    visible = mask(text, is_causal=True)
    head = pattern_of(ROLES[name], text, visible)
    cells = role_cells([ROLES[name]], text, text)

    def shuffled() -> Tensor:
        rows = torch.zeros_like(head)
        for i in range(len(text)):
            rows[i, : i + 1] = head[i, torch.randperm(i + 1, generator=generator)]
        return rows

    copies = torch.stack([shuffled() for _ in range(4000)])
    scores, baseline = scores_of(copies, cells, visible[None])
    assert scores.mean().item() == pytest.approx(baseline[0].item(), abs=0.01)


def test_induction_reads_what_came_after_the_same_token_before() -> None:
    cells = role_cells([ROLES["induction"]], tokens(0, 1, 2, 0, 1), tokens(0, 1, 2, 0, 1))[0]
    assert cells.nonzero().tolist() == [[3, 1], [4, 2]]
    # Said twice in a row, the token after the first is the query itself: no key.
    assert not role_cells([ROLES["induction"]], tokens(5, 5), tokens(5, 5)).any()


def test_duplicates_are_other_places_of_the_same_token() -> None:
    cells = role_cells([ROLES["duplicate token"]], tokens(0, 1, 0), tokens(0, 1, 0))[0]
    assert cells.nonzero().tolist() == [[0, 2], [2, 0]]


def test_the_diagonal_runs_from_corner_to_corner() -> None:
    cells = role_cells([CROSS["diagonal"]], tokens(0, 1, 2), tokens(0, 1, 2, 3, 4))[0]
    assert cells.int().tolist() == [[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]]


def test_alignment_goes_by_the_token_read_or_the_one_that_comes() -> None:
    target, source = tokens(9, 1, 2, special=(0,)), tokens(2, 1, 9, special=(2,))
    to_input, to_output = role_cells(
        [CROSS["aligned to input"], CROSS["aligned to output"]], target, source
    )
    assert to_input.nonzero().tolist() == [[1, 1], [2, 0]]
    assert to_output.nonzero().tolist() == [[0, 1], [1, 0]]


def test_the_fast_scores_of_a_text_are_the_general_ones() -> None:
    generator = torch.Generator().manual_seed(3)
    text = repeated(4)
    for is_causal in (True, False):
        visible = mask(text, is_causal=is_causal)
        scores = torch.randn(8, 8, generator=generator).masked_fill(~visible, -torch.inf)
        pattern = scores.softmax(-1)
        fast = role_scores(pattern, visible)
        names = ["previous token", "same token", "first token"]
        score, base = scores_of(
            pattern[None], role_cells([ROLES[n] for n in names], text, text), visible[None]
        )
        for i, name in enumerate(names):
            assert fast[name][0].item() == pytest.approx(score[0, i].item())
            assert fast[name][1] == pytest.approx(base[0, i].item())


def hand_built(role: Callable[[Tokens], Tensor], texts: list[Tokens]) -> list[Trace]:
    """Traces of one layer: head 0 attends evenly, head 1 as told."""
    traces = []
    for text in texts:
        visible = mask(text, is_causal=True).float()
        even = visible / visible.sum(-1, keepdim=True)
        patterns = torch.stack([even, role(text)])[None]
        traces.append(Trace.from_patterns({"decoder": patterns}, source=text))
    return traces


class HandBuilt:
    """As much of a model as the probes need: one that was built by hand."""

    sites = ("decoder",)
    n_ctx = None

    def __init__(self, role: Role) -> None:
        self.role = role
        self.tokenizer = self

    def encode(self, text: str) -> Tokens:
        """A token a word."""
        return tokens(*(sorted(WORDS).index(w) if w in WORDS else 200 for w in text.split()))

    def trace_batch(self, texts: list[str], _targets: object = None) -> list[Trace]:
        """Traces that show nothing but the role."""

        def pattern(text: Tokens) -> Tensor:
            return pattern_of(self.role, text, mask(text, is_causal=True))

        return hand_built(pattern, [self.encode(text) for text in texts])


def test_a_hand_built_induction_head_is_found() -> None:
    report = probe_roles(HandBuilt(ROLES["induction"]))["decoder"]  # type: ignore[arg-type]
    even, induction = report.clear_roles(0, 0), report.clear_roles(0, 1)
    assert even == []
    assert induction[0].role == "induction"
    assert induction[0].score == pytest.approx(1.0)
    assert induction[0].spread == pytest.approx(0.0, abs=1e-6)
    # One such key among 48: an imported pattern says nothing of what may be seen.
    assert induction[0].baseline == pytest.approx(1 / 48)


def test_where_a_head_rests_does_not_hide_what_it_does() -> None:
    roles = (ROLES["first token"], ROLES["induction"])
    report = RoleReport(
        "decoder",
        roles,
        (30, 8),
        score=torch.tensor([[[0.99, 0.8]]]),
        spread=torch.zeros(1, 1, 2),
        baseline=torch.full((1, 1, 2), 0.05),
    )
    assert [s.role for s in report.clear_roles(0, 0)] == ["induction", "first token"]


def test_a_score_within_its_spread_of_the_baseline_is_not_clear() -> None:
    def report(spread: float) -> RoleReport:
        cells = (torch.tensor([[[x]]]) for x in (0.5, spread, 0.2))
        return RoleReport("encoder", (ROLES["same token"],), (9,), *cells)

    assert report(0.1).clear_roles(0, 0)
    assert not report(0.4).clear_roles(0, 0)


def test_means_and_spreads_are_over_texts() -> None:
    model = HandBuilt(ROLES["previous token"])
    report = probe_roles(model, probes=Probes(("a b c", "a b c d e"), ()))["decoder"]  # type: ignore[arg-type]
    at = [role.name for role in report.roles].index("previous token")
    # An even head over 3 and 5 words gives its previous token 1/2, 1/3 (and 1/4, 1/5).
    scores = [(1 / 2 + 1 / 3) / 2, (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4]
    mean = sum(scores) / 2
    assert report.score[0, 0, at].item() == pytest.approx(mean)
    assert report.spread[0, 0, at].item() == pytest.approx(abs(scores[0] - mean))
    assert report.n_texts[at] == 2
    assert "induction" not in [s.role for s in report.scores(0, 0)]


def test_the_probe_set_is_fixed() -> None:
    assert len(PROBES.sentences) == len(set(PROBES.sentences)) == 30
    assert PROBES.repeats[0].split()[:4] == ["tooth", "lion", "school", "train"]
    for text in PROBES.repeats:
        words = text.split()
        assert words[:24] == words[24:]
        assert len(set(words)) == 24


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default")
@pytest.mark.parametrize("kind", ["bert", "marian", "gemma3"])
def test_real_models_are_measured_at_every_site(kind: str, tmp_path: Path) -> None:
    model = load(make_tiny(kind, tmp_path / kind))
    seen: list[tuple[int, int]] = []
    probes = Probes(PROBES.sentences[:3], ("cat mat sat cat mat sat",))
    reports = probe_roles(model, probes=probes, on_progress=lambda *done: seen.append(done))
    assert set(reports) == set(model.sites)
    assert seen[-1] == (4, 4)
    for site, report in reports.items():
        assert report.score.shape[:2] == (model.n_layers(site), model.n_heads(site))
        measured = report.score[~report.score.isnan()]
        assert bool(((measured >= 0) & (measured <= 1 + 1e-5)).all())


def test_one_text_alone_gives_what_the_probes_give_on_it(tmp_path: Path) -> None:
    model = load(make_tiny("bert", tmp_path / "bert"))
    text = "The cat sat on the mat."
    alone = text_roles(model.trace(text), "encoder")
    probed = probe_roles(model, probes=Probes((text,), ()))["encoder"]
    n = len(alone.roles)
    assert torch.allclose(alone.score, probed.score[..., :n], atol=1e-6)
    assert [role.name for role in alone.roles] == [r.name for r in probed.roles[:n]]


def test_texts_over_the_limit_are_left_out_and_counted(tmp_path: Path) -> None:
    model = load(make_tiny("bert", tmp_path / "bert"))
    probes = Probes(("The cat sat.", "word " * 500), ())
    assert probe_roles(model, probes=probes)["encoder"].skipped == 1
    with pytest.raises(InputError, match="No probe text fits"):
        probe_roles(model, probes=Probes(("word " * 500,), ()))
