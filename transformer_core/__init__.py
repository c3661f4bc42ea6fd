"""Open up real Transformer models: trace a text, look at any attention pattern, export it.

Names are loaded when they are first used, so importing the package costs nothing and the app can
paint before torch is there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer_core.config import TransformerConfig
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.strategies import Beam, Greedy, Sample
    from transformer_core.model.transformer import Transformer
    from transformer_core.models.catalogue import ModelCard, models
    from transformer_core.models.loading import load
    from transformer_core.tracing.trace import Trace

_HOMES = {
    "ModelCard": "transformer_core.models.catalogue",
    "models": "transformer_core.models.catalogue",
    "load": "transformer_core.models.loading",
    "Beam": "transformer_core.decoding.strategies",
    "DecodingStep": "transformer_core.decoding.steps",
    "Greedy": "transformer_core.decoding.strategies",
    "Sample": "transformer_core.decoding.strategies",
    "Trace": "transformer_core.tracing.trace",
    "Transformer": "transformer_core.model.transformer",
    "TransformerConfig": "transformer_core.config",
}
_MODULES = ("functional", "errors", "analysis", "figures")

__all__ = [
    "Beam",
    "DecodingStep",
    "Greedy",
    "ModelCard",
    "Sample",
    "Trace",
    "Transformer",
    "TransformerConfig",
    "load",
    "models",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"transformer_core.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'transformer_core' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # so that the submodule of the same name does not take its place
    return value
