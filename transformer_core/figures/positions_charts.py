"""Positions as lines: waves, similarity by distance, what lies beyond the trained length."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.wire_theme import wire_theme
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    import altair as alt

    from transformer_core.figures.picture import Badge

Theme = Literal["light", "dark"]
HEIGHT = 340
MARK_Y = 40
LEGEND_LINE = 20
TITLE_LETTERS = 34
"""Of the x axis' title, in one line."""

PARTS = ("query", "key", "value", "bad", "text", "muted")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: In the legend and on hover.
        x, y: Its points.
        band: Lower and upper ends of a band around it.
        is_dashed: Drawn broken: a bound, or what no model has seen.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None
    is_dashed: bool = False

    def rows(self) -> list[dict[str, Any]]:
        """Its points as records; numbers to seven significant digits."""
        return [
            {"line": self.name, "x": _short(x), "y": _short(y)}
            for x, y in zip(self.x, self.y, strict=True)
        ]


@dataclass(frozen=True)
class Axes:
    """What a chart's axes mean.

    Attributes:
        x, y: Their titles, with units.
        mark: A place on x to mark with a rule, and what it is.
        domain: Ends of the y axis; None fits them to the numbers.
        extent: Ends of the x axis; None fits them to the numbers.
        is_log: Whether y is logarithmic; its numbers are then above 0.
    """

    x: str
    y: str
    mark: tuple[float, str] | None = None
    domain: tuple[float, float] | None = None
    extent: tuple[float, float] | None = None
    is_log: bool = False


@dataclass(frozen=True)
class Chart:
    """A picture of lines or bars with its words.

    Attributes:
        title: The question that it answers, or its answer.
        axes: What its axes mean.
        lines: What it draws; empty where it draws bars.
        bars: Values by name, one for each of ``labels``.
        labels: What the rows of bars are.
        subtitle: One line under the title.
        badge: How the numbers were checked.
        notes: What is left out, averaged or assumed.
        caption: What it shows, in words, with its settings.
    """

    title: str
    axes: Axes
    lines: tuple[Line, ...] = ()
    bars: Mapping[str, Sequence[float]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    subtitle: str = ""
    badge: Badge | None = None
    notes: tuple[str, ...] = ()
    caption: str = ""

    def to_altair(self, theme: Theme = "light") -> alt.LayerChart:
        """The picture."""
        if self.lines:
            chart = lines_chart(self.lines, self.axes, theme=theme)
        else:
            chart = bars_chart(self.bars, self.labels, self.axes, theme=theme)
        return chart.properties(description=f"{self.title} {self.caption}")

    def to_csv(self) -> str:
        """The numbers: a row a point; the first line says what they are."""
        out = io.StringIO()
        writer = TableWriter(out)
        writer.writerow([f"# {self.title} {self.caption}"])
        writer.writerow(["line" if self.lines else "which", self.axes.x, self.axes.y])
        for line in self.lines:
            writer.writerows((line.name, row["x"], row["y"]) for row in line.rows())
        for name, values in self.bars.items():
            rows = zip(self.labels, values, strict=True)
            writer.writerows((name, _short(value), label) for label, value in rows)
        return out.getvalue()


def lines_chart(lines: Sequence[Line], axes: Axes, *, theme: Theme = "light") -> alt.LayerChart:
    """Draw lines with a legend; the nearest point answers to the pointer.

    Args:
        lines: From one to a few; told apart by colour and by dashes.
        axes: Titles, a mark, a domain.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    names = [line.name for line in lines]
    palette = [colours[PARTS[i % len(PARTS)]] for i in range(len(lines))]
    dashes = [[5, 4] if line.is_dashed else _DASHES[0] for line in lines]
    legend = (
        None
        if len(lines) == 1
        else alt.Legend(
            title=None,
            orient="top",
            labelLimit=320,
            symbolType="stroke",
            columns=1,  # wider ones are cut off on a phone
        )
    )
    x = alt.X(
        "x:Q",
        title=_in_lines(axes.x),
        scale=alt.Scale(nice=False, domain=list(axes.extent) if axes.extent else alt.Undefined),
        axis=alt.Axis(grid=False, format=",d", tickMinStep=1),
    )
    kind: Literal["log", "linear"] = "log" if axes.is_log else "linear"
    domain = list(axes.domain) if axes.domain else alt.Undefined
    y = alt.Y(
        "y:Q",
        title=axes.y,
        scale=alt.Scale(type=kind, domain=domain, zero=False),
        axis=alt.Axis(format=".1e" if axes.is_log else ",.3~r", tickCount=5),
    )
    colour = alt.Color("line:N", scale=alt.Scale(domain=names, range=palette), legend=legend)
    dash = alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=dashes), legend=legend)
    rows = [row for line in lines for row in line.rows()]
    base = alt.Chart({"values": rows}).encode(x=x, y=y, color=colour)
    layers: list[Any] = _bands(lines, x, names, palette)
    layers.append(base.mark_line(strokeWidth=1.8, clip=True).encode(strokeDash=dash))
    layers += _pointer(base, axes)
    if axes.mark is not None:
        layers += _mark(axes.mark, colours["muted"])
    return alt.LayerChart(layer=layers, height=HEIGHT + LEGEND_LINE * len(lines))


def _bands(lines: Sequence[Line], x: Any, names: list[str], palette: list[str]) -> list[Any]:
    import altair as alt

    rows = [
        {"line": line.name, "x": _short(at), "low": _short(low), "high": _short(high)}
        for line in lines
        if line.band is not None
        for at, low, high in zip(line.x, *line.band, strict=True)
    ]
    if not rows:
        return []
    colour = alt.Color("line:N", scale=alt.Scale(domain=names, range=palette), legend=None)
    band = alt.Chart({"values": rows}).mark_area(opacity=0.16, clip=True)
    return [band.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)]


def _pointer(base: Any, axes: Axes) -> list[Any]:
    """A dot on the point nearest to the pointer, and its numbers."""
    import altair as alt

    near = alt.selection_point(
        nearest=True, on="pointerover", clear="pointerout", fields=["x", "line"], empty=False
    )
    tooltip = [
        alt.Tooltip("line:N", title="line"),
        alt.Tooltip("x:Q", title=axes.x, format=",.4~g"),
        alt.Tooltip("y:Q", title=axes.y, format=".3g"),
    ]
    catch = base.mark_point(opacity=0, size=60, clip=True).encode(tooltip=tooltip).add_params(near)
    dot = base.mark_point(filled=True, size=55, clip=True).encode(
        opacity=alt.condition(near, alt.value(1), alt.value(0))
    )
    return [catch, dot]


def _mark(mark: tuple[float, str], colour: str) -> list[Any]:
    import altair as alt

    place = alt.Chart({"values": [{"x": mark[0], "words": mark[1]}]}).encode(x="x:Q")
    rule = place.mark_rule(color=colour, strokeDash=[3, 3])
    words = place.mark_text(align="left", dx=5, color=colour, fontSize=12).encode(
        y=alt.value(MARK_Y), text="words:N"
    )
    return [rule, words]


def bars_chart(
    groups: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    axes: Axes,
    *,
    theme: Theme = "light",
) -> alt.LayerChart:
    """Draw bars beside each other, a row a label and in it one bar a group.

    Args:
        groups: Values by name, one for each label.
        labels: What the rows are; equal labels stay rows of their own.
        axes: ``x`` is what the bars measure, ``y`` what the rows are.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    names = list(groups)
    palette = [colours[PARTS[i]] for i in range(len(names))]
    rows = [
        {"row": i, "label": labels[i], "group": name, "size": _short(value)}
        for name, values in groups.items()
        for i, value in enumerate(values)
    ]
    titles = "[" + ",".join(f"'{_quoted(label)}'" for label in labels) + "][datum.value]"
    legend = alt.Legend(title=None, orient="top", labelLimit=320, columns=1)
    measured = alt.Axis(grid=False, format=",.3~r", tickCount=5)
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("size:Q", title=_in_lines(axes.x), axis=measured),
        y=alt.Y(
            "row:O",
            title=axes.y or None,
            axis=alt.Axis(labelExpr=titles, labelLimit=160, labelOverlap=False, ticks=False),
        ),
        yOffset=alt.YOffset("group:N", sort=names),
        color=alt.Color(
            "group:N",
            scale=alt.Scale(domain=names, range=palette),
            sort=names,
            legend=legend if len(names) > 1 else None,
        ),
        tooltip=[
            alt.Tooltip("label:N", title=axes.y or "label"),
            alt.Tooltip("group:N", title="which"),
            alt.Tooltip("size:Q", title=axes.x, format=".3g"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=2)
    return alt.LayerChart(layer=[bars], height=len(labels) * (8 * len(names) + 6))


def _short(value: float) -> float:
    return float(f"{float(value):.7g}")


def _in_lines(title: str) -> str | list[str]:
    """An axis' title in lines that a phone has room for."""
    lines = textwrap.wrap(title, TITLE_LETTERS)
    return lines if len(lines) > 1 else title


def _quoted(label: str) -> str:
    """A label inside a Vega expression."""
    plain = label.replace("\\", "\\\\").replace("'", "\\'")
    return "".join(c if c.isprintable() else "·" for c in plain)
