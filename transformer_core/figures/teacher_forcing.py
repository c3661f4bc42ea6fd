"""Teacher forcing as a picture: what the decoder reads, what it is taught, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.learning_curves import without_data
from transformer_core.figures.wire_theme import wire_theme

if TYPE_CHECKING:
    import altair as alt

    from transformer_core.training.snapshots import Film

ROWS = ("reads", "is taught", "guesses", "loss (nats)")
_MAX_POSITIONS = 32
_SKELETONS: dict[str, dict[str, Any]] = {}
"""By theme: a chart that Altair has checked; only its cells change."""


def teacher_forcing_chart(
    film: Film, index: int, *, theme: Literal["light", "dark"] = "light"
) -> alt.LayerChart:
    """How is the decoder taught? The target, shifted by one: at every position the next token.

    Args:
        film: Of the example.
        index: Which frame gives guesses and losses.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    base = alt.Chart().encode(
        x=alt.X(
            "position:O",
            title="position in the target",
            axis=alt.Axis(labelAngle=0, orient="bottom"),
        ),
        y=alt.Y("row:N", sort=list(ROWS), title=None, axis=alt.Axis(labelLimit=110, domain=False)),
        tooltip=["position:O", "row:N", "text:N", "note:N"],
    )
    stops = colours["sequential"]
    cells = base.mark_rect(cornerRadius=3, stroke=colours["border"]).encode(
        color=alt.Color("loss:Q", scale=alt.Scale(range=stops[:4], domain=[0, 4]), legend=None)
    )
    words = base.mark_text(font="Source Code VF", fontSize=12).encode(
        text="text:N",
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(
                domain=["read", "taught", "right", "wrong", "loss"],
                range=[
                    colours["query"],
                    colours["value"],
                    colours["good"],
                    colours["bad"],
                    colours["text"],
                ],
            ),
            legend=None,
        ),
    )
    return alt.LayerChart(
        data=alt.InlineData(values=teaching_rows(film, index)),
        layer=[cells, words],
        height=alt.Step(34),
        resolve=alt.Resolve(scale=alt.LegendResolveMap(color="independent")),
        description=_described(film, index),
    )


def teacher_forcing_spec(
    film: Film, index: int, *, theme: Literal["light", "dark"] = "light"
) -> dict[str, Any]:
    """The same chart as Vega-Lite, for a page that draws it every second."""
    if theme not in _SKELETONS:
        _SKELETONS[theme] = without_data(teacher_forcing_chart(film, index, theme=theme))
    return {
        **_SKELETONS[theme],
        "data": {"values": teaching_rows(film, index)},
        "description": _described(film, index),
    }


def teaching_rows(film: Film, index: int) -> list[dict[str, Any]]:
    """The cells: at every position what is read, what is taught, what is guessed, and the loss."""
    frame = film.frames[index]
    rows: list[dict[str, Any]] = []
    for position in range(min(len(film.labels), _MAX_POSITIONS)):
        read, label = film.target.display[position], film.labels[position]
        guess, loss = frame.guesses[position], float(frame.nll[position])
        is_right = guess == label
        seen = " ".join(film.target.display[: position + 1])
        cells = (
            ("reads", read, "read", f"It sees {seen}, and nothing after.", 0.0),
            ("is taught", label, "taught", "The next token of the true target.", 0.0),
            (
                "guesses",
                guess,
                "right" if is_right else "wrong",
                "The likeliest token here: " + ("right." if is_right else "wrong."),
                0.0,
            ),
            ("loss (nats)", f"{loss:.1f}", "loss", f"−log p of the true token: {loss:.3f}", loss),
        )
        rows += [
            {"position": position, "row": row, "text": text, "kind": kind, "note": note, "loss": at}
            for row, text, kind, note, at in cells
        ]
    return rows


def _described(film: Film, index: int) -> str:
    frame = film.frames[index]
    n_right = sum(guess == label for guess, label in zip(frame.guesses, film.labels, strict=True))
    return (
        f"Teacher forcing after step {frame.step:,}: at each of {len(film.labels)} positions what "
        f"the decoder reads, is taught and guesses; {n_right} guesses are right."
    )
