"""What a name stands for, before anything is loaded: a model here, one to fetch, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from transformer_core.errors import ModelUnavailableError
from transformer_core.models import catalogue, hub, scratch
from transformer_core.models.access import ANYTHING, Access
from transformer_core.models.catalogue import ModelCard, megabytes
from transformer_core.models.loading import own_card
from transformer_core.models.names import gguf_file, local_path, why_no_model


@dataclass(frozen=True)
class Found:
    """A model that a name stands for.

    Attributes:
        card: What is known of it; ``card.id`` is what ``load`` takes.
        plan: What would be fetched first; None if it is on this machine.
    """

    card: ModelCard
    plan: hub.HubPlan | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What to tell before it is loaded: each fact with its name."""
        card, plan = self.card, self.plan
        n_parameters = card.parameters or (plan.parameters if plan else None)
        facts = {
            "Name": card.name,
            "Kind": card.family or (plan.architecture if plan else "") or "unknown",
            "Parameters": f"{n_parameters / 1e6:,.1f} M" if n_parameters else "unknown",
            "Licence": plan.licence if plan else card.licence,
            "Source": card.source,
        }
        if plan is None:
            return facts | {"Size": megabytes(card.size_bytes)}
        files = f"{len(plan.sizes)} files at commit {plan.commit[:12]}"
        return facts | {"Download": f"{megabytes(plan.size_bytes)} ({files})"}


def is_here(name: str, access: Access = ANYTHING) -> bool:
    """Whether a model may and can be loaded from this machine, without a network; no torch."""
    if not access.may_open(name):
        return False
    card = catalogue.find_card(name)
    if card is not None:
        return card.is_available
    return (access.local_folders and local_path(name) is not None) or (
        why_no_model(name) is None and hub.cached_folder(name) is not None
    )


def look_up(name: str, access: Access = ANYTHING) -> Found:
    """Find out what a name stands for; asks the hub only for what is not on this machine.

    Raises:
        ModelUnavailableError: If it stands for nothing that can be loaded, and why not; or if it
            may not be opened.
    """
    name = name.strip()
    access.check(name)
    card = catalogue.find_card(name)
    if card is not None and card.is_available:
        return Found(card)
    if card is not None and card.origin != "hub":
        raise ModelUnavailableError(
            f"{card.name} is not on this machine. Get it: {card.how_to_get}"
        )
    if card is None and is_here(name, access):
        return Found(_card_of(name, access))
    reason = None if card is not None else why_no_model(name)
    if reason is not None:
        raise ModelUnavailableError(reason)
    hub_id = name if card is None else str(card.hub_id)
    plan = hub.plan_download(hub_id)
    known = card or ModelCard(hub_id, hub_id, "", "", origin="hub", hub_id=hub_id)
    source = f"https://huggingface.co/{hub_id}"
    return Found(replace(known, size_bytes=plan.size_bytes, source=source), plan)


def _card_of(name: str, access: Access) -> ModelCard:
    path = local_path(name) if access.local_folders else None
    cached = hub.cached_folder(name)
    if path is not None and scratch.is_own_folder(path):
        return own_card(path, model_id=name)
    from transformer_core.models import folders

    if path is None and cached is not None:
        return folders.card_of(cached, model_id=name, origin="hub")
    file = gguf_file(Path(name).expanduser())
    if file is None:
        return folders.card_of(Path(name).expanduser(), model_id=name)
    return ModelCard(name, file.stem, "", "", source=str(file), size_bytes=file.stat().st_size)
