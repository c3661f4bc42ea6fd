"""Head cards: which heads have a clear role?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.components.attention_view import attention_view
from pages.components.cache import model_of
from pages.components.views.view import Situation, View, open_head
from pages.components.waiting import job_of, wait_for
from transformer_core.figures import cards
from transformer_core.figures.views import all_heads

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.analysis.probing import RoleReport
    from transformer_core.background import Report, Work
    from transformer_core.figures.payload import Payload

    Reports = dict[str, RoleReport]

MAX_CELLS = 10**8
"""Cells of all maps together that are computed while the page waits: about a second's work."""

EXPLANATION = r"""
A **role** names, for every query, the keys that a head in it would read: the token before, the
token after, its own place, the first or last token, the token after an earlier occurrence of its
own (*induction*), other occurrences of it (*duplicate*); at cross-attention the diagonal, or source
tokens written like the target's. The **score** is the mean weight on these keys,
$\frac{1}{|Q|}\sum_{i \in Q} \sum_{j \in K_i} \alpha_{ij}$. The tick is what shuffled rows would
score, exactly: $|K_i| / |\mathrm{visible}_i|$ on average. A role is clear from 0.4 on, at twice the
tick and by more than the spread over texts. "No clear role" is an answer.

Scores come from a fixed set: thirty sentences, and for induction and duplicates eight sequences of
random words said twice, where nothing but repetition helps. Positional heads and heads that rest on
`[SEP]` are described by [Clark et al. 2019](https://arxiv.org/abs/1906.04341) and
[Voita et al. 2019](https://arxiv.org/abs/1905.09418), induction heads by
[Olsson et al. 2022](https://arxiv.org/abs/2209.11895), duplicate-token heads by
[Wang et al. 2022](https://arxiv.org/abs/2211.00593). A head that rests on the first token of most
sentences may still do something where there is something to do, so resting comes second.

**Entropy** $-\sum_j \alpha_{ij} \log_2 \alpha_{ij}$ is 0 bits where a row has one key; **distance**
is $\sum_j \alpha_{ij} |i - j|$. Both are means over this text.
"""


def show(now: Situation) -> None:
    """Draw the cards, by this text alone until the probe set has been read."""
    jobs: dict[str, Work[Any]] = {}
    if (grid := _grid_job(now)) is not None:
        jobs[f"Computing all heads over {len(now.trace.source):,} tokens"] = grid
    if (probes := _job(now)) is not None:
        jobs["Reading the probe set; until then roles are of this text alone"] = probes
    if grid is None or grid.result is not None:
        attention_view(payload(now), key="picture", on_head=open_head)
    wait_for(jobs)


def payload(now: Situation) -> Payload:
    """The cards."""
    grid = _grid_job(now)
    return cards.head_cards(
        now.trace, now.place, _roles(now), grid=None if grid is None else grid.result
    )


def code(now: Situation) -> str:
    """Roles of all heads, and the same picture as a page of its own."""
    site, layer, head = now.place.site, now.place.layer, now.place.head
    if not now.trace.has_details:
        roles = f"report = text_roles(trace, {site!r})\nroles = cards.Roles(report)\n"
        needed = "text_roles"
    else:
        roles = f"report = probe_roles(model)[{site!r}]\nroles = cards.Roles.of_probes(report)\n"
        needed = "probe_roles"
    return (
        f"{now.opening}\n"
        f"from transformer_core.analysis.probing import {needed}\n"
        "from transformer_core.figures import cards, html, views\n\n"
        f"{roles}"
        f"for score in report.clear_roles({layer}, {head}):\n"
        "    print(score)\n\n"
        f"picture = cards.head_cards(trace, views.{now.place!r}, roles)\n"
        "page = html.to_html(picture)\n"
    )


def files(now: Situation) -> Files:
    """All heads' numbers as files."""
    trace, place = now.trace, now.place
    name = f"{trace.model_name}-{place.site}-heads"
    return {
        "CSV": (f"{name}.csv", lambda: cards.to_csv(trace, place, _roles(now))),
        "JSON": (f"{name}.json", lambda: cards.to_json(trace, place, _roles(now))),
    }


def _job(now: Situation) -> Work[Reports] | None:
    """The reading of the probe set, once a model; None for a matrix without a model."""
    if not now.trace.has_details:
        return None
    model_id = now.model_id

    def work(report: Report) -> Reports:
        from transformer_core.analysis.probing import probe_roles

        return probe_roles(model_of(model_id), on_progress=report)

    return job_of(("roles", model_id), work)


def _grid_job(now: Situation) -> Work[Payload] | None:
    """All heads of a text so long that they take seconds; None for a shorter one."""
    trace, site = now.trace, now.place.site
    n_heads = trace.n_layers(site) * trace.n_heads(site)
    if n_heads * len(trace.query_tokens(site)) * len(trace.key_tokens(site)) <= MAX_CELLS:
        return None
    return job_of(
        ("grid", now.model_id, trace.text, trace.target_text, site),
        lambda _: all_heads(trace, site),
    )


def _roles(now: Situation) -> cards.Roles | None:
    job = _job(now)
    reports = job and job.result
    return cards.Roles.of_probes(reports[now.place.site]) if reports else None


VIEW = View(
    "Head cards", show, EXPLANATION, code, payload=payload, controls=frozenset(), files=files
)
