"""Models of the Hugging Face hub: what a download would take, the download, the cache.

Only safetensors, JSON and tokenizer files are ever fetched; a repository's code and pickles stay
there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants, errors
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # what its client is built on
from tqdm.std import tqdm

from transformer_core.errors import ModelUnavailableError
from transformer_core.models.cache import Progress, ignore_progress
from transformer_core.models.catalogue import megabytes

# The client's other way of fetching (Xet) reports from threads of its own, where nobody can stop
# it, and begins anew each time.
constants.HF_HUB_DISABLE_XET = True

_SUFFIXES = (".json", ".txt", ".model", ".spm", ".jinja")
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_CONVERTER = "SFconvertbot"  # the hub's own account that offers safetensors of older weights
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class HubPlan:
    """What a download would fetch.

    Attributes:
        hub_id: The repository.
        commit: The revision, as a hash.
        sizes: Each file with its size in bytes, weights last.
        licence: What the repository says its licence is.
        architecture: The class that its weights are of, such as ``BertForMaskedLM``; empty if the
            hub does not say.
        parameters: How many numbers were learned; None if the hub does not say.
    """

    hub_id: str
    commit: str
    sizes: dict[str, int]
    licence: str = "unknown"
    architecture: str = ""
    parameters: int | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(self.sizes.values())


def hub_size(hub_id: str) -> int:
    """Return how many bytes loading a model of the hub would fetch; asks the hub.

    Raises:
        ModelUnavailableError: If it cannot be loaded: no network, no such model, gated, no
            safetensors.
    """
    return plan_download(hub_id).size_bytes


def plan_download(hub_id: str) -> HubPlan:
    """Ask the hub for a model's files and their sizes.

    Where a repository has pickled weights only, the safetensors that the hub's own converter
    offers for it are taken.

    Raises:
        ModelUnavailableError: As :func:`hub_size`.
    """
    with _explaining(hub_id):
        plan = _plan(hub_id, "main")
        if plan is None:
            revision = _converted_revision(hub_id)
            plan = None if revision is None else _plan(hub_id, revision)
    if plan is None:
        raise ModelUnavailableError(
            f"{hub_id} offers no safetensors, only pickled weights, which can run code when they "
            "are opened and are therefore not loaded. Choose a model with a model.safetensors."
        )
    return plan


def download(hub_id: str, *, progress: Progress = ignore_progress) -> Path:
    """Fetch a model into the hub's cache and return its folder there.

    Args:
        hub_id: The repository.
        progress: Told how much has come; may raise StoppedError, which stops the download. What
            has come stays, and the next download goes on from there.

    Raises:
        ModelUnavailableError: As :func:`hub_size`.
        StoppedError: If ``progress`` stopped it.
    """
    progress(f"Asking the hub for {hub_id}", 0.0)
    plan = plan_download(hub_id)
    counter = _Counter(hub_id, plan.size_bytes, progress)
    path = ""
    with _explaining(hub_id):
        for name, size in plan.sizes.items():
            path = huggingface_hub.hf_hub_download(
                hub_id, name, revision=plan.commit, tqdm_class=counter.bar()
            )
            counter.finish(size)
    return Path(path).parent


def cached_folder(hub_id: str) -> Path | None:
    """Return the folder of a model in the hub's cache; None unless it is there and whole."""
    home = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    snapshots = home / "snapshots"
    try:
        commits = sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        main = (home / "refs" / "main").read_text().strip()
        commits.sort(key=lambda path: path.name != main)
    except FileNotFoundError:
        commits = list(snapshots.iterdir()) if snapshots.is_dir() else []
    whole = (folder for folder in commits if (folder / "config.json").exists())
    return next((folder for folder in whole if weight_files(folder)), None)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder; empty unless all of them are there."""
    if (folder / _WEIGHTS).is_file():
        return [folder / _WEIGHTS]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []
    if any(not isinstance(name, str) or Path(name).name != name for name in names):
        return []  # an index may not lead out of its folder
    files = [folder / name for name in names]
    return files if all(path.is_file() for path in files) else []


def _plan(hub_id: str, revision: str) -> HubPlan | None:
    info = huggingface_hub.HfApi().model_info(
        hub_id, revision=revision, files_metadata=True, timeout=_TIMEOUT_S
    )
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or []}
    if _WEIGHTS in sizes:
        weights = [_WEIGHTS]
    elif _INDEX in sizes:
        weights = [name for name in sorted(sizes) if name.startswith("model-")]
        weights = [name for name in weights if name.endswith(".safetensors") and "/" not in name]
    else:
        return None
    small = [name for name in sorted(sizes) if name.endswith(_SUFFIXES) and "/" not in name]
    card: Any = info.card_data
    named = (info.config or {}).get("architectures") or [""]
    return HubPlan(
        hub_id=hub_id,
        commit=str(info.sha),
        sizes={name: sizes[name] for name in [*small, *weights]},
        licence=str(getattr(card, "license", None) or "unknown"),
        architecture=str(named[0]),
        parameters=None if info.safetensors is None else int(info.safetensors.total),
    )


def _converted_revision(hub_id: str) -> str | None:
    """The revision in which the hub's converter offers safetensors; None if there is none."""
    offers = huggingface_hub.HfApi().get_repo_discussions(
        hub_id, author=_CONVERTER, discussion_type="pull_request"
    )
    return next(
        (
            offer.git_reference
            for offer in offers
            if offer.author == _CONVERTER
            and offer.status in ("open", "merged")
            and "safetensors" in offer.title
        ),
        None,
    )


class _Counter:
    """Adds up what the files of a download have brought."""

    def __init__(self, hub_id: str, total: int, progress: Progress) -> None:
        self._message = f"Downloading {hub_id}, {megabytes(total)}"
        self._total = max(total, 1)
        self._progress = progress
        self._done = 0

    def bar(self) -> type[tqdm[Any]]:
        """Make the class of which the hub's client makes one progress bar a file."""
        counter = self

        class Bar(tqdm):  # type: ignore[type-arg]
            """A bar that is not drawn but reported."""

            def display(self, *args: object, **kwargs: object) -> None:
                """Draw nothing."""

            def update(self, n: float | None = 1) -> bool | None:
                """Report what this file has brought."""
                drawn: bool | None = super().update(n)
                counter.report(int(self.n))
                return drawn

        return Bar

    def report(self, of_this_file: int) -> None:
        """Tell how much has come."""
        share = min((self._done + of_this_file) / self._total, 1.0)
        self._progress(self._message, share)

    def finish(self, size: int) -> None:
        """Count a file that is there, be it from before."""
        self._done += size
        self.report(0)


@contextmanager
def _explaining(hub_id: str) -> Iterator[None]:
    """Turn the hub client's errors into one that says what to do."""
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelUnavailableError(
            f"{hub_id} is gated: accept its licence at https://huggingface.co/{hub_id} and log in "
            "with `hf auth login`, then load it again."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailableError(
            f"There is no model {hub_id} on the Hugging Face hub, or it is private. Check the "
            "spelling (owner/name); for a folder on this machine give its path."
        ) from error
    except errors.HFValidationError as error:
        raise ModelUnavailableError(f"{hub_id!r} cannot be a hub id: {error}") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelUnavailableError(
            f"{hub_id} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it."
        ) from error
    except (errors.LocalEntryNotFoundError, httpx.TransportError, ConnectionError) as error:
        raise ModelUnavailableError(
            f"{hub_id} is not on this machine, and the Hugging Face hub cannot be reached. "
            "Connect to the network, or load a model that is here (minilm, smollm2, a folder)."
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise ModelUnavailableError(f"{hub_id} could not be fetched: {error}") from error
