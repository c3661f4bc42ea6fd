"""Four families side by side: what each may attend to, and what one of its heads attends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.errors import InputError
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Picture
from transformer_core.figures.readings import Place, badge, strips
from transformer_core.figures.wire import EncodedArray, quantise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transformer_core.tracing.trace import Trace

MAX_TOKENS = 256
"""Longer texts have masks too fine to read here."""

_SITE_NAMES = {"encoder": "Encoder", "decoder": "Decoder", "cross": "Cross-attention"}


@dataclass(frozen=True)
class Family:
    """One kind of Transformer, by what its positions may read.

    Attributes:
        id: ``encoder``, ``decoder``, ``both`` or ``vision``; in the address.
        name: Its name.
        question: What its mask says, as the title of its picture.
        purpose: What it is for, in a sentence or two.
        families: How the catalogue calls it.
        default: The model that is shown at first.
        paper: Who proposed it, with section.
        url: Where the paper is.
    """

    id: str
    name: str
    question: str
    purpose: str
    families: tuple[str, ...]
    default: str
    paper: str
    url: str


FAMILIES = (
    Family(
        "encoder",
        "Encoder only",
        "Every token reads every token",
        "Understands a whole text at once: similarity, search, classification, hidden words. It "
        "cannot write.",
        ("BERT",),
        "minilm",
        "Devlin et al. 2018, section 3",
        "https://arxiv.org/abs/1810.04805",
    ),
    Family(
        "decoder",
        "Decoder only",
        "Each token reads itself and what stands before it",
        "Writes: it gives every token of its vocabulary a probability to come next. Chat models "
        "are of this family.",
        ("GPT",),
        "smollm2",
        "Brown et al. 2020, section 2.1",
        "https://arxiv.org/abs/2005.14165",
    ),
    Family(
        "both",
        "Encoder and decoder",
        "One reads all, the other writes and looks across",
        "Turns one text into another: translation, summaries. The encoder reads the source whole; "
        "the decoder reads what it has written, and the source through cross-attention.",
        ("encoder–decoder",),
        "en-fr-small",
        "Vaswani et al. 2017, sections 3.1 and 3.2.3",
        "https://arxiv.org/abs/1706.03762",
    ),
    Family(
        "vision",
        "Vision",
        "Every patch reads every patch",
        "Reads a picture as a sequence of patches, each a token; from [CLS] it tells what is seen. "
        "But for its input it is an encoder like BERT.",
        ("ViT",),
        "digits-vit",
        "Dosovitskiy et al. 2020, section 3.1",
        "https://arxiv.org/abs/2010.11929",
    ),
)


def family_of(name: str) -> Family:
    """Return a family by its id.

    Raises:
        InputError: If there is none of this name.
    """
    for family in FAMILIES:
        if family.id == name:
            return family
    known = ", ".join(family.id for family in FAMILIES)
    raise InputError(f"There is no family {name!r}; there are {known}.")


def masks(trace: Trace, family: Family, places: Sequence[Place]) -> Payload:
    """Draw what each position may read at each site, and beside it what one head reads.

    Options: ``sites``, a list of ``{name, site, layer, head, shape, queries, keys, n_allowed,
    badge}``. Arrays: ``weights0`` of the first site, and so on; code 0 where a key is masked.

    Args:
        family: What kind of model it is.
        places: One head for each site that is shown.

    Raises:
        NotInTraceError: If the model has no such site, layer or head.
        InputError: If the text has over 256 tokens.
    """
    sites: list[dict[str, Any]] = []
    arrays: dict[str, EncodedArray] = {}
    for index, place in enumerate(places):
        site, weights, allowed = _site(trace, place)
        sites.append(site)
        arrays[f"weights{index}"] = quantise(weights, allowed=allowed)
    first = places[0]
    queries, keys = strips(trace, first.site)
    picture = Picture(
        title=family.question,
        subtitle="First what a query may read, its mask; then what one head reads.",
        queries=queries,
        keys=keys,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=first.site,
        notes=trace.notes,
        caption="; ".join(_in_words(site) for site in sites) + ".",
    )
    return make_payload("masks", picture, {"sites": sites, "selected": None}, arrays)


def shape_of(allowed: NDArray[np.bool_]) -> str:
    """Name a mask's shape: what is read off its cells, not what a family ought to have."""
    rows, columns = allowed.shape
    if allowed.all():
        return "all to all"
    if rows == columns and np.array_equal(allowed, np.tril(np.ones_like(allowed))):
        return "causal"
    if rows == columns and not np.triu(allowed, 1).any():
        return "causal, within a window"
    return "of a shape of its own"


def _site(
    trace: Trace, place: Place
) -> tuple[dict[str, Any], NDArray[np.float32], NDArray[np.bool_]]:
    """One site in words, its pattern and its mask."""
    record = trace.light(place.site, place.layer)
    if max(record.n_query, record.n_key) > MAX_TOKENS:
        raise InputError(
            f"Masks are drawn for {MAX_TOKENS} tokens at most; here are "
            f"{max(record.n_query, record.n_key):,}. Shorten the text."
        )
    weights = trace.pattern(place.site, layer=place.layer, head=place.head).numpy()
    visible = record.visible(place.head)
    allowed = np.ones(weights.shape, bool) if visible is None else visible.numpy()
    queries, keys = strips(trace, place.site)
    checked = badge(trace, place)
    site = {
        "name": _SITE_NAMES[place.site],
        "site": place.site,
        "layer": place.layer,
        "head": place.head,
        "shape": shape_of(allowed),
        "n_allowed": int(allowed.sum()),
        "queries": queries.to_dict(),
        "keys": keys.to_dict(),
        "badge": {"text": checked.text, "ok": checked.is_ok, "details": checked.details},
    }
    return site, weights, allowed


def _in_words(site: dict[str, Any]) -> str:
    n_cells = len(site["queries"]["display"]) * len(site["keys"]["display"])
    return (
        f"{site['name']}: {site['shape']}, {site['n_allowed']:,} of {n_cells:,} cells may be read; "
        f"L{site['layer']} H{site['head']} beside it"
    )


def default_place(trace: Trace, site: str) -> Place:
    """Return a head at a site whose queries look firmly, and not all at the same key.

    In the middle layer, the largest of: the mean over queries of the strongest weight, less the
    strongest mean weight of a key; the query itself, the first key and special tokens left out.
    """
    layer = trace.n_layers(site) // 2
    patterns = trace.pattern(site, layer=layer).numpy().copy()
    patterns[:, :, np.array(trace.key_tokens(site).is_special, bool)] = 0
    if site != "cross":
        patterns[:, :, 0] = 0
        patterns[:, np.eye(*patterns.shape[1:]) > 0] = 0
    looks = patterns.max(axis=2).mean(axis=1) - patterns.mean(axis=1).max(axis=1)
    return Place(site, layer, int(looks.argmax()))
