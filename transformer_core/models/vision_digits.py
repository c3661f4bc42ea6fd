"""From a picture of a digit to the 8 × 8 pixels that ``digits-vit`` reads, and its image processor.

The data set's images were made by NIST's form-based recognition system: a digit of 32 × 32 black or
white pixels, made to fill the height and about 20 of the width, its strokes thickened or thinned;
each of the 8 × 8 numbers counts the inked pixels of a block of 4 × 4, from 0 to 16. A drawing goes
the same way here, or the model would be asked about images unlike any that it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from transformer_core.errors import InputError, ModelUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

NAME = "DigitsProcessor"
SIDE = 8
HELD_OUT = "held_out.npz"
INK = 16
"""A pixel that is inked all over."""

_BLOCK = 4
_FINE = SIDE * _BLOCK
_WIDTH = 20
_MAX_STRETCH = 2.0
_LEAST_INK, _MOST_INK = 0.25, 0.36
"""Between these shares of ink lie most images of the data set; its mean is 0.31."""


def pixels_of(images: NDArray[np.uint8]) -> Tensor:
    """Return ink from 0 to 16 as the model reads it, from −1 to 1: ``[image 1 row column]``."""
    import torch

    return torch.from_numpy(np.asarray(images, np.float32) / (INK / 2) - 1)[:, None]


def is_digit(image: Any) -> bool:
    """Whether this is an image of the data set's own kind: 8 × 8 numbers from 0 to 16."""
    return (
        isinstance(image, np.ndarray)
        and image.shape == (SIDE, SIDE)
        and image.dtype != np.bool_
        and bool(np.isfinite(image).all())
        and 0 <= float(image.min()) <= float(image.max()) <= INK
    )


def to_digit(image: Image.Image) -> NDArray[np.uint8]:
    """Make a digit of any picture of one: cut out, stretched, thickened, counted by blocks.

    Args:
        image: Dark strokes on a light ground, or light on dark: the ground is what its rim shows.

    Returns:
        Ink from 0 to 16, ``[row column]``.

    Raises:
        InputError: If there is nothing on the picture.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(rim))
    if ink.max() < 32:
        raise InputError("The picture is empty: every pixel has nearly the same colour.")
    ink /= ink.max()
    rows, columns = np.where((ink > 0.4).any(1))[0], np.where((ink > 0.4).any(0))[0]
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _counted(_thickened(_fitted(Image.fromarray((cut * 255).astype(np.uint8)))))


def _fitted(cut: Image.Image) -> Image.Image:
    """Fill the height, and about 20 of the 32 pixels of the width; narrow ones at most doubled."""
    wide = cut.width / cut.height * _FINE
    width = round(
        min(max(wide, min(_WIDTH, wide * _MAX_STRETCH)), _WIDTH if wide < 2 * _FINE else _FINE)
    )
    height = _FINE if wide < 2 * _FINE else max(_BLOCK, round(_FINE * _FINE / wide))
    small = cut.resize((max(1, width), height), Image.Resampling.BOX)
    whole = Image.new("L", (_FINE, _FINE))
    whole.paste(small, ((_FINE - small.width) // 2, (_FINE - small.height) // 2))
    return whole.point(lambda level: 255 if level > 102 else 0)


def _thickened(whole: Image.Image) -> Image.Image:
    """Thicken thin strokes and thin thick ones until there is about as much ink as in the data."""
    for _ in range(_BLOCK):
        share = float(np.asarray(whole).mean()) / 255
        if share < _LEAST_INK:
            fuller = whole.filter(ImageFilter.MaxFilter(3))
            if float(np.asarray(fuller).mean()) / 255 > _MOST_INK + 0.05:
                break
            whole = fuller
        elif share > _MOST_INK:
            thinner = whole.filter(ImageFilter.MinFilter(3))
            if float(np.asarray(thinner).mean()) / 255 < _LEAST_INK - 0.05:
                break
            whole = thinner
        else:
            break
    return whole


def _counted(whole: Image.Image) -> NDArray[np.uint8]:
    """Count the inked pixels of each block of 4 × 4."""
    inked = np.asarray(whole) > 0
    blocks = inked.reshape(SIDE, _BLOCK, SIDE, _BLOCK)
    counted: NDArray[np.uint8] = blocks.sum(axis=(1, 3)).astype(np.uint8)
    return counted


class DigitsProcessor:
    """What turns pictures into the pixels of ``digits-vit``, called as Transformers' are."""

    notes = (
        "Cut out, fitted, thickened or thinned, and counted by blocks to 8 × 8 pixels, as the "
        "digits that the model learnt from were.",
    )

    def takes(self, image: Any) -> bool:
        """Whether an image needs no preparing."""
        return is_digit(image)

    def to_image(self, pixels: Tensor) -> NDArray[np.uint8]:
        """Return what the model reads as dark ink on white, ``[row column 3]``."""
        ink = (pixels[0].numpy() + 1) / 2
        grey = np.rint(255 * (1 - np.clip(ink, 0, 1))).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)

    def __call__(self, images: Sequence[Any], *, return_tensors: str = "pt") -> dict[str, Tensor]:
        """Return ``pixel_values``, ``[image 1 row column]``, from −1 to 1.

        Args:
            images: Pictures of any size, or arrays of 8 × 8 numbers from 0 to 16 as they are.

        Raises:
            InputError: If a picture is empty.
        """
        if return_tensors != "pt":
            raise InputError(f"return_tensors is {return_tensors!r}; only 'pt' is made here.")
        digits = [image if is_digit(image) else to_digit(image) for image in images]
        return {"pixel_values": pixels_of(np.stack(digits).astype(np.uint8))}


def is_for_digits(folder: Path) -> bool:
    """Whether a folder's images go through this processor."""
    try:
        settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("image_processor_type") == NAME


@dataclass(frozen=True, eq=False)
class Examples:
    """The digits that ``digits-vit`` was not trained on.

    Attributes:
        images: Ink from 0 to 16, ``[image row column]``.
        labels: The digits that they show.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


def held_out(folder: Path) -> Examples:
    """Return the held-out digits that lie beside the weights.

    Raises:
        ModelUnavailableError: If they are not there.
    """
    try:
        with np.load(folder / HELD_OUT) as arrays:
            return Examples(arrays["images"], arrays["labels"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailableError(
            f"The held-out digits are not in {folder / HELD_OUT}. Get them: git checkout -- "
            "assets/models/digits-vit"
        ) from error


def as_picture(digit: NDArray[np.uint8]) -> Image.Image:
    """Return a digit of the data set as an ordinary picture, dark on white."""
    grey = np.rint(255 * (1 - digit.astype(np.float32) / INK)).astype(np.uint8)
    return Image.fromarray(grey)
