"""The models by name, and how they are loaded.

``transformer_core.models`` is both this package and, called, the catalogue:
``tc.models()`` lists the cards.
"""

import sys
from types import ModuleType

from transformer_core.models.catalogue import ModelCard, find_card, models

__all__ = ["ModelCard", "find_card", "models"]


class _CallablePackage(ModuleType):
    """A package that can be called.

    Importing a submodule binds the package's name in ``transformer_core``, where the function
    ``models`` is promised; so the one has to be the other too.
    """

    def __call__(self) -> list[ModelCard]:
        """Return the catalogue."""
        return models()


sys.modules[__name__].__class__ = _CallablePackage
