"""By the numbers: how does attention compute its output?"""

from pages.components.views.view import Situation, View, canvas
from transformer_core.figures import views
from transformer_core.figures.payload import Payload

EXPLANATION = r"""
Equation 1 of [Vaswani et al. 2017](https://arxiv.org/abs/1706.03762) at work on one query:
$z = \mathrm{softmax}\!\left(q k^\top / \sqrt{d_\mathrm{head}}\right) v$. The **query** meets
every **key** in a dot product; the scores are scaled, masked where the query may not look, and
turned into weights that sum to 1; the **values**, each times its weight, add up to what the head
puts out. If a model adds a position bias to the scores (T5,
[Raffel et al. 2019](https://arxiv.org/abs/1910.10683)), that is a step of its own.

Your browser computes every number here from the model's own queries, keys and values, and compares
the result with what the model's attention module put out. Softmax takes the row's largest score off
first: that changes no weight and keeps $e^s$ from overflowing.
"""


def payload(now: Situation) -> Payload:
    """Everything between one query and its output."""
    return views.by_the_numbers(now.trace, now.place)


def code(now: Situation) -> str:
    """The equation, step by step, and the comparison with the module's output."""
    place = now.place
    return (
        "import torch\n"
        f"{now.opening}"
        f"record = trace.record({place.site!r}, layer={place.layer})\n"
        f"q, k, v = record.queries({place.head}), record.keys({place.head}), "
        f"record.values({place.head})\n"
        "scores = q @ k.T * record.scaling\n"
        "if record.bias is not None:\n"
        f"    scores = scores + record.bias[min({place.head}, len(record.bias) - 1)]\n"
        f"visible = record.visible({place.head})\n"
        "if visible is not None:\n"
        "    scores = scores.masked_fill(~visible, -torch.inf)\n"
        "z = scores.softmax(dim=-1) @ v\n"
        f"print((z - record.z[{place.head}]).abs().max())\n"
    )


VIEW = View("By the numbers", canvas(payload), EXPLANATION, code, payload=payload)
