"""The views of the Attention page, in their order. A new one is a module here and a line below."""

from pages.components.views import all_heads, heat_map, links, query_key

_MODULES = (heat_map, all_heads, links, query_key)

VIEWS = {module.VIEW.name: module.VIEW for module in _MODULES}
