"""The views of the Attention page, in their order. A new one is a module here and a line below."""

from pages.components.views import (
    all_heads,
    attention_or_cause,
    by_the_numbers,
    compare,
    head_cards,
    heat_map,
    links,
    query_key,
    switchboard,
)

_MODULES = (
    heat_map,
    all_heads,
    links,
    query_key,
    by_the_numbers,
    head_cards,
    attention_or_cause,
    switchboard,
    compare,
)

VIEWS = {module.VIEW.name: module.VIEW for module in _MODULES}
