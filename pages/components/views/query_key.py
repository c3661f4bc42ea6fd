"""Query·key: why this score?"""

from pages.components.views.view import Situation, View, canvas
from transformer_core.figures import views
from transformer_core.figures.payload import Payload

EXPLANATION = r"""
A score is a dot product: one product for each component of query and key, added up,
$s = \frac{1}{\sqrt{d_\mathrm{head}}} \sum_d q_d k_d$. Each bar is one of these products, so the
picture shows which components make this query look at this key
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.2.1).
"""


def payload(now: Situation) -> Payload:
    """Query, key and products by dimension."""
    return views.query_key(now.trace, now.place)


def code(now: Situation) -> str:
    """The products of one query with every key."""
    place = now.place
    return (
        f"{now.opening}"
        f"record = trace.light({place.site!r}, {place.layer})\n"
        f"q, k = record.queries({place.head}), record.keys({place.head})\n"
        "products = q[:, None] * k[None]  # [query_pos key_pos d_head]\n"
        "scores = products.sum(-1) * record.scaling\n"
    )


VIEW = View("Query·key", canvas(payload), EXPLANATION, code, payload=payload)
