"""Loading a model by its catalogue id, its folder, or its id on the hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from transformer_core.errors import ModelUnavailableError
from transformer_core.models import catalogue, hub, scratch, trained
from transformer_core.models.access import ANYTHING, Access
from transformer_core.models.allocator import keep_freed_memory
from transformer_core.models.cache import Progress, ignore_progress, make_once
from transformer_core.models.catalogue import ModelCard
from transformer_core.models.names import gguf_file, known, local_path, why_no_model
from transformer_core.models.packages import MINILM, SMOLLM2, SMOLLM2_FILE

if TYPE_CHECKING:
    from transformer_core.tracing.model import TraceableModel


def load(
    id_or_path: str | Path,
    *,
    progress: Progress | None = None,
    allow_download: bool = True,
    access: Access = ANYTHING,
) -> TraceableModel:
    """Load a model, ready to be traced.

    Args:
        id_or_path: An id of the catalogue (``minilm``), a folder as ``save_pretrained`` writes it,
            a ``.gguf`` file, an id of the Hugging Face hub (``owner/name``), or the address of a
            model on a cluster (``ray://host:port/minilm``). What the catalogue knows comes first,
            then what is on this machine. With the setting ``ray_address`` the catalogue's models
            come from that cluster.
        progress: Told what is being done and which share of it is done; may raise StoppedError.
        allow_download: Whether a model that is not on this machine may be fetched from the hub;
            :func:`hub.hub_size` says beforehand how much that is.
        access: What may be opened; all of it if not given. Where folders may not, none is looked
            for.

    Raises:
        ModelUnavailableError: If it cannot be loaded, or may not be: which, why, and what to do.
        ArchitectureError: If its attention cannot be captured.
        StoppedError: If ``progress`` stopped it.
    """
    keep_freed_memory()
    report = progress or ignore_progress
    name = str(id_or_path)
    access.check(name)
    card = catalogue.find_card(name)
    remote = _on_cluster(name, card, report, may_ask=allow_download)
    if remote is not None:
        return remote
    if card is not None:
        return _load_card(card, report, allow_download=allow_download)
    path = local_path(name) if access.local_folders else None
    if path is not None:
        return _load_local(path, report)
    reason = why_no_model(name)
    if reason is not None:
        raise ModelUnavailableError(reason)
    folder = _hub_folder(name, report, allow_download=allow_download)
    return _load_folder(folder, None, report, model_id=name, origin="hub")


def _on_cluster(
    name: str, card: ModelCard | None, report: Progress, *, may_ask: bool
) -> TraceableModel | None:
    """The model of a name if a cluster is to hold it."""
    from transformer_core.serving.choice import address_for

    address = address_for(name, card, may_ask=may_ask)
    if address is None:
        return None
    report(f"Asking {address.cluster}", 0.0)
    from transformer_core.serving.handle import load_remote

    return load_remote(address)


def _load_card(card: ModelCard, report: Progress, *, allow_download: bool) -> TraceableModel:
    if card.id == "minilm":
        return _load_folder(MINILM.checked_folder(progress=report), card, report)
    if card.id == "smollm2":
        source = SMOLLM2.checked_folder(progress=report) / SMOLLM2_FILE
        mark = SMOLLM2.sha256[SMOLLM2_FILE][:12]
        return _load_folder(_converted(source, report, mark=mark), card, report)
    if card.origin == "shipped":
        if not card.is_available:
            raise ModelUnavailableError(
                f"{card.id} is not in {catalogue.SHIPPED / card.id}. Get it: {card.how_to_get}"
            )
        return _load_folder(catalogue.SHIPPED / card.id, card, report)
    if card.origin == "trained":
        return _load_folder(trained.trained_folder() / card.id, card, report)
    folder = _hub_folder(card.hub_id or card.id, report, allow_download=allow_download)
    size = sum(path.stat().st_size for path in hub.weight_files(folder))
    available = replace(card, is_available=True, how_to_get="", size_bytes=size)
    return _load_folder(folder, replace(available, revision=folder.name[:12]), report)


def _load_local(path: Path, report: Progress) -> TraceableModel:
    file = gguf_file(path)
    if file is not None:
        return _load_gguf(file, report)
    if path.is_file():
        raise ModelUnavailableError(
            f"{path} is a file. Give the folder that holds config.json and model.safetensors, or a "
            ".gguf file."
        )
    return _load_folder(path, None, report, model_id=str(path))


def _load_gguf(path: Path, report: Progress) -> TraceableModel:
    stat = path.stat()
    folder = _converted(path, report, mark=f"{stat.st_size:x}-{stat.st_mtime_ns:x}")
    from transformer_core.models import folders

    card = folders.card_of(folder, model_id=str(path))
    mark = catalogue.fingerprint(folder)
    card = replace(card, name=path.stem, source=str(path), revision=mark)
    return _load_folder(folder, card, report)


def _converted(source: Path, report: Progress, *, mark: str) -> Path:
    """The cached conversion of a GGUF file, made if need be; the mark tells its content."""
    from transformer_core.models import gguf

    return make_once(
        f"{source.stem}-{mark}-v{gguf.VERSION}",
        lambda folder: gguf.convert(source, folder, progress=report),
        progress=report,
    )


def _load_folder(
    folder: Path,
    card: ModelCard | None,
    report: Progress,
    *,
    model_id: str = "",
    origin: str = "folder",
) -> TraceableModel:
    # Imported here: torch and transformers take seconds, and errors above need neither.
    if scratch.is_own_folder(folder):
        return _load_own(folder, card, model_id=model_id)
    from transformer_core.models import folders

    card = card or folders.card_of(folder, model_id=model_id, origin=origin)
    model = folders.load_folder(folder, card, progress=report)
    if card.parameters is None:
        n_parameters = sum(parameter.numel() for parameter in model.module.parameters())
        model.card = replace(card, parameters=n_parameters)
    return model


def own_card(folder: Path, *, model_id: str) -> ModelCard:
    """Describe one of our own models that is in no catalogue by its folder.

    Raises:
        ModelUnavailableError: If its configuration cannot be used.
    """
    scratch.read_own_config(folder)
    return ModelCard(
        id=model_id,
        name=folder.resolve().name,
        family="encoder–decoder",
        task="text to text",
        size_bytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        source=str(folder),
        revision=catalogue.fingerprint(folder),
    )


def _load_own(folder: Path, card: ModelCard | None, *, model_id: str) -> TraceableModel:
    """One of our own models; Transformers is not needed for it."""
    from transformer_core.tracing.scratch import ScratchModel

    module, tokenizer = scratch.load_model(folder)
    card = card or own_card(folder, model_id=model_id)
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    return ScratchModel(module, tokenizer, replace(card, parameters=n_parameters))


def _hub_folder(hub_id: str, report: Progress, *, allow_download: bool) -> Path:
    folder = hub.cached_folder(hub_id)
    if folder is not None:
        return folder
    if not allow_download:
        raise ModelUnavailableError(
            f"{hub_id} is not on this machine (known here: {known()}). It has to be fetched from "
            "the Hugging Face hub first."
        )
    return hub.download(hub_id, progress=report)
