"""What the switchboard's payload, chart and files say."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis import ablation
from transformer_core.figures import ablation as figures
from transformer_core.figures import html
from transformer_core.figures.ablation import Board
from transformer_core.figures.readings import Place
from transformer_core.figures.wire import unpack
from transformer_core.models.loading import load
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."
OFF = {(0, 1): "zero", (1, 2): "zero"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tiny")
    return {kind: load(make_tiny(kind, folder / kind)) for kind in ("bert", "gpt2", "marian")}


def board_of(model: Any, trace: Trace, site: str, off: Any = OFF) -> Board:
    changed = ablation.switch_off(model, trace, site, off)
    return Board(
        off,
        effect=ablation.effect_on(model, trace, changed),
        checks=ablation.prove_off(trace, changed, site, off),
    )


def test_the_board_says_what_is_off_and_what_it_does(models: Any) -> None:
    trace = models["bert"].trace(TEXT)
    board = board_of(models["bert"], trace, "encoder")
    payload = figures.switchboard(trace, Place("encoder", 0, 0), board)
    header, _ = unpack(payload.to_bytes())
    options = header["options"]
    assert header["view"] == "switchboard"
    assert options["switches"] == [[0, 1, "zero"], [1, 2, "zero"]]
    assert (options["n_layers"], options["n_heads"]) == (2, 4)
    assert options["unit"] == "cosine distance"
    assert board.effect is not None
    assert options["effect"]["size"] == pytest.approx(board.effect.size)
    assert [row["label"] for row in options["effect"]["rows"]] == trace.tokens
    assert header["subtitle"] == "2 of 8 heads off. Off means: it writes 0."
    assert header["badge"]["ok"]
    assert "heads off write what their mode says" in header["badge"]["text"]


def test_a_decoder_lists_candidates_before_and_after(models: Any) -> None:
    trace = models["gpt2"].trace(TEXT)
    board = board_of(models["gpt2"], trace, "decoder")
    effect = figures.effect_rows(trace, board.effect)  # type: ignore[arg-type]
    assert effect["unit"] == "bits"
    assert figures.unit_of(trace) == "bits (KL)"
    for row in effect["rows"]:
        assert row["change"] == pytest.approx(row["after"] - row["before"])
    before = [row["before"] for row in effect["rows"]]
    assert before == sorted(before, reverse=True)


def test_a_target_lists_its_tokens_after_the_start(models: Any) -> None:
    trace = models["marian"].trace(TEXT, "A cat.")
    board = board_of(models["marian"], trace, "cross")
    effect = figures.effect_rows(trace, board.effect)  # type: ignore[arg-type]
    assert [row["label"] for row in effect["rows"]] == trace.target_tokens[1:]
    payload = figures.switchboard(trace, Place("cross", 0, 0), board)
    assert "Heads of the other sites stay on." in payload.header["notes"]


def test_of_a_long_text_those_that_change_most_are_listed_in_order(models: Any) -> None:
    trace = models["bert"].trace("the cat sat on the mat " * 8)
    effect = board_of(models["bert"], trace, "encoder").effect
    rows = figures.effect_rows(trace, effect)  # type: ignore[arg-type]
    assert len(rows["rows"]) == figures.MAX_ROWS
    assert rows["left_out"] == len(trace.tokens) - figures.MAX_ROWS
    assert effect is not None
    largest = effect.tokens.topk(figures.MAX_ROWS).indices.sort().values  # type: ignore[union-attr]
    expected = [trace.tokens[i] for i in largest.tolist()]
    assert [row["label"] for row in rows["rows"]] == expected


def test_heads_that_are_not_known_yet_travel_as_none(models: Any) -> None:
    trace = models["bert"].trace(TEXT)
    sizes = torch.full((2, 4), torch.nan)
    sizes[1, 3] = 0.25
    payload = figures.switchboard(trace, Place("encoder", 0, 0), Board(importance=sizes))
    header, _ = unpack(payload.to_bytes())
    assert header["options"]["importance"] == [[None] * 4, [None, None, None, 0.25]]
    assert header["options"]["effect"] is None
    assert figures.ALONE_NOTE in header["notes"]


def test_the_chart_ranks_the_heads_that_are_known(models: Any) -> None:
    sizes = torch.tensor([[0.1, torch.nan], [0.3, 0.2]])
    chart = figures.importance_chart(sizes, unit="bits").to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["head"] for row in rows] == ["L1 H0", "L1 H1", "L0 H0"]
    assert [row["size"] for row in rows] == pytest.approx([0.3, 0.2, 0.1])
    assert chart["layer"][0]["encoding"]["x"]["title"] == "bits"
    dark = figures.importance_chart(sizes, unit="bits", theme="dark").to_dict()
    assert dark["layer"][0]["mark"]["color"] != chart["layer"][0]["mark"]["color"]


def test_the_files_hold_every_head_and_where_it_came_from(models: Any) -> None:
    trace = models["bert"].trace(TEXT)
    place, board = Place("encoder", 0, 0), board_of(models["bert"], trace, "encoder")
    importance = ablation.head_importance(models["bert"], trace, "encoder")
    board = Board(board.switches, effect=board.effect, importance=importance)
    rows = list(csv.reader(io.StringIO(figures.to_csv(trace, place, board))))
    assert TEXT in rows[0][0]
    assert len(rows) == 2 + 8
    assert rows[3][:3] == ["0", "1", "zero"]
    assert float(rows[3][3]) == pytest.approx(float(importance[0, 1]), rel=1e-5)
    content = json.loads(figures.to_json(trace, place, board))
    assert content["text"] == TEXT
    assert content["switches"] == [[0, 1, "zero"], [1, 2, "zero"]]
    assert content["importance"][1][2] == pytest.approx(float(importance[1, 2]))


def test_the_picture_is_a_page_of_its_own(models: Any) -> None:
    trace = models["bert"].trace(TEXT)
    payload = figures.switchboard(trace, Place("encoder", 0, 0), Board())
    page = html.to_html(payload)
    assert "What changes when heads are off?" in page
    assert "Switches work in the app" in payload.header["notes"][-1]
