"""Runs as curves: loss, accuracy, rate and gradient against steps; and their numbers as a table."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.wire_theme import wire_theme
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    import altair as alt

    from transformer_core.training.exam import Exam
    from transformer_core.training.learning import Learning
    from transformer_core.training.live_record import Point

Theme = Literal["light", "dark"]
MAX_POINTS = 300
"""Points of a curve; of longer runs each is the mean of neighbours."""
HEIGHT, LOW_HEIGHT = 260, 160
_MAX_POSITIONS = 24


@dataclass(frozen=True)
class Curve:
    """One run to draw.

    Attributes:
        name: In the legend.
        points: A point a step.
        exams: What it could do on unseen pairs.
    """

    name: str
    points: Sequence[Point]
    exams: Sequence[Exam]


@dataclass(frozen=True)
class Series:
    """What one chart draws of each run.

    Attributes:
        title: Of the y axis, with its unit.
        kinds: Names of its lines, with what reads a run's ``(step, value)`` pairs; the first is
            drawn plain, the second broken.
        height: In pixels.
        domain: Ends of the y axis; None fits them.
        format: Of numbers.
    """

    title: str
    kinds: tuple[tuple[str, Callable[[Curve], Iterable[tuple[int, float]]]], ...]
    height: int = HEIGHT
    domain: tuple[float, float] | None = None
    format: str = ".3~g"


def _of_points(name: str) -> Callable[[Curve], Iterable[tuple[int, float]]]:
    def read(curve: Curve) -> Iterable[tuple[int, float]]:
        from transformer_core.training.live_record import thinned

        return [(point.step, getattr(point, name)) for point in thinned(curve.points, MAX_POINTS)]

    return read


def _of_exams(name: str) -> Callable[[Curve], Iterable[tuple[int, float]]]:
    def read(curve: Curve) -> Iterable[tuple[int, float]]:
        found = [(exam.step, getattr(exam, name)) for exam in curve.exams]
        return [(step, value) for step, value in found if value is not None]

    return read


LOSS = Series(
    "loss of a token (nats)",
    (("taught, smoothed", _of_points("loss")), ("unseen", _of_exams("nll"))),
)
ACCURACY = Series(
    "right on unseen strings",
    (("tokens", _of_exams("token_accuracy")), ("sequences", _of_exams("sequence_accuracy"))),
    domain=(0, 1),
    format=".0%",
)
PARTS = Series(
    "loss of a token (nats)",
    (
        ("soft (teacher)", _of_points("soft")),
        ("hard (true token)", _of_points("hard")),
    ),
)
"""The two losses of a student, before their shares."""
CHRF = Series("chrF of unseen sentences", (("written greedily", _of_exams("chrf")),))
RATE = Series("rate", (("learning rate", _of_points("rate")),), LOW_HEIGHT, format=".1~e")
GRADIENT = Series("norm", (("gradient norm", _of_points("grad_norm")),), LOW_HEIGHT)


def curve_chart(
    curves: Sequence[Curve],
    series: Series,
    *,
    theme: Theme = "light",
    max_steps: int | None = None,
) -> alt.LayerChart:
    """Draw one quantity of one run or of several.

    Runs are told apart by colour, what is drawn of each by plain and broken lines.

    Args:
        curves: The runs.
        series: What to draw of each.
        theme: Whose colours to take.
        max_steps: Where the x axis ends, so that it stays while the run goes on.
    """
    import altair as alt

    x = alt.X(
        "step:Q",
        title="step",
        scale=alt.Scale(domain=[0, max_steps] if max_steps else alt.Undefined, nice=False),
        axis=alt.Axis(grid=False, format=",d", tickMinStep=1, tickCount=6),
    )
    domain = list(series.domain) if series.domain else alt.Undefined
    y = alt.Y(
        "value:Q",
        title=series.title,
        scale=alt.Scale(domain=domain, zero=True),
        axis=alt.Axis(format=series.format, tickCount=5),
    )
    colour, dash = _told_apart([c.name for c in curves], [w for w, _ in series.kinds], theme)
    base = alt.Chart().encode(x=x, y=y, color=colour)
    tooltip = [
        alt.Tooltip("run:N"),
        alt.Tooltip("what:N"),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("value:Q", format=series.format),
    ]
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(strokeDash=dash)
    dots = base.mark_point(size=70, opacity=0, clip=True).encode(tooltip=tooltip)
    return alt.LayerChart(
        data=alt.InlineData(values=curve_rows(curves, series)),
        layer=[line, dots],
        height=series.height,
        description=_described(curves, series),
    )


def _told_apart(names: list[str], whats: list[str], theme: Theme) -> tuple[Any, Any]:
    """Runs by colour, what is drawn of each by dashes; a legend where there are two."""
    import altair as alt

    top = alt.Legend(title=None, orient="top", symbolType="stroke", labelLimit=300)
    colour = alt.Color(
        "run:N",
        scale=alt.Scale(domain=names, range=run_colours(theme)[: len(names)]),
        legend=top if len(names) > 1 else None,
    )
    dash = alt.StrokeDash(
        "what:N",
        scale=alt.Scale(domain=whats, range=[[1, 0], [5, 3]][: len(whats)]),
        legend=top if len(whats) > 1 else None,
    )
    return colour, dash


def curve_rows(curves: Sequence[Curve], series: Series) -> list[dict[str, Any]]:
    """The points that a chart draws; those that are no numbers are left out."""
    return [
        {"run": curve.name, "what": what, "step": step, "value": value}
        for curve in curves
        for what, read in series.kinds
        for step, value in read(curve)
        if math.isfinite(value)
    ]


def curve_spec(
    curves: Sequence[Curve], series: Series, *, theme: Theme = "light", max_steps: int | None = None
) -> dict[str, Any]:
    """The same chart as Vega-Lite, for a page that draws it every second.

    Altair checks a chart against its whole schema, for tens of milliseconds; here that is done once
    for charts of one kind, and the points are put in.
    """
    spec = _curve_skeleton(tuple(curve.name for curve in curves), series, theme, max_steps)
    return {
        **spec,
        "data": {"values": curve_rows(curves, series)},
        "description": _described(curves, series),
    }


@lru_cache(maxsize=64)
def _curve_skeleton(
    names: tuple[str, ...], series: Series, theme: Theme, max_steps: int | None
) -> dict[str, Any]:
    empty = [Curve(name, (), ()) for name in names]
    return without_data(curve_chart(empty, series, theme=theme, max_steps=max_steps))


def without_data(chart: alt.LayerChart) -> dict[str, Any]:
    """A checked chart as Vega-Lite, for data of its kind to be put in."""
    spec: dict[str, Any] = chart.to_dict()
    return {name: part for name, part in spec.items() if name not in ("data", "datasets")}


def run_colours(theme: Theme) -> list[str]:
    """Colours of runs: the two ends of the diverging scale, which stand for nothing here."""
    colours = wire_theme()[theme]
    return [colours["diverging"][0], colours["diverging"][-1], colours["text"], colours["muted"]]


def position_chart(exams: Sequence[Exam], *, theme: Theme = "light") -> alt.Chart:
    """Which position learns what, and when? The loss of each target position, exam by exam.

    Args:
        exams: In the order of steps; where there are many, some at even distances.
        theme: Whose colours to take.
    """
    import altair as alt

    places = range(min(_MAX_POSITIONS, max((len(e.nll_by_position) for e in exams), default=0)))
    shown = _spread(exams)
    rows = [
        {"step": exam.step, "position": place, "loss": exam.nll_by_position[place]}
        for exam in shown
        for place in places
        if place < len(exam.nll_by_position)
    ]
    chart = alt.Chart(
        {"values": rows},
        height=max(150, 22 * len(places)),
        description=(
            f"Loss of {len(places)} target positions on unseen pairs, at {len(shown)} steps."
        ),
    )
    drawn: alt.Chart = chart.mark_rect().encode(
        x=alt.X("step:O", title="step", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("position:O", title="position in the target"),
        color=alt.Color(
            "loss:Q",
            scale=alt.Scale(type="sqrt", range=wire_theme()[theme]["sequential"], domainMin=0),
            legend=alt.Legend(title="loss (nats)", orient="right", gradientLength=120),
        ),
        tooltip=[
            alt.Tooltip("step:O"),
            alt.Tooltip("position:O"),
            alt.Tooltip("loss:Q", format=".3f", title="loss (nats)"),
        ],
    )
    return drawn


def learning_chart(
    learning: Learning, what: Literal["bleu", "nll"], *, theme: Theme = "light"
) -> alt.Chart:
    """How a translator got better: BLEU or loss of held-out sentences, by kind of text."""
    import altair as alt

    names = list(learning.moments[0].bleu)
    rows = [
        {"step": max(moment.step, 1), "corpus": name, "value": getattr(moment, what)[name]}
        for moment in learning.moments
        for name in names
    ]
    titles = {"bleu": "BLEU, greedy", "nll": "loss of a token (nats)"}
    chart = alt.Chart({"values": rows}, height=HEIGHT, description=f"{titles[what]} by step.")
    drawn: alt.Chart = chart.mark_line(strokeWidth=1.8, point=True).encode(
        x=alt.X(
            "step:Q",
            title="step (log)",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(grid=False, format="~s", tickCount=5),
        ),
        y=alt.Y("value:Q", title=titles[what], axis=alt.Axis(tickCount=5)),
        color=alt.Color(
            "corpus:N",
            scale=alt.Scale(domain=names, range=run_colours(theme)[: len(names)]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=["corpus:N", alt.Tooltip("step:Q"), alt.Tooltip("value:Q", format=".3g")],
    )
    return drawn


def to_csv(curves: Sequence[Curve]) -> str:
    """Every step of every run, and every exam, as one table; an exam fills its own columns."""
    out = io.StringIO()
    writer = TableWriter(out)
    of_points = ("step", "loss", "nll", "rate", "grad_norm", "seconds", "at", "soft", "hard")
    of_exams = ("token_accuracy", "sequence_accuracy", "nll")
    writer.writerow(["run", *of_points, *(f"unseen_{name}" for name in of_exams)])
    for curve in curves:
        exams = {exam.step: exam for exam in curve.exams}
        for point in curve.points:
            exam = exams.get(point.step)
            shown = ["" if exam is None else f"{getattr(exam, name):.6g}" for name in of_exams]
            numbers = ["" if math.isnan(value) else f"{value:.7g}" for value in point]
            writer.writerow([curve.name, *numbers, *shown])
    return out.getvalue()


def _spread(exams: Sequence[Exam], most: int = 40) -> Sequence[Exam]:
    if len(exams) <= most:
        return exams
    places = [round(i * (len(exams) - 1) / (most - 1)) for i in range(most)]
    return [exams[place] for place in places]


def _described(curves: Sequence[Curve], series: Series) -> str:
    parts = []
    for curve in curves:
        for what, read in series.kinds:
            values = [value for _, value in read(curve)]
            if values:
                parts.append(f"{curve.name}, {what}: now {values[-1]:.3g}")
    return f"{series.title} by step. " + "; ".join(parts)
