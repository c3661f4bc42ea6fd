"""What a method of the Efficiency page gives to it, and the chart that all methods share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import model_of
from pages.components.efficiency_jobs import counted, measured, theme
from pages.components.messages import plain
from transformer_core.figures import efficiency as figures

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.background import Report
    from transformer_core.efficiency.comparison import Comparison
    from transformer_core.efficiency.variants import Variant

ROUNDS = 5


@dataclass(frozen=True)
class Shown:
    """What a method leaves for the page's last row.

    Attributes:
        code: The lines of Python that measure the same.
        files: What can be saved.
        link: Its settings, for the address.
    """

    code: str
    files: Files = field(default_factory=dict)
    link: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One way to make a model cheaper.

    Attributes:
        name: On its button.
        question: What its section answers.
        show: Draws it for a model and a text.
        explanation: What am I looking at; equation and paper.
        needs_text: Whether it reads the person's text.
    """

    name: str
    question: str
    show: Callable[[str, str], Shown]
    explanation: str
    needs_text: bool = False


def choose(label: str, options: Sequence[str], *, key: str, asked: str, is_titled: bool) -> str:
    """One of some options: what the session chose, else what the address asks for, else the first.

    Args:
        label: What is chosen.
        options: The options.
        key: Of the control.
        asked: What the address asks for.
        is_titled: Whether the label is shown.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = asked if asked in options else options[0]
    chosen = st.segmented_control(
        label,
        options,
        key=key,
        required=True,
        label_visibility="visible" if is_titled else "collapsed",
        persist_state="session",
    )
    return str(chosen) if chosen in options else options[0]


def compared(
    name: tuple[Any, ...],
    method: str,
    variants: Callable[[Any], list[Variant]],
    *,
    n_variants: int,
    label: str = "Measure quality and cost",
) -> Comparison | None:
    """Measure variants of a model beside the plain one; draw what was found.

    Args:
        name: Model and settings: tells it from other measurements.
        method: What is compared.
        variants: Makes the variants of a model.
        n_variants: How many there are.
        label: On the button.
    """
    model_id = str(name[0])

    def compute(report: Report) -> Comparison:
        from transformer_core.efficiency.comparison import compare, n_parts
        from transformer_core.efficiency.evaluation import shipped
        from transformer_core.efficiency.variants import plain as untouched

        model: Any = model_of(model_id)
        go_on = counted(report, n_parts(model, n_variants + 1, rounds=ROUNDS))
        go_on()
        made = [untouched(model), *variants(model)]
        return compare(method, made, shipped(), rounds=ROUNDS, go_on=go_on)

    found: Comparison | None = measured(
        (method, *name),
        compute,
        label=label,
        note="On the set that ships (64 sentence pairs, 6 passages), turn about, here and now.",
    )
    if found is not None:
        show_comparison(found)
    return found


def show_comparison(found: Comparison) -> None:
    """Chart, table and one sentence a variant."""
    with st.container(border=True):
        st.markdown("**What does it cost, and how good is it?**")
        st.altair_chart(figures.cost_chart(found, theme=theme()), width="stretch")
        st.caption(
            plain(
                f"{found.texts}. Timed: {found.work}, {ROUNDS} rounds turn about on "
                f"{found.threads} thread{'s' if found.threads > 1 else ''}; bars are quartiles. "
                "Other work on this machine makes them wider."
            )
        )
        for row in found.rows[1:]:
            st.markdown(f"- **{plain(row.name)}**: {plain(found.remark(row))}")
        st.dataframe(table_of(found), hide_index=True, width="stretch")


def side_by_side(charts: Sequence[Any]) -> None:
    """Draw charts beside each other; on a narrow screen below each other."""
    for column, chart in zip(st.columns(len(charts)), charts, strict=True):
        column.altair_chart(chart, width="stretch")


def table_of(found: Comparison) -> list[dict[str, Any]]:
    """The numbers behind the chart."""
    return [
        {
            "variant": row.name,
            row.quality.kind: round(row.quality.value, 3),
            **{name: round(value, 3) for name, value in row.quality.further.items()},
            "time a token × plain": round(row.time_ratio.median, 3),
            "quartiles": f"{row.time_ratio.low:.2f} – {row.time_ratio.high:.2f}",
            "tokens/s": round(row.tokens_per_second),
            "weights (MB)": round(row.size_bytes / 1e6, 2),
        }
        for row in found.rows
    ]


def json_file(name: str, content: Callable[[], Any]) -> Files:
    """A file of what was found."""
    return {"JSON": (name, lambda: json.dumps(content(), ensure_ascii=False, indent=1))}


def comparison_files(found: Comparison | None, name: str) -> Files:
    """Numbers and chart of a comparison; nothing before there is one."""
    if found is None:
        return {}
    return {
        **json_file(f"{name}.json", found.to_dict),
        "CSV": (f"{name}.csv", lambda: _csv(table_of(found))),
        "Chart (Vega-Lite)": (f"{name}.vl.json", lambda: figures.cost_chart(found).to_json()),
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    import io

    from transformer_core.spreadsheets import TableWriter

    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return out.getvalue()
