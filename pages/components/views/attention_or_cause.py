"""Attention or cause? What a token looks at, beside what changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.components.attention_view import attention_view
from pages.components.cache import model_of
from pages.components.views.view import Situation, View
from pages.components.waiting import job_of, wait_for
from transformer_core.figures import attribution

if TYPE_CHECKING:
    from torch import Tensor

    from pages.components.footer import Files
    from transformer_core.analysis.causes import LeaveOneOut
    from transformer_core.analysis.measures import Causes
    from transformer_core.background import Report, Work
    from transformer_core.figures.payload import Payload

EXPLANATION = r"""
A high weight says where a head looks, not what the model needs
([Jain & Wallace 2019](https://arxiv.org/abs/1902.10186)). For one token $i$ and each source $j$:

- **weight** $\alpha_{ij}$;
- **α‖v‖**, the length of what $j$ adds, $\lVert \alpha_{ij} v_j W_O \rVert$
  ([Kobayashi et al. 2020](https://arxiv.org/abs/2004.10102)): a sink has a large weight and little
  to give;
- **rollout**, row $i$ of $\prod_l \left(\tfrac12 A_l + \tfrac12 I\right)$ with $A_l$ the mean of
  layer $l$'s heads ([Abnar & Zuidema 2020](https://arxiv.org/abs/2005.00928));
- **value zeroing**, $1 - \cos(x_i, x_i^{\neg j})$ after this layer, with $v_j = 0$ in all its heads
  ([Mohebbi et al. 2023](https://arxiv.org/abs/2301.12971));
- **leave one out**, the same of the final representation with $j$ hidden from all others in all
  layers, its position kept; for a model that predicts tokens also the change of **prediction**,
  $\mathrm{KL}(p_i \,\|\, p_i^{\neg j})$.

The first three are read from one forward pass. The last are measured by changing the model and
running it again for each $j$: they are causes. A text of $n$ tokens runs $n$ times for each, so
how long it may be depends on the model (78 tokens for MiniLM, 32 for SmolLM2). The small map says
whether two measures put the sources in the same order (Spearman's $\rho$).
"""


def show(now: Situation) -> None:
    """Draw what is known; what has to be measured comes when it is."""
    attention_view(payload(now), key="picture")
    wait_for(_jobs(now))


def payload(now: Situation) -> Payload:
    """The measures."""
    causes, missing = _causes(now)
    return attribution.attention_or_cause(now.trace, now.place, causes, missing=missing)


def code(now: Situation) -> str:
    """The measures of one token, their rank correlation, and the picture as a page."""
    place = now.place
    where = f"trace, {place.site!r}, layer={place.layer}"
    measured = "" if _refusal(now) else f"causes = Causes.measure(model, {where})\n"
    given = "" if _refusal(now) else ", causes"
    return (
        f"{now.opening}\n"
        "from transformer_core.analysis.measures import Causes, agreement, measures_of, sources\n"
        "from transformer_core.figures import attribution, html, views\n\n"
        f"{measured}"
        f"measures = measures_of({where}, head={place.head}{given and ', causes=causes'})\n"
        f"rho = agreement(measures, sources(trace, {place.site!r}))  # [query measure measure]\n"
        "for measure in measures:\n"
        "    if measure.values is not None:\n"
        "        print(measure.name, measure.values[-1])  # of the last token\n\n"
        f"picture = attribution.attention_or_cause(trace, views.{place!r}{given})\n"
        "page = html.to_html(picture)\n"
    )


def files(now: Situation) -> Files:
    """Every number as a file."""
    trace, place = now.trace, now.place
    name = f"{trace.model_name}-{place.site}-L{place.layer}-H{place.head}-attention-or-cause"
    return {
        "CSV": (f"{name}.csv", lambda: attribution.to_csv(trace, place, _causes(now)[0])),
        "JSON": (f"{name}.json", lambda: attribution.to_json(trace, place, _causes(now)[0])),
    }


def _refusal(now: Situation) -> str:
    """Why causes are not measured; empty if they are."""
    from transformer_core.analysis.causes import most_tokens

    if not now.trace.has_details:
        return "needs a model"
    n_tokens = len(now.trace.source) + len(now.trace.target or ())
    most = most_tokens(model_of(now.model_id).card.parameters or 0)
    return f"text over {most} tokens" if n_tokens > most else ""


def _causes(now: Situation) -> tuple[Causes | None, str]:
    """What is known of causes, and why the rest is not."""
    from transformer_core.analysis.measures import Causes

    if refusal := _refusal(now):
        return None, refusal
    zeroing, left_out = _jobs(now).values()
    is_failed = bool(zeroing.error or left_out.error)
    return Causes(zeroing.result, left_out.result), "failed" if is_failed else "measuring …"


def _jobs(now: Situation) -> dict[str, Work[Any]]:
    """Value zeroing at the layer and leave-one-out at the site, each once for all sessions."""
    if _refusal(now):
        return {}
    model_id, trace, place = now.model_id, now.trace, now.place
    asked = (model_id, trace.text, trace.target_text, place.site)

    def zero(report: Report) -> Tensor:
        from transformer_core.analysis.causes import value_zeroing

        model = model_of(model_id)
        return value_zeroing(model, trace, place.site, layer=place.layer, on_progress=report)

    def leave_out(report: Report) -> LeaveOneOut:
        from transformer_core.analysis.causes import leave_one_out

        return leave_one_out(model_of(model_id), trace, place.site, on_progress=report)

    return {
        f"Zeroing each token's values at L{place.layer}": job_of(
            ("zeroing", *asked, place.layer), zero
        ),
        "Leaving each token out": job_of(("left out", *asked), leave_out),
    }


VIEW = View(
    "Attention or cause?",
    show,
    EXPLANATION,
    code,
    payload=payload,
    controls=frozenset({"layer", "head"}),
    files=files,
)
