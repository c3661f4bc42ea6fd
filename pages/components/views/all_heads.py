"""All heads: what do all heads do?"""

from pages.components.views.view import Situation, View, canvas
from transformer_core.figures import views
from transformer_core.figures.payload import Payload

EXPLANATION = r"""
Every small map is one head's pattern: layers down, heads across; in each, queries are rows and keys
are columns. Multi-head attention runs them side by side and joins what they read:
$\mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)\,W^O$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.2.2). Diagonals read neighbours,
upright lines rest on one token. A click opens the head.
"""


def payload(now: Situation) -> Payload:
    """All heads of the site."""
    place = now.place
    return views.all_heads(now.trace, place.site, selected=(place.layer, place.head))


def code(now: Situation) -> str:
    """All patterns of the site, layer by layer."""
    site = now.place.site
    return (
        f"{now.opening}"
        f"for layer in range(trace.n_layers({site!r})):\n"
        f"    patterns = trace.pattern({site!r}, layer=layer)  # [head query_pos key_pos]\n"
    )


VIEW = View("All heads", canvas(payload), EXPLANATION, code, payload=payload, controls=frozenset())
