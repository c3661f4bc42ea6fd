"""What the app shows while its models load: a picture made from a real trace, shipped with it.

Made by ``python -m transformer_core first-paint``; model, revision and text stand in the picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transformer_core.errors import FileFormatError
from transformer_core.figures.payload import Payload
from transformer_core.figures.wire import unpack

if TYPE_CHECKING:
    from transformer_core.tracing.model import TraceableModel

FILE = Path(__file__).resolve().parents[2] / "assets" / "first_paint" / "attention.bin"
MODEL = "minilm"
TEXT = "The animal didn't cross the street because it was too tired."
LAYER, HEAD = 3, 1


def save(model: TraceableModel, path: Path = FILE) -> None:
    """Trace the first sentence and write its picture."""
    from transformer_core.figures.views import Place, heat_map

    payload = heat_map(model.trace(TEXT), Place("encoder", LAYER, HEAD), with_overview=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload.to_bytes())


def load(path: Path = FILE) -> Payload:
    """Read the shipped picture.

    Raises:
        FileFormatError: If it is missing; the message says how to make it.
    """
    try:
        header, arrays = unpack(path.read_bytes())
    except OSError as error:
        raise FileFormatError(
            f"{path} is missing; make it with `python -m transformer_core first-paint`."
        ) from error
    header.pop("id")
    return Payload(header, arrays)
