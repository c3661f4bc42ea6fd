"""Whether a model comes from a cluster: asked for by its address, or set for the catalogue."""

from __future__ import annotations

from transformer_core.errors import ModelUnavailableError
from transformer_core.models.catalogue import ModelCard
from transformer_core.serving.address import Address, is_address, read_address
from transformer_core.serving.transport import served_models
from transformer_core.settings import settings, variable

_OWN = ("shipped", "package")


def address_for(name: str, card: ModelCard | None, *, may_ask: bool) -> Address | None:
    """Where a model is to be got from; None: from this machine.

    With the setting ``ray_address`` the catalogue's own models come from that cluster and from
    nowhere else, those of the hub that are in the catalogue do if it serves them, and what was
    trained or lies in a folder here stays here.

    Args:
        name: What was asked for.
        card: What the catalogue knows of it.
        may_ask: Whether an address may name any machine, or the one of the setting only: on a
            server, visitors do not choose whom it speaks to.

    Raises:
        ModelUnavailableError: If the address is none or may not be asked, or the cluster of the
            setting is not there.
    """
    configured = settings().ray_address
    if is_address(name):
        address = read_address(name)
        if not may_ask and (configured is None or not _is_at(address, configured)):
            raise ModelUnavailableError(
                f"{address} is not asked: this server speaks to the cluster of its setting "
                f"{variable('ray_address')} only."
            )
        return address
    if configured is None or card is None or card.origin == "trained":
        return None
    address = read_address(configured, model_id=card.id)
    if card.origin in _OWN or card.id in served_models(address, is_strict=True):
        return address
    return None


def _is_at(address: Address, configured: str) -> bool:
    return read_address(configured, model_id=address.model_id) == address
