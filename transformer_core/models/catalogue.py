"""The models that the workbench knows by name, and whether each can be loaded right now.

Nothing here imports torch or transformers: the list is on screen before they are loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from transformer_core.models import trained
from transformer_core.models.packages import MINILM, SMOLLM2, WeightPackage

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"
"""Where the weights lie that come with the project."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model before it is loaded.

    Attributes:
        id: What ``load`` takes.
        name: Its name as people read it.
        family: ``BERT``, ``GPT``, ``encoder–decoder`` or ``ViT``.
        task: What it was trained to do.
        parameters: How many numbers were learned; None if unknown.
        size_bytes: What it takes on disk or over the network; None if unknown.
        licence: Of the weights.
        source: Where the weights come from.
        is_available: Whether it can be loaded right now, without a network.
        how_to_get: What to do if it is not available; empty if it is.
        description: What it is good for here, in a sentence.
        revision: Which weights these are: a version, a commit, a fingerprint.
        origin: ``shipped``, ``package``, ``hub``, ``folder`` or ``trained`` (here, and kept).
        reads: ``text`` or ``image``.
        hub_id: Its repository on the Hugging Face hub, if it comes from there.
    """

    id: str
    name: str
    family: str
    task: str
    parameters: int | None = None
    size_bytes: int | None = None
    licence: str = "unknown"
    source: str = ""
    is_available: bool = True
    how_to_get: str = ""
    description: str = ""
    revision: str = ""
    origin: str = "folder"
    reads: str = "text"
    hub_id: str | None = None


_MINILM = ModelCard(
    id="minilm",
    name="all-MiniLM-L6-v2",
    family="BERT",
    task="sentence embeddings",
    parameters=22_713_216,
    size_bytes=90_868_376,
    licence="Apache-2.0 (package: MIT)",
    source="sentence-transformers/all-MiniLM-L6-v2",
    description="A small encoder: 6 layers of 12 heads that read a whole sentence at once.",
    revision=MINILM.version,
    origin="package",
)
_SMOLLM2 = ModelCard(
    id="smollm2",
    name="SmolLM2-135M-Instruct",
    family="GPT",
    task="text generation",
    parameters=134_515_008,
    size_bytes=98_362_432,
    licence="Apache-2.0",
    source="HuggingFaceTB/SmolLM2-135M-Instruct",
    description=(
        "A small decoder that writes: 30 layers of 9 heads, 3 key-value heads. Its weights were "
        "quantised to 4 bits (Q4_1); the numbers are those of the quantised model."
    ),
    revision=f"{SMOLLM2.version} Q4_1",
    origin="package",
)
_EN_FR_SMALL = ModelCard(
    id="en-fr-small",
    name="English–French, small",
    family="encoder–decoder",
    task="translation",
    licence="CC-BY 2.0 FR (trained on Tatoeba)",
    source="trained by this project",
    description="Our own encoder–decoder, as in the paper: it translates English into French.",
    origin="shipped",
)
_EN_FR_STUDENT = ModelCard(
    id="en-fr-student",
    name="English–French, student",
    family="encoder–decoder",
    task="translation",
    licence="CC-BY 2.0 FR (trained on Tatoeba)",
    source="trained by this project",
    description="A student of en-fr-small: it learned from what its teacher thinks likely.",
    origin="shipped",
)
_DIGITS_VIT = ModelCard(
    id="digits-vit",
    name="Digits ViT",
    family="ViT",
    task="image classification",
    licence="CC BY 4.0 (trained on UCI's digits)",
    source="trained by this project",
    description="A vision Transformer that reads handwritten digits of 8 × 8 pixels.",
    origin="shipped",
    reads="image",
)


def _hub(hub_id: str, **facts: str | int) -> ModelCard:
    card = ModelCard(id=hub_id, name=hub_id.partition("/")[2], family="", task="", origin="hub")
    source = f"https://huggingface.co/{hub_id}"
    return replace(card, source=source, hub_id=hub_id, **facts)  # type: ignore[arg-type]


_HUB = (
    _hub(
        "Helsinki-NLP/opus-mt-en-fr",
        family="encoder–decoder",
        task="translation",
        parameters=74_800_000,
        size_bytes=301_000_000,
        licence="Apache-2.0",
        description="Marian: 6 + 6 layers of 8 heads that translate English into French.",
    ),
    _hub(
        "facebook/bart-large-cnn",
        family="encoder–decoder",
        task="summarisation",
        parameters=406_000_000,
        size_bytes=1_630_000_000,
        licence="MIT",
        description="BART, fine-tuned to summarise news: 12 + 12 layers of 16 heads.",
    ),
    _hub(
        "google-bert/bert-base-uncased",
        id="bert-base-uncased",
        family="BERT",
        task="fill in the mask",
        parameters=110_000_000,
        size_bytes=440_000_000,
        licence="Apache-2.0",
        description="The encoder of the BERT paper: 12 layers of 12 heads.",
    ),
    _hub(
        "openai-community/gpt2",
        id="gpt2",
        family="GPT",
        task="text generation",
        parameters=124_000_000,
        size_bytes=548_000_000,
        licence="MIT",
        description="The decoder that much interpretability work studies: 12 layers of 12 heads.",
    ),
    _hub(
        "google/vit-base-patch16-224",
        family="ViT",
        task="image classification",
        parameters=86_600_000,
        size_bytes=346_000_000,
        licence="Apache-2.0",
        reads="image",
        description="The vision Transformer: an image as 14 × 14 patches, 12 layers of 12 heads.",
    ),
)


def models() -> list[ModelCard]:
    """Return the catalogue, with what can be loaded right now told apart.

    A model that ships with the project and is not there (yet) says how to get it; the student and
    the digits ViT are then left out.
    """
    cards = [
        _from_package(_MINILM, MINILM),
        _from_package(_SMOLLM2, SMOLLM2),
        _shipped(_EN_FR_SMALL),
    ]
    small = [_shipped(_EN_FR_STUDENT), _shipped(_DIGITS_VIT)]
    cards += [card for card in small if card.is_available]
    return [*cards, *(_from_hub(card) for card in _HUB)]


def find_card(name: str) -> ModelCard | None:
    """Return the card of a catalogue id, a kept model or a hub id in the catalogue; else None."""
    if name.startswith(trained.PREFIX):
        return _trained(name)
    makers: dict[str, Callable[[], ModelCard]] = {
        _MINILM.id: lambda: _from_package(_MINILM, MINILM),
        _SMOLLM2.id: lambda: _from_package(_SMOLLM2, SMOLLM2),
        _EN_FR_SMALL.id: lambda: _shipped(_EN_FR_SMALL),
        _EN_FR_STUDENT.id: lambda: _shipped(_EN_FR_STUDENT),
        _DIGITS_VIT.id: lambda: _shipped(_DIGITS_VIT),
    }
    if name in makers:
        return makers[name]()
    found = next((card for card in _HUB if name in (card.id, card.hub_id)), None)
    return None if found is None else _from_hub(found)


def _from_package(card: ModelCard, package: WeightPackage) -> ModelCard:
    if package.locate() is not None:
        return card
    return replace(card, is_available=False, how_to_get=package.install_command)


def _shipped(card: ModelCard) -> ModelCard:
    folder = SHIPPED / card.id
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        command = f"git checkout -- assets/models/{card.id}"
        return replace(card, is_available=False, how_to_get=command)
    size = sum(path.stat().st_size for path in weights)
    facts = {"size_bytes": size, "revision": fingerprint(folder)} | _own_facts(folder)
    return replace(card, **facts)  # type: ignore[arg-type]


def _trained(model_id: str) -> ModelCard | None:
    """A model that was trained here and kept; who does not know its id does not find it."""
    folder = trained.folder_of(model_id)
    if folder is None:
        return None
    card = ModelCard(model_id, model_id, "encoder–decoder", "text to text", origin="trained")
    size = (folder / "model.safetensors").stat().st_size
    return replace(card, size_bytes=size, **_own_facts(folder))  # type: ignore[arg-type]


def _own_facts(folder: Path) -> dict[str, object]:
    """What a folder's ``card.json`` says of its model; nothing where there is none."""
    try:
        content = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = {"name", "task", "parameters", "licence", "source", "description", "revision"}
    return {key: value for key, value in content.items() if key in known}


def _from_hub(card: ModelCard) -> ModelCard:
    # Imported here: the hub's client is not needed to list what ships with the project.
    from transformer_core.models.hub import cached_folder

    folder = cached_folder(card.hub_id or card.id)
    if folder is not None:
        return replace(card, revision=folder.name[:12])
    command = f"python -c \"import transformer_core as tc; tc.load('{card.id}')\""
    how_to_get = f"{command}  # downloads {megabytes(card.size_bytes)}"
    return replace(card, is_available=False, how_to_get=how_to_get)


def fingerprint(folder: Path) -> str:
    """Return a short mark that changes when the weights in a folder are replaced."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")]):
        stat = path.stat()
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def megabytes(size_bytes: int | None) -> str:
    """Return a size as people read it."""
    if size_bytes is None:
        return "unknown size"
    if size_bytes >= 10**9:
        return f"{size_bytes / 10**9:.2f} GB"
    if size_bytes >= 10**6:
        return f"{size_bytes / 10**6:.0f} MB"
    return f"{size_bytes / 10**3:.0f} kB"
