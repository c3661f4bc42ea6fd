"""What a vision model's trace knows beside its attention: the picture that was read, by patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.tracing.vision_images import read_image

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.trace import Trace

KEY = "vision"
"""Where a trace keeps it, in ``extra``."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the model read it.

    Attributes:
        image: After resizing and cropping, ``[row column channel]`` of 0 to 255 (3 channels).
        grid: Rows and columns of patches.
        n_special: Positions before the first patch, such as ``[CLS]``.
        labels: What each logit stands for; empty for a model without classes.
    """

    image: NDArray[np.uint8]
    grid: tuple[int, int]
    n_special: int
    labels: tuple[str, ...] = ()

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return self.grid[0] * self.grid[1]


def seen(trace: Trace) -> Seen:
    """Return the picture that a trace is of.

    Raises:
        NotInTraceError: If the trace is of a text, or came without its picture.
    """
    picture = trace.extra.get(KEY)
    if not isinstance(picture, Seen):
        raise NotInTraceError(
            f"{trace.model_name} read no picture here. Trace an image with a vision model, such as "
            "digits-vit."
        )
    return picture


def read_for(processor: Any, image: Any) -> tuple[Any, tuple[str, ...]]:
    """Make an image ready for a processor: what it takes, and what was done to it.

    Raises:
        InputError: If it is no picture that can be read.
    """
    takes = getattr(processor, "takes", None)
    if takes is not None and takes(image):
        return image, ()
    read = read_image(image)
    notes = getattr(processor, "notes", ())
    return read.image if takes is not None else read.image.convert("RGB"), (*read.notes, *notes)


def as_seen(pixels: Tensor, tokens: Tokens, processor: Any, config: Any) -> Seen:
    """Turn pixels as the model reads them back into a picture that people can see.

    Args:
        pixels: ``[channel row column]``, normalised.
        tokens: Special tokens, then patches.
    """
    size = config.patch_size
    grid = pixels.shape[-2] // size, pixels.shape[-1] // size
    to_image = getattr(processor, "to_image", None)
    if to_image is not None:
        image = to_image(pixels)
    else:
        image = _denormalised(pixels.numpy(), processor.image_mean, processor.image_std)
    labels = getattr(config, "id2label", {}) if _has_classes(config) else {}
    return Seen(
        image, grid, len(tokens) - grid[0] * grid[1], tuple(labels[i] for i in sorted(labels))
    )


def _denormalised(
    pixels: NDArray[np.float32], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.uint8]:
    shape = (-1, 1, 1)
    levels = pixels * np.reshape(std, shape) + np.reshape(mean, shape)
    image = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _has_classes(config: Any) -> bool:
    return any("Classification" in name for name in config.architectures or ())


def put(arrays: dict[str, Any], trace: Trace) -> dict[str, Any]:
    """Add a trace's picture to the arrays of its file; return what the header says of it."""
    picture = trace.extra.get(KEY)
    if not isinstance(picture, Seen):
        return {}
    arrays[KEY] = picture.image
    facts = {"grid": picture.grid, "n_special": picture.n_special, "labels": picture.labels}
    return {KEY: {**facts, "notes": trace.notes}}


def taken(arrays: dict[str, NDArray[Any]], header: dict[str, Any]) -> dict[str, Any]:
    """Return a trace's extras from the arrays and the header of its file; none for a text.

    Raises:
        InputError: If picture and patches contradict each other.
    """
    facts = header.get(KEY)
    if facts is None:
        return {}
    image = arrays[KEY]
    rows, columns = (int(size) for size in facts["grid"])
    n_special = int(facts["n_special"])
    is_picture = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    if not is_picture or min(rows, columns) < 1 or min(image.shape) < 1:
        raise InputError(f"its picture is {image.dtype} of shape {image.shape}.")
    if n_special + rows * columns != len(header["source"]["display"]) or n_special < 0:
        raise InputError(f"it has {rows} × {columns} patches and other tokens.")
    labels = tuple(str(label) for label in facts["labels"])
    notes = tuple(str(note) for note in facts["notes"])
    return {KEY: Seen(image, (rows, columns), n_special, labels), "notes": notes}
