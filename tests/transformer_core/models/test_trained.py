"""Models that were trained here: kept, found by their id alone, and carried in ZIP files."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch

import transformer_core as tc
from transformer_core.config import TransformerConfig
from transformer_core.errors import BusyError, FileFormatError, ModelUnavailableError
from transformer_core.model import Transformer
from transformer_core.models import trained
from transformer_core.models.catalogue import find_card, models
from transformer_core.models.lookup import is_here, look_up
from transformer_core.tokenization.characters import train_characters


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def kept() -> str:
    tokenizer = train_characters(["abc"])
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=32, n_ctx=32,
        n_encoder_layers=1, n_decoder_layers=1,
    )  # fmt: skip
    model = Transformer(config, generator=torch.Generator().manual_seed(0))
    return trained.keep_model(
        model, tokenizer, name="Reverse, 10 symbols", description="Made up.", revision="step 7"
    )


def test_a_kept_model_is_loaded_by_its_id(kept: str) -> None:
    model = tc.load(kept)
    trace = model.trace("abc", "cba")
    assert trace.model_name == "Reverse, 10 symbols"
    assert trace.revision == "step 7"
    assert trace.tokens == ["a", "b", "c", "</s>"]
    assert model.card.parameters == sum(p.numel() for p in model.module.parameters())


def test_only_who_knows_its_id_finds_it(kept: str) -> None:
    assert kept.startswith("trained-reverse-10-symbols-")
    assert is_here(kept)
    assert look_up(kept).card.origin == "trained"
    assert kept not in [card.id for card in models()]
    assert find_card("trained-reverse-10-symbols-00000000") is None
    with pytest.raises(ModelUnavailableError, match="open its ZIP file on the Train page"):
        tc.load("trained-reverse-10-symbols-00000000")
    assert trained.folder_of("trained-../../etc") is None


def test_a_zip_file_brings_the_same_model_back(kept: str) -> None:
    content = trained.to_zip(kept)
    again = trained.from_zip(content, name="mine.zip")
    assert again != kept
    first, second = tc.load(kept), tc.load(again)
    assert first.trace("abcab", "ba").logits.equal(second.trace("abcab", "ba").logits)
    assert second.card.name == "Reverse, 10 symbols"


def test_a_folder_out_of_the_zip_file_is_loaded_as_any_folder(kept: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(trained.to_zip(kept))) as archive:
        archive.extractall(tmp_path / "out")
    model = tc.load(tmp_path / "out" / kept)
    assert model.trace("ab", "ba").tokens == ["a", "b", "</s>"]


def changed(content: bytes, **files: bytes | None) -> bytes:
    """The archive with some files replaced (None: left out)."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        names = {name.rpartition("/")[2]: old.read(name) for name in old.namelist()}
        for name, data in {
            **names,
            **{key.replace("_", "."): v for key, v in files.items()},
        }.items():
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config_json": None}, "lacks config.json"),
        ({"model_safetensors": None}, "lacks model.safetensors"),
        ({"model_safetensors": b"\x80\x04pickle"}, "damaged"),
        ({"config_json": b"{}"}, "holds no model"),
        ({"tokenizer_json": b"[]"}, "damaged"),
    ],
)
def test_a_zip_file_that_is_no_model_says_why(
    kept: str, files: dict[str, bytes | None], says: str, tmp_path: Path
) -> None:
    n_before = len(list(trained.trained_folder().iterdir()))
    with pytest.raises(FileFormatError, match=says) as caught:
        trained.from_zip(changed(trained.to_zip(kept), **files), name="mine.zip")
    assert "mine.zip" in str(caught.value)
    assert "/tmp/tmp" not in str(caught.value)
    assert len(list(trained.trained_folder().iterdir())) == n_before


def test_a_huge_model_is_refused_before_it_is_made(kept: str) -> None:
    config = json.loads((trained.trained_folder() / kept / "config.json").read_text())
    config |= {"d_model": 65_536, "d_ff": 262_144}
    content = changed(trained.to_zip(kept), config_json=json.dumps(config).encode())
    with pytest.raises(FileFormatError, match="parameters; 50,000,000 at most"):
        trained.from_zip(content, name="mine.zip")


def test_no_path_of_an_archive_is_followed(kept: str, tmp_path: Path) -> None:
    out = io.BytesIO(trained.to_zip(kept))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr("/tmp/evil.py", "x")
    again = trained.from_zip(out.getvalue(), name="mine.zip")
    names = {path.name for path in (trained.trained_folder() / again).iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "card.json"}
    assert not list(tmp_path.rglob("evil*"))


def test_what_unpacks_to_too_much_is_refused(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(trained.to_zip(kept), model_safetensors=b"\0" * 3_000_000)
    monkeypatch.setattr(trained, "MAX_ZIP_BYTES", 1_000_000)
    assert len(bomb) < 1_000_000
    with pytest.raises(FileFormatError, match="unpacks to more"):
        trained.from_zip(bomb, name="mine.zip")
    with pytest.raises(FileFormatError, match="may be read"):
        trained.from_zip(b"x" * 1_000_001, name="mine.zip")
    with pytest.raises(FileFormatError, match="no ZIP file"):
        trained.from_zip(b"no archive", name="mine.zip")


def test_a_server_keeps_so_many_and_deletes_none(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "MAX_KEPT", 1)
    with pytest.raises(BusyError, match="keeps 1 models"):
        trained.from_zip(trained.to_zip(kept), name="mine.zip")
    assert find_card(kept) is not None
