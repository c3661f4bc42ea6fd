"""Training ``digits-vit``: a small vision Transformer on scikit-learn's handwritten digits.

The model is Transformers' own ``ViTForImageClassification`` (Dosovitskiy et al. 2020), only small:
it is then captured, drawn and intervened in by the code that does so for any ViT of the hub. The
images' 8 × 8 pixels make 4 × 4 patches of 2 × 2.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from transformer_core.errors import ConfigError, ModelUnavailableError
from transformer_core.models.folders import new_vision_model
from transformer_core.models.vision_digits import HELD_OUT, INK, NAME, SIDE, pixels_of

N_CLASSES = 10
SHAPE = ("patch_size", "d_model", "n_heads", "n_layers", "d_ff", "dropout")
LICENCE = "CC BY 4.0 (data: UCI, by way of scikit-learn)"
DATA = "UCI Optical Recognition of Handwritten Digits, test part, as scikit-learn ships it"

OnEpoch = Callable[["Epoch"], None]


@dataclass(frozen=True)
class DigitsRecipe:
    """Everything that decides what the weights will be.

    Attributes:
        patch_size: Pixels along a patch's side.
        rate: The learning rate after its warm-up of 5 % of the steps; it then falls to 0 along a
            half cosine.
        seed: Of the split, the first weights, the order and the augmentation.
    """

    patch_size: int = 2
    d_model: int = 64
    n_heads: int = 4
    n_layers: int = 4
    d_ff: int = 128
    dropout: float = 0.1
    n_epochs: int = 200
    batch_size: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    augmentation: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what a person can get wrong.

        Raises:
            ConfigError: If the numbers contradict each other.
        """
        if self.n_epochs < 1 or self.batch_size < 1:
            raise ConfigError(
                f"{self.n_epochs} epochs of batches of {self.batch_size}: at least 1."
            )
        if SIDE % self.patch_size or self.d_model % self.n_heads:
            raise ConfigError(
                f"Patches of {self.patch_size} must divide {SIDE}, and {self.n_heads} heads "
                f"{self.d_model} dimensions."
            )


@dataclass(frozen=True)
class Digits:
    """Images with 0 to 16 for each pixel, and the digits that they show.

    Attributes:
        images: uint8 ``[image row column]``.
        labels: int64 ``[image]``.
        positions: Where each stands in scikit-learn's data set.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def at(self, chosen: NDArray[np.int64]) -> Digits:
        """Return some of them."""
        return Digits(self.images[chosen], self.labels[chosen], self.positions[chosen])


@dataclass(frozen=True)
class Epoch:
    """How far a training is."""

    number: int
    n_epochs: int
    loss: float


def load_digits() -> Digits:
    """Return the 1,797 digits that come inside scikit-learn; nothing is fetched.

    Raises:
        ModelUnavailableError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        raise ModelUnavailableError(
            "The digits come with scikit-learn, which is not installed. "
            "Get it: pip install scikit-learn==1.9.1"
        ) from error
    data = load()
    n_images = len(data.target)
    return Digits(data.images.astype(np.uint8), data.target.astype(np.int64), np.arange(n_images))


def split(digits: Digits, seed: int) -> tuple[Digits, Digits]:
    """Return four fifths to learn from, and the fifth that is held out.

    The order is torch's permutation of a generator with this seed; the first fifth of it is held
    out (359 of 1,797).
    """
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed)).numpy()
    n_held_out = len(digits) // 5
    return digits.at(order[n_held_out:]), digits.at(order[:n_held_out])


def train(recipe: DigitsRecipe, out: Path, *, on_epoch: OnEpoch | None = None) -> dict[str, Any]:
    """Train the model and write its folder; return its facts, accuracy among them.

    The weights are those after the last epoch: nothing is chosen by the held-out fifth.

    Args:
        out: The folder; made if need be.
        on_epoch: Told after each epoch.

    Raises:
        ModelUnavailableError: If scikit-learn is not installed.
    """
    digits = load_digits()
    learnt, held_out = split(digits, recipe.seed)
    torch.manual_seed(recipe.seed)
    shape = {name: getattr(recipe, name) for name in SHAPE}
    model: Any = new_vision_model(SIDE, N_CLASSES, **shape)
    images, labels = pixels_of(learnt.images), torch.from_numpy(learnt.labels)
    n_steps = recipe.n_epochs * math.ceil(len(learnt) / recipe.batch_size)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, n_steps))
    for number in range(1, recipe.n_epochs + 1):
        model.train()
        losses = []
        for chosen in torch.randperm(len(learnt)).split(recipe.batch_size):
            logits = model(pixel_values=augmented(images[chosen], recipe.augmentation)).logits
            loss = functional.cross_entropy(
                logits, labels[chosen], label_smoothing=recipe.label_smoothing
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if on_epoch is not None:
            on_epoch(Epoch(number, recipe.n_epochs, float(np.mean(losses))))
    return _save(model, recipe, (learnt, held_out), out)


@torch.inference_mode()
def predict(model: Any, images: NDArray[np.uint8]) -> Int[Tensor, " image"]:
    """Return the digit that a model reads in each image, of 0 to 16 a pixel."""
    model.eval()
    read: Tensor = model(pixel_values=pixels_of(images)).logits.argmax(-1)
    return read


def augmented(
    images: Float[Tensor, "image 1 row column"], strength: float = 1.0
) -> Float[Tensor, "image 1 row column"]:
    """Turn, shear, stretch and move half of the images, and let their ink be weaker or stronger.

    At strength 1 up to 10°, 12 % of shear, 10 % of size, 0.8 pixels, and a power of 0.8 to 1.25 of
    the ink. The other half stays as it is: what is moved by parts of a pixel is blurred, too, and
    the images to be read are not.
    """
    n_images = len(images)

    def uniform(reach: float) -> Tensor:
        return torch.empty(n_images).uniform_(-reach * strength, reach * strength)

    angle, shear = uniform(10) * math.pi / 180, uniform(0.12)
    wide, high = 1 + uniform(0.1), 1 + uniform(0.1)
    cos, sin = angle.cos(), angle.sin()
    shift = 0.8 * 2 / SIDE  # of a picture that runs from −1 to 1
    rows = [
        torch.stack([wide * cos, wide * (shear - sin), uniform(shift)], dim=-1),
        torch.stack([high * sin, high * cos, uniform(shift)], dim=-1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    ink = (images + 1) / 2
    moved = functional.grid_sample(ink, grid, align_corners=False).clamp(0, 1)
    power = torch.exp(uniform(math.log(1.25)))
    changed = moved ** power[:, None, None, None] * 2 - 1
    is_kept = torch.rand(n_images) < 0.5
    return torch.where(is_kept[:, None, None, None], images, changed)


def _rate(step: int, n_steps: int) -> float:
    warmup = max(1, n_steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))


def _save(
    model: Any, recipe: DigitsRecipe, parts: tuple[Digits, Digits], out: Path
) -> dict[str, Any]:
    """Write weights, config, processor, facts, and the held-out fifth."""
    learnt, held_out = parts
    right = predict(model, held_out.images).numpy() == held_out.labels
    learnt_right = predict(model, learnt.images).numpy() == learnt.labels
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    for weights in out.glob("*.safetensors"):
        weights.chmod(0o644)  # written for their owner alone
    processor = {"image_processor_type": NAME, "side": SIDE, "ink": INK}
    _write_json(out / "preprocessor_config.json", processor)
    np.savez_compressed(out / HELD_OUT, **asdict(held_out))
    facts = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "accuracy": round(float(right.mean()), 4),
        "held_out": {
            "images": len(held_out),
            "right": int(right.sum()),
            "misread": [int(i) for i in np.flatnonzero(~right)],
        },
        "learnt": {"images": len(learnt), "accuracy": round(float(learnt_right.mean()), 4)},
        "data": DATA,
        "licence": LICENCE,
        "revision": hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()[:12],
        "recipe": asdict(recipe),
    }
    _write_json(out / "card.json", facts)
    return facts


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
