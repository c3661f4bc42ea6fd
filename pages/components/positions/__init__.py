"""The kinds of positions and their views, in page order."""

from pages.components.positions import alibi, learned, live, rotary, sinusoidal
from pages.components.positions.view import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (sinusoidal.KIND, learned.KIND, rotary.KIND, alibi.KIND, live.KIND)
}
