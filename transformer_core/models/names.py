"""What a model may be called: an id of the catalogue, a path of this machine, an id of the hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from transformer_core.models import catalogue, trained

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_MAX_HUB_ID = 96  # the hub's own limit
_MAX_SHOWN = 200


def local_path(name: str) -> Path | None:
    """Return what a name stands for on this machine; None if for nothing, or for no path at all."""
    try:
        path = Path(name).expanduser()
        return path if name.strip() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, an unknown user's home
        return None


def gguf_file(path: Path) -> Path | None:
    """Return the GGUF file that a path is, or that is the only one in a folder of nothing else."""
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    files = sorted(path.glob("*.gguf"))
    return files[0] if len(files) == 1 and not (path / "config.json").exists() else None


def why_no_model(name: str) -> str | None:
    """Say why a name that stands for nothing on this machine cannot be fetched either.

    Returns:
        The reason; None if the name may be one of the hub's.
    """
    if name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name:
        return f"There is no folder {shown(name)} on this machine."
    if name.startswith(trained.PREFIX):
        return trained.missing(name[:_MAX_SHOWN])
    if not is_hub_id(name):
        return (
            f"{shown(name)} is neither in the catalogue ({known()}), nor a folder on this "
            "machine, nor an id of the Hugging Face hub (owner/name)."
        )
    return None


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub id, which no path upwards has."""
    return len(name) <= _MAX_HUB_ID and _HUB_ID.fullmatch(name) is not None


def shown(name: str) -> str:
    """Return a name as an error shows it: quoted, in one line, not longer than one reads."""
    return repr(name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…")


def known() -> str:
    """Return the ids of the catalogue's models that can be loaded right now."""
    return ", ".join(card.id for card in catalogue.models() if card.is_available)
