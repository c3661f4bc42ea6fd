"""Head cards: what each head does, and how clearly.

Options of the payload, beside those of the grid: ``roles``, a list of ``{name, meaning, material,
rest, texts}``; ``clear``, by layer and head the roles (by number) that it clearly plays, clearest
first; ``bits``, the entropy of an even row; ``alone``, whether roles were measured on this text
alone. Array ``roles`` ``[layer head role 3]``: score, spread, baseline; −1: not measured.
"""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.payload import MAX_THUMBNAIL as MAX_WHOLE
from transformer_core.figures.payload import Payload
from transformer_core.figures.views import all_heads
from transformer_core.figures.wire import raw
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transformer_core.analysis.probing import RoleReport
    from transformer_core.figures.readings import Place
    from transformer_core.tracing.trace import Trace

MAX_CHECKED = 256
"""Up to this many tokens the rows of all heads are summed for the badge, else of one head."""

MAX_ALONE = 512
"""Up to this many tokens roles are measured on the text alone."""

NOT_MEASURED = -1.0


@dataclass(frozen=True, eq=False)
class Roles:
    """What is known of the roles of a model's heads at one site.

    Attributes:
        report: Scores of all heads.
        n_sentences: Probe sentences that were read; 0: the scores are of the traced text alone.
        n_repeats: Sequences of repeated random words that were read.
    """

    report: RoleReport
    n_sentences: int = 0
    n_repeats: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether the scores are of the traced text alone."""
        return not self.n_sentences

    @classmethod
    def of_probes(cls, report: RoleReport) -> Roles:
        """Roles measured on the probe set."""
        counts = {"sentences": 0, "repeats": 0}
        for role, n in zip(report.roles, report.n_texts, strict=True):
            counts[role.material] = max(counts[role.material], n)
        return cls(report, counts["sentences"], counts["repeats"])

    @classmethod
    def of_text(cls, trace: Trace, site: str) -> Roles:
        """Roles on one text alone; none of a text so long that it would take too much time."""
        from transformer_core.analysis.probing import no_roles, text_roles

        n = max(len(trace.query_tokens(site)), len(trace.key_tokens(site)))
        return cls((text_roles if n <= MAX_ALONE else no_roles)(trace, site))


def head_cards(
    trace: Trace, place: Place, roles: Roles | None = None, *, grid: Payload | None = None
) -> Payload:
    """What does each head do, and how clearly? A card for each head of a site.

    Args:
        trace: Its maps, entropies and distances are those of this text.
        place: The site, and the head that is picked.
        roles: What the heads do; None measures it on this text alone.
        grid: All heads of this text, where they are known (see ``views.all_heads``).

    Raises:
        NotInTraceError: If the model has no such site, layer or head.
    """
    roles = roles or Roles.of_text(trace, place.site)
    grid = grid or all_heads(trace, place.site)
    options = {**grid.header["options"], "selected": [place.layer, place.head]}
    facts = [[_without_role(head) for head in layer] for layer in options["heads"]]
    header = {
        **grid.header,
        "view": "cards",
        "layer": place.layer,
        "head": place.head,
        "title": "Which heads have a clear role?",
        "subtitle": "Map, entropy and distance are of this text.",
        "caption": f"{_summary(trace, place, roles)} {grid.header['caption']}",
        "notes": _notes(trace, place, roles),
        "badge": _badge(trace, place),
        "options": {**options, **_options(trace, place, roles), "heads": facts},
    }
    return Payload(header, {**grid.arrays, "roles": raw(_scores(roles.report))})


def to_csv(trace: Trace, place: Place, roles: Roles | None = None) -> str:
    """All heads as a table: a row a head; entropy, distance, clear roles, and every score."""
    roles = roles or Roles.of_text(trace, place.site)
    out = io.StringIO()
    writer = TableWriter(out)
    source = {**_source(trace, place), "roles": _measured_on(roles)}
    writer.writerow(["# " + " · ".join(f"{name} {value}" for name, value in source.items())])
    rows = _rows(trace, place, roles)
    columns = ["layer", "head", "entropy", "distance", "clear_roles"]
    names = [role.name for role in roles.report.roles]
    kinds = ("score", "spread", "baseline")
    writer.writerow([*columns, *(f"{name}: {kind}" for name in names for kind in kinds)])
    for row in rows:
        scores = [row["scores"].get(name, {}).get(kind) for name in names for kind in kinds]
        facts = [row["entropy"], row["distance"]]
        writer.writerow(
            [
                row["layer"],
                row["head"],
                *map(_figure, facts),
                " + ".join(row["clear_roles"]),
                *map(_figure, scores),
            ]
        )
    return out.getvalue()


def to_json(trace: Trace, place: Place, roles: Roles | None = None) -> str:
    """All heads as JSON: what the table holds, and what each role means."""
    roles = roles or Roles.of_text(trace, place.site)
    content = {
        **_source(trace, place),
        "roles_measured_on": _measured_on(roles),
        "roles": {role.name: role.meaning for role in roles.report.roles},
        "heads": _rows(trace, place, roles),
    }
    return json.dumps(content, ensure_ascii=False)


def _options(trace: Trace, place: Place, roles: Roles) -> dict[str, Any]:
    report = roles.report
    numbers = {role.name: i for i, role in enumerate(report.roles)}
    layers, heads = range(trace.n_layers(place.site)), range(trace.n_heads(place.site))
    return {
        "roles": [
            {
                "name": role.name,
                "meaning": role.meaning,
                "material": role.material,
                "rest": role.is_rest,
                "texts": n,
            }
            for role, n in zip(report.roles, report.n_texts, strict=True)
        ],
        "clear": [
            [[numbers[s.role] for s in report.clear_roles(layer, head)] for head in heads]
            for layer in layers
        ],
        "bits": math.log2(max(2, trace.light(place.site, 0).n_key)),
        "alone": roles.is_alone,
    }


def _scores(report: RoleReport) -> NDArray[np.float32]:
    parts = (report.score, report.spread, report.baseline)
    stacked = np.stack([part.numpy() for part in parts], axis=-1)
    known: NDArray[np.float32] = np.nan_to_num(stacked, nan=NOT_MEASURED).astype(np.float32)
    return known


def _without_role(fact: dict[str, Any]) -> dict[str, Any]:
    """What the grid knows of a head, less the role that it saw on this text."""
    return {name: fact[name] for name in ("entropy", "distance") if name in fact}


def _measured_on(roles: Roles) -> str:
    if roles.is_alone:
        return "this text alone"
    sentences = f"{roles.n_sentences} sentences"
    if not roles.n_repeats:
        return sentences
    return f"{sentences}; {roles.n_repeats} sequences of random words said twice"


def _summary(trace: Trace, place: Place, roles: Roles) -> str:
    """How many heads play which role."""
    found: Counter[str] = Counter()
    for layer in range(trace.n_layers(place.site)):
        for head in range(trace.n_heads(place.site)):
            clear = roles.report.clear_roles(layer, head)
            found[clear[0].role if clear else "no clear role"] += 1
    counted = ", ".join(f"{n} {role}" for role, n in found.most_common())
    return f"Heads by their clearest role: {counted}."


def _notes(trace: Trace, place: Place, roles: Roles) -> list[str]:
    notes = [*trace.notes]
    if not roles.report.roles:
        notes.append(f"Of a text over {MAX_ALONE} tokens roles are not measured alone.")
    elif roles.is_alone:
        what = " Induction and duplicate token need the probe set." if place.site != "cross" else ""
        notes.append(f"Roles are measured on this text alone, so they may be chance.{what}")
    else:
        notes.append(f"Roles are measured on a fixed probe set ({_measured_on(roles)}).")
    notes.append(
        "Score: mean weight on the role's keys. Tick: the same with each row's weights shuffled. "
        "Clear: at least 0.4 and twice the tick, by more than the spread over texts."
    )
    if max(len(trace.query_tokens(place.site)), len(trace.key_tokens(place.site))) > MAX_WHOLE:
        notes.append(f"Maps are pooled to {MAX_WHOLE} × {MAX_WHOLE}: largest weight of each block.")
    if roles.report.skipped:
        notes.append(f"{roles.report.skipped} probe texts were too long for this model.")
    return notes


def _badge(trace: Trace, place: Place) -> dict[str, Any]:
    """Check that the rows of every head sum to 1, here and now."""
    from transformer_core.analysis.heads import layer_patterns
    from transformer_core.analysis.proof import TOLERANCE

    record = trace.light(place.site, place.layer)
    is_small = max(record.n_query, record.n_key) <= MAX_CHECKED
    layers = range(trace.n_layers(place.site)) if is_small else [place.layer]
    off = max(
        float((patterns.sum(dim=-1) - 1).abs().max())
        for layer in layers
        for patterns, _ in layer_patterns(trace.light(place.site, layer))
    )
    whose = f"all {len(layers) * record.n_heads} heads" if is_small else f"L{place.layer}'s heads"
    name = f"rows of {whose} sum to 1"
    return {
        "text": f"{name} · max |Δ| {off:.1e}",
        "ok": off <= TOLERANCE,
        "details": [f"{name}: largest difference {off:.2e}"],
    }


def _rows(trace: Trace, place: Place, roles: Roles) -> list[dict[str, Any]]:
    from transformer_core.analysis.heads import layer_patterns, pattern_facts

    is_self, rows = place.site != "cross", []
    for layer in range(trace.n_layers(place.site)):
        blocks = layer_patterns(trace.light(place.site, layer))
        facts = [f for p, visible in blocks for f in pattern_facts(p, visible, is_self=is_self)]
        for head, fact in enumerate(facts):
            clear = roles.report.clear_roles(layer, head)
            rows.append(
                {
                    "layer": layer,
                    "head": head,
                    "entropy": fact.entropy,
                    "distance": fact.distance,
                    "clear_roles": [score.role for score in clear],
                    "scores": {
                        score.role: {
                            "score": score.score,
                            "spread": None if roles.is_alone else score.spread,
                            "baseline": score.baseline,
                        }
                        for score in roles.report.scores(layer, head)
                    },
                }
            )
    return rows


def _source(trace: Trace, place: Place) -> dict[str, Any]:
    return {
        "model": trace.model_id,
        "revision": trace.revision,
        "text": trace.text,
        "target_text": trace.target_text,
        "site": place.site,
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
