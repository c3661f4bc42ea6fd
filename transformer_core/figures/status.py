"""What a server does now: how full its caches are, who waits, how its batches are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.wire_theme import wire_theme

if TYPE_CHECKING:
    import altair as alt

    from transformer_core.keeping import Usage
    from transformer_core.queueing import QueueReport

MIB = 2**20


def use_of(usage: Usage, what: str) -> tuple[float, str]:
    """How full a cache is: the share of its budget, from 0 to 1, and both in words.

    What is newest stays also where it alone is larger than the budget, so the words may say more
    than the bar can show.
    """
    share = min(1.0, usage.n_bytes / usage.budget)
    words = (
        f"{what}: {usage.n_bytes / MIB:,.1f} of {usage.budget / MIB:,.0f} MiB, "
        f"{usage.n_entries:,} kept · {usage.n_hits:,} found, {usage.n_misses:,} made · "
        f"{usage.n_evicted:,} evicted, {usage.n_released:,} released"
    )
    return share, words


def times_of(pair: tuple[float, float] | None) -> str:
    """Median and 95th percentile in milliseconds."""
    return "none yet" if pair is None else f"{1000 * pair[0]:,.0f} / {1000 * pair[1]:,.0f} ms"


def batch_rows(report: QueueReport) -> list[dict[str, int]]:
    """A row for each size of batch that there was, and how many batches had it."""
    return [{"texts": size, "batches": count} for size, count in report.batches.items()]


def batches(report: QueueReport, theme: Literal["light", "dark"]) -> alt.Chart:
    """How many texts share a forward pass? Batches of the last minutes by their size."""
    import altair as alt

    colours = wire_theme()[theme]
    rows: list[dict[str, Any]] = [*batch_rows(report)]
    bars = alt.Chart({"values": rows}, height=160).mark_bar(color=colours["query"])
    chart: alt.Chart = bars.encode(
        x=alt.X("texts:O", title="texts in a batch", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("batches:Q", title="batches", axis=alt.Axis(tickMinStep=1, tickCount=4)),
        tooltip=[alt.Tooltip("texts:O"), alt.Tooltip("batches:Q")],
    )
    return chart
