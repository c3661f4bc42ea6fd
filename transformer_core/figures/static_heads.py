"""All heads as a still picture."""

from __future__ import annotations

import math

import numpy as np

from transformer_core.figures.drawing import Mark, Pixels, Text
from transformer_core.figures.payload import Payload
from transformer_core.figures.shades import TOKEN, WORDS, Laid, Theme, coloured, lying_bar


def lay_heads(payload: Payload, theme: Theme) -> Laid:
    """All heads: layers down, heads across, one range of colours for all."""
    array, options = payload.arrays["thumbnails"], payload.header["options"]
    maps = np.asarray(array.values(), dtype=np.float64)
    peak = float(maps.max(initial=0.0)) or 1.0
    n_layers, n_heads = options["n_layers"], options["n_heads"]
    left, top, gap = 36.0, 24.0, 4.0
    size = max(16.0, min(76.0, 920 / n_heads - gap))
    marks: list[Mark] = []
    for layer in range(n_layers):
        y = top + layer * (size + gap)
        marks.append(Text(left - 8, y + size / 2, f"L{layer}", TOKEN, theme["muted"], "end"))
        for head in range(n_heads):
            shades = coloured(maps[layer, head], None, theme["sequential"], peak)
            marks.append(Pixels(left + head * (size + gap), y, size, size, shades))
    for head in range(0, n_heads, max(1, math.ceil(28 / size))):
        x = left + head * (size + gap) + size / 2
        marks.append(Text(x, top - 10, f"H{head}", TOKEN, theme["muted"], "middle"))
    y = top + n_layers * (size + gap) + 14
    marks.append(Text(left, y, "↓ query (reads)", WORDS, theme["query"]))
    marks.append(Text(left + 110, y, "→ key (is read)", WORDS, theme["key"]))
    marks += lying_bar((left + 226, y - 5), 130, theme, peak, payload.header["unit"])
    return marks, max(left + n_heads * (size + gap), left + 420), y + 24
