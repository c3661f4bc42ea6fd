"""GGUF files against the model that was written into them, and against Transformers' own reader."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.tiny_gguf import logits_of, make_gguf
from tests.support.tiny_models import make_tiny
from transformer_core.errors import ModelUnavailableError, StoppedError
from transformer_core.models import gguf
from transformer_core.models.loading import load

TEXTS = ["The cat sat on the mat.", "été 🙂 中文, 1234 \x00!", "two  spaces\n\nand lines"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("llama", tmp_path_factory.mktemp("llama") / "model")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(llama: Path, tmp_path: Path) -> Path:
    return make_gguf(llama, tmp_path / "tiny.gguf")


def test_a_converted_model_computes_what_the_original_does(llama: Path, file: Path) -> None:
    converted, original = load(file), load(llama)
    for text in TEXTS:
        ours, theirs = converted.trace(text), original.trace(text)
        assert ours.source.ids == theirs.source.ids
        assert ours.logits is not None and theirs.logits is not None
        assert torch.allclose(ours.logits, theirs.logits, atol=1e-6)
        assert torch.allclose(
            ours.pattern("decoder", layer=1), theirs.pattern("decoder", layer=1), atol=1e-6
        )


def test_quantised_weights_are_those_that_transformers_reads(llama: Path, tmp_path: Path) -> None:
    file = make_gguf(llama, tmp_path / "q8.gguf", quantised=True)
    folder = tmp_path / "converted"
    folder.mkdir()
    gguf.convert(file, folder)
    ours = AutoModelForCausalLM.from_pretrained(folder)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=file.name)
    ids = AutoTokenizer.from_pretrained(llama)("The cat sat")["input_ids"]
    assert torch.allclose(logits_of(ours, ids), logits_of(theirs, ids), atol=1e-5)
    original = AutoModelForCausalLM.from_pretrained(llama)
    assert not torch.equal(logits_of(ours, ids), logits_of(original, ids))


def test_a_folder_with_one_gguf_file_is_a_model(file: Path) -> None:
    model = load(file.parent)
    assert model.card.name == "tiny"
    assert model.card.family == "GPT"
    assert model.trace("The cat").n_heads("decoder") == 4


def test_a_second_load_converts_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(file)
    monkeypatch.setattr(gguf, "convert", None)
    load(file)


def test_progress_reaches_the_end_and_can_stop_the_conversion(file: Path, own_cache: Path) -> None:
    def stop(message: str, share: float) -> None:
        if message == "Converting the weights" and share > 0.4:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        load(file, progress=stop)
    assert not [path for path in (own_cache / "models").iterdir() if path.is_dir()]
    shares: list[float] = []
    load(file, progress=lambda message, share: shares.append(share) if "Conv" in message else None)
    assert shares == sorted(shares) and shares[-1] == 1


def test_a_damaged_file_is_refused_and_leaves_nothing(
    file: Path, tmp_path: Path, own_cache: Path
) -> None:
    whole = file.read_bytes()
    for size in (0, 3, 50, 2_000, len(whole) // 2, len(whole) - 1):
        broken = tmp_path / f"broken{size}.gguf"
        broken.write_bytes(whole[:size])
        with pytest.raises(ModelUnavailableError, match="no readable GGUF file"):
            load(broken)
    assert not [path for path in (own_cache / "models").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("old", "new"), [(b"llama", b"qwens"), (b"gpt-2", b"gpt-9")])
def test_what_would_be_converted_wrongly_is_refused(file: Path, old: bytes, new: bytes) -> None:
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(ModelUnavailableError, match="is not known here"):
        load(file)
