"""Which models a server lets people open; asked where a model is loaded, not only in the list.

Nothing here looks whether a path exists: who may not open folders does not learn what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from transformer_core.errors import ModelUnavailableError
from transformer_core.models import catalogue, trained
from transformer_core.models.names import is_hub_id, known, shown
from transformer_core.settings import Settings, settings, variable


@dataclass(frozen=True)
class Access:
    """What may be opened. As it is made, everything, as in a library.

    Attributes:
        is_closed: Whether models of the hub may be opened only where a pattern allows it.
        allowed: Patterns of hub ids; where there are some, no other model is opened or fetched.
        local_folders: Whether a folder or file of this machine may be opened.
    """

    is_closed: bool = False
    allowed: tuple[str, ...] = ()
    local_folders: bool = True

    @classmethod
    def of_settings(cls, said: Settings | None = None, *, is_public: bool) -> Access:
        """Return what a server's settings say.

        Args:
            said: The settings; those of the environment if not given.
            is_public: Whether other machines can reach the server; decides where nothing is said.

        Raises:
            ConfigError: If a setting cannot be used.
        """
        said = said or settings()
        is_closed = is_public if said.catalogue_only is None else said.catalogue_only
        folders = not is_closed if said.local_folders is None else said.local_folders
        return cls(is_closed, said.allowed_models, folders)

    @property
    def opens_others(self) -> bool:
        """Whether anything may be opened that is not in the list of models."""
        return self.local_folders or not self.is_closed or bool(self.allowed)

    def may_open(self, name: str) -> bool:
        """Whether a model may be loaded, if it is there; fetching it is part of that.

        What ships with the project, what the catalogue names and this machine has, and what was
        trained here may be opened by anybody.
        """
        if self.local_folders and not self.is_closed and not self.allowed:
            return True
        card = catalogue.find_card(name)
        if card is not None:
            is_own = card.origin != "hub" or card.is_available
            return is_own or self._may_fetch(card.id) or self._may_fetch(str(card.hub_id))
        if name.startswith(trained.PREFIX):
            return True  # whoever does not know the id of a kept model does not find it
        if "://" in name:
            return False  # an address, of a machine that the operator did not choose
        return self.local_folders or (is_hub_id(name) and self._may_fetch(name))

    def check(self, name: str) -> None:
        """Refuse a model that may not be opened.

        Raises:
            ModelUnavailableError: With what may be opened instead.
        """
        if self.may_open(name):
            return
        hub = f", and of the hub {', '.join(self.allowed)}" if self.allowed else ""
        raise ModelUnavailableError(
            f"{shown(name)} may not be opened on this server. What may be: {known()}{hub}. Its "
            f"operator can allow more ({variable('allowed_models')})."
        )

    def _may_fetch(self, hub_id: str) -> bool:
        if self.allowed:
            return any(fnmatchcase(hub_id, pattern) for pattern in self.allowed)
        return not self.is_closed


ANYTHING = Access()
