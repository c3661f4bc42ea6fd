"""The views of the Attention page, in their order. A new one is a module here and a line below."""

from pages.components.views import (
    all_heads,
    by_the_numbers,
    compare,
    heat_map,
    links,
    query_key,
    switchboard,
)

_MODULES = (heat_map, all_heads, links, query_key, by_the_numbers, switchboard, compare)

VIEWS = {module.VIEW.name: module.VIEW for module in _MODULES}
