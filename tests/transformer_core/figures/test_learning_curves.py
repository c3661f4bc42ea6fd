"""Charts of runs, films and teacher forcing: their data, their words, their numbers."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transformer_core.training.test_snapshots import film_of, made
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.figures.curve_still import PANELS, curve_drawing
from transformer_core.figures.drawing import Line, to_svg
from transformer_core.figures.film import film, formed_most
from transformer_core.figures.learning_curves import (
    ACCURACY,
    GRADIENT,
    LOSS,
    MAX_POINTS,
    RATE,
    Curve,
    curve_chart,
    curve_rows,
    curve_spec,
    learning_chart,
    position_chart,
    to_csv,
)
from transformer_core.figures.raster import to_png
from transformer_core.figures.teacher_forcing import (
    teacher_forcing_chart,
    teacher_forcing_spec,
    teaching_rows,
)
from transformer_core.figures.wire import unpack
from transformer_core.models.catalogue import SHIPPED
from transformer_core.training.exam import Exam
from transformer_core.training.learning import Learning
from transformer_core.training.live_record import Point
from transformer_core.training.snapshots import Film


def curve(name: str = "run", n: int = 20) -> Curve:
    points = [Point(i, 6.0 / i, 5.0 / i, 1e-3, 2.0, 0.02, 0.02 * i) for i in range(1, n + 1)]
    exams = [Exam(i, 1.0, 0.5, 0.25, 1.5, (2.0, 1.0), 10, (("a", "b", "c"),)) for i in (1, n)]
    return Curve(name, points, exams)


@pytest.mark.parametrize("series", [LOSS, ACCURACY, RATE, GRADIENT])
def test_a_chart_draws_every_point_of_every_run(series: Any) -> None:
    both = [curve("one"), curve("two")]
    rows = curve_rows(both, series)
    assert {row["run"] for row in rows} == {"one", "two"}
    assert {row["what"] for row in rows} == {what for what, _ in series.kinds}
    spec = curve_chart(both, series, max_steps=50).to_dict()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 50]
    assert "now" in spec["description"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_quick_chart_is_the_checked_one(theme: Any) -> None:
    chart = curve_chart([curve()], LOSS, theme=theme, max_steps=30).to_dict()
    spec = curve_spec([curve()], LOSS, theme=theme, max_steps=30)
    (data,) = chart.pop("datasets").values()
    assert spec.pop("data") == {"values": data}
    chart.pop("data")
    assert spec == chart
    shot = film_of(*made())
    chart = teacher_forcing_chart(shot, 1, theme=theme).to_dict()
    spec = teacher_forcing_spec(shot, 1, theme=theme)
    assert spec["data"]["values"] == next(iter(chart["datasets"].values()))
    assert spec["layer"] == chart["layer"]


def test_what_is_no_number_is_left_out_and_long_runs_are_thinned() -> None:
    points = [Point(1, math.nan, 1.0, 0.1, 1.0, 0.01, 0.01)]
    assert curve_rows([Curve("run", points, ())], GRADIENT)[0]["value"] == 1.0
    assert not [r for r in curve_rows([Curve("run", points, ())], LOSS) if r["step"] == 1]
    assert len(curve_rows([curve(n=5_000)], RATE)) <= MAX_POINTS


def test_the_table_has_a_row_a_step_and_the_exams_beside_their_steps() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([curve("a"), curve("b", 5)]))))
    assert len(rows) == 25
    assert float(rows[1]["loss"]) == 3.0
    assert rows[0]["unseen_sequence_accuracy"] == "0.25"
    assert rows[1]["unseen_sequence_accuracy"] == ""


def test_positions_are_drawn_exam_by_exam() -> None:
    rows = position_chart(curve().exams).to_dict()["datasets"]
    (values,) = rows.values()
    assert {(r["step"], r["position"], r["loss"]) for r in values} == {
        (1, 0, 2.0), (1, 1, 1.0), (20, 0, 2.0), (20, 1, 1.0),
    }  # fmt: skip


def test_the_decoder_reads_what_it_was_taught_one_position_before() -> None:
    shot = film_of(*made())
    rows = teaching_rows(shot, 0)
    read = [row["text"] for row in rows if row["row"] == "reads"]
    taught = [row["text"] for row in rows if row["row"] == "is taught"]
    assert read[0] == "<s>"
    assert read[1:] == taught[:-1] == list("olleh")
    assert taught[-1] == "</s>"
    losses = [row["loss"] for row in rows if row["row"].startswith("loss")]
    np.testing.assert_allclose(losses, shot.frames[0].nll, rtol=1e-6)


def test_a_film_carries_every_frame_and_masks_the_future() -> None:
    shot = film_of(*made(), steps=(0, 1, 2))
    header, arrays = unpack(film(shot, "decoder").to_bytes())
    assert header["options"]["film"]["steps"] == [0, 1, 2]
    drawn = arrays["film"]
    assert drawn.codes.shape == (3, 2, 2, 6, 6)
    assert drawn.masked[..., np.triu_indices(6, 1)[0], np.triu_indices(6, 1)[1]].all()
    assert not drawn.masked[..., np.tril_indices(6)[0], np.tril_indices(6)[1]].any()
    np.testing.assert_allclose(drawn.values(), shot.patterns("decoder"), atol=0.01)


def test_a_film_opens_at_the_head_that_formed_most() -> None:
    patterns = np.full((2, 2, 2, 3, 3), 1 / 3, dtype=np.float32)
    patterns[1, 1, 0] = np.eye(3)
    assert formed_most(patterns) == (1, 0)


def test_a_film_says_what_it_cannot_draw() -> None:
    shot = film_of(*made())
    empty = Film(shot.name, shot.source, shot.target, shot.labels, ())
    with pytest.raises(NotInTraceError):
        film(empty, "cross")
    cross = Film.of_learning(Learning.load(SHIPPED / "en-fr-small" / "learning.npz"), 0)
    with pytest.raises(NotInTraceError, match="'encoder'"):
        film(cross, "encoder")


def test_what_is_too_long_is_not_filmed() -> None:
    model, tokenizer = made()
    labels = tokenizer.encode("x" * 40).ids
    target = tokenizer.from_ids([tokenizer.bos_id, *labels[:-1]])
    from transformer_core.training.snapshots import take_frame

    frame, _ = take_frame(model, tokenizer.encode("a"), target, labels, 0)
    shot = Film("long", tokenizer.encode("a"), target, (), (frame,))
    with pytest.raises(InputError, match="32 tokens at most"):
        film(shot, "cross")


def test_the_translators_record_is_drawn_with_its_own_numbers() -> None:
    path: Path = SHIPPED / "en-fr-small" / "learning.npz"
    record = Learning.load(path)
    (values,) = learning_chart(record, "bleu").to_dict()["datasets"].values()
    last = record.moments[-1]
    drawn = {r["corpus"]: r["value"] for r in values if r["step"] == last.step}
    assert drawn == dict(last.bleu)
    shot = Film.of_learning(record, 2)
    np.testing.assert_allclose(
        shot.trace(3).pattern("cross", layer=1, head=2),
        record.trace(3, 2).pattern("cross", layer=1, head=2),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_still_picture_has_four_charts_and_every_run(theme: Any) -> None:
    still = curve_drawing([curve("one"), curve("two", 5)], theme=theme)
    assert set(PANELS) <= set(still.texts)
    assert {"one", "two", "20"} <= set(still.texts)
    assert "one: 20 steps" in still.description
    inside = [m for m in still.marks if isinstance(m, Line)]
    assert all(
        0 <= x <= still.width and 0 <= y <= still.height
        for m in inside
        for x, y in (m.start, m.end)
    )
    assert to_svg(still).count("<line") == len(inside)
    assert to_png(still)[:4] == b"\x89PNG"
    assert curve_drawing([Curve("nothing yet", [], [])]).texts
