"""Head cards: what they say, and that their numbers are the report's."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.analysis.heads import entropy
from transformer_core.analysis.probing import RoleReport
from transformer_core.analysis.roles import SELF_ROLES
from transformer_core.figures.cards import NOT_MEASURED, Roles, head_cards, to_csv, to_json
from transformer_core.figures.readings import Place
from transformer_core.figures.views import all_heads
from transformer_core.figures.wire import unpack
from transformer_core.tracing.trace import Trace

PLACE = Place("encoder", 0, 1)
NAMES = [role.name for role in SELF_ROLES]


@pytest.fixture
def trace() -> Trace:
    return trace_of(random_record(6), tokens_of(["=a", "b", "c", "d", "e", "f"]))


def report(**scores: float) -> RoleReport:
    """Head 1 has these scores, head 0 none worth a word."""
    score = torch.full((1, 2, len(NAMES)), 0.05)
    score[..., NAMES.index("next token")] = torch.nan
    for name, value in scores.items():
        score[0, 1, NAMES.index(name.replace("_", " "))] = value
    texts = tuple(8 if role.material == "repeats" else 30 for role in SELF_ROLES)
    still = torch.full_like(score, 0.02)
    return RoleReport("encoder", SELF_ROLES, texts, score, still, torch.full_like(score, 0.04))


def test_cards_carry_the_scores_of_the_report(trace: Trace) -> None:
    roles = Roles.of_probes(report(induction=0.9, first_token=0.99))
    payload = head_cards(trace, PLACE, roles)
    header, arrays = unpack(payload.to_bytes())
    sent = arrays["roles"].values()
    assert sent.shape == (1, 2, len(NAMES), 3)
    assert sent[0, 1, NAMES.index("induction")] == pytest.approx([0.9, 0.02, 0.04])
    assert sent[0, 0, NAMES.index("next token"), 0] == NOT_MEASURED
    options = header["options"]
    assert options["clear"][0][0] == []
    assert [NAMES[i] for i in options["clear"][0][1]] == ["induction", "first token"]
    assert options["alone"] is False
    assert options["bits"] == pytest.approx(np.log2(6))
    assert "1 induction" in header["caption"]
    assert "30 sentences; 8 sequences" in " ".join(header["notes"])


def test_map_entropy_and_distance_are_of_the_text(trace: Trace) -> None:
    payload = head_cards(trace, PLACE)
    pattern = trace.pattern("encoder", layer=0, head=1)
    facts = payload.header["options"]["heads"][0][1]
    assert facts["entropy"] == pytest.approx(float(entropy(pattern).mean()), abs=1e-5)
    assert set(facts) == {"entropy", "distance"}
    small = payload.arrays["thumbnails"].values()[0, 1]
    assert np.abs(small - pattern.numpy()).max() <= payload.arrays["thumbnails"].max_error + 1e-6


def test_roles_of_one_text_say_that_they_are(trace: Trace) -> None:
    header = head_cards(trace, PLACE).header
    assert header["options"]["alone"] is True
    assert "this text alone" in header["notes"][0]
    assert "induction" not in [role["name"] for role in header["options"]["roles"]]


def test_a_long_text_has_cards_but_no_roles_of_its_own() -> None:
    trace = trace_of(random_record(600))
    payload = head_cards(trace, PLACE)
    assert payload.header["options"]["roles"] == []
    assert payload.header["options"]["clear"] == [[[], []]]
    assert "over 512 tokens" in payload.header["notes"][0]
    assert payload.arrays["roles"].codes.shape == (1, 2, 0, 3)
    again = head_cards(trace, PLACE, grid=all_heads(trace, "encoder"))
    assert again.id == payload.id


def test_the_badge_fails_where_a_row_does_not_sum_to_one(trace: Trace) -> None:
    assert head_cards(trace, PLACE).header["badge"]["ok"]
    light = trace.light("encoder", 0)
    broken = replace(light, overrides={0: torch.full((6, 6), 0.2)})
    wrong = replace(trace, attention={"encoder": (broken,)})
    badge = head_cards(wrong, PLACE).header["badge"]
    assert not badge["ok"]
    assert "rows of all 2 heads sum to 1" in badge["text"]


def test_a_cross_attention_head_has_no_distance() -> None:
    source, target = tokens_of(["x", "y", "z"]), tokens_of(["u", "v"])
    trace = trace_of(random_record(2, 3), source, target, site="cross")
    header = head_cards(trace, Place("cross", 0, 0)).header
    assert "distance" not in header["options"]["heads"][0][0]
    assert header["options"]["roles"][0]["name"] == "diagonal"


def test_files_hold_every_score_of_every_head(trace: Trace) -> None:
    roles = Roles.of_probes(report(induction=0.9))
    rows = list(csv.DictReader(to_csv(trace, PLACE, roles).splitlines()[1:]))
    assert [(row["layer"], row["head"]) for row in rows] == [("0", "0"), ("0", "1")]
    assert rows[1]["clear_roles"] == "induction"
    assert float(rows[1]["induction: score"]) == pytest.approx(0.9)
    assert rows[1]["next token: score"] == ""
    content = json.loads(to_json(trace, PLACE, roles))
    assert content["heads"][1]["scores"]["induction"]["baseline"] == pytest.approx(0.04)
    assert content["roles"]["induction"].endswith("Olsson et al. 2022.")
    alone = json.loads(to_json(trace, PLACE))
    assert alone["heads"][0]["scores"]["same token"]["spread"] is None
