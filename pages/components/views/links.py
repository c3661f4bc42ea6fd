"""Links: which tokens are linked?"""

from pages.components.views.view import Situation, View, canvas
from transformer_core.figures import views
from transformer_core.figures.payload import Payload

EXPLANATION = r"""
The same pattern as lines: from each query on the left to the keys that it reads on the right, as
strong as the weight. Point at a token to see only its own lines. The drawing follows
[Vig 2019](https://arxiv.org/abs/1906.05714); the weights are those of the heat map.
"""


def payload(now: Situation) -> Payload:
    """One head as lines."""
    return views.links(now.trace, now.place, now.reading)


def code(now: Situation) -> str:
    """The strongest links."""
    return (
        f"{now.opening}"
        f"pattern = trace.pattern({now.where})\n"
        "for query, row in enumerate(pattern):\n"
        "    key = int(row.argmax())\n"
        f"    print(trace.query_tokens({now.place.site!r}).display[query], '->',\n"
        f"          trace.key_tokens({now.place.site!r}).display[key], float(row[key]))\n"
    )


VIEW = View(
    "Links",
    canvas(payload),
    EXPLANATION,
    code,
    payload=payload,
    controls=frozenset({"layer", "head", "words", "special", "sink"}),
)
