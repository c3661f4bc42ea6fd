"""The Transformer of "Attention Is All You Need" (Vaswani et al. 2017), readable top to bottom.

Start with :mod:`~transformer_core.model.transformer` and follow the imports down: blocks (encoder
and decoder layers), attention, feed_forward, positional, embedding, masks. ``forward`` returns
values and stores nothing on modules; :mod:`transformer_core.tracing` looks at what is inside.
"""

from transformer_core.model.cache import KeyValueCache
from transformer_core.model.transformer import Transformer

__all__ = ["KeyValueCache", "Transformer"]
