"""Our own models as folders: written, read back, and refused when something is wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from transformer_core.config import TransformerConfig
from transformer_core.errors import FileFormatError, ModelUnavailableError
from transformer_core.model import Transformer
from transformer_core.models.scratch import is_own_folder, load_model, save_model
from transformer_core.tokenization.bpe import train_bpe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = train_bpe(["Le chat dort.", "The cat sleeps."], vocab_size=262)
    save_model(tmp_path / "model", make_model(), tokenizer)
    return tmp_path / "model"


def make_model() -> Transformer:
    config = TransformerConfig(
        vocab_size=262, d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1, n_decoder_layers=1
    )
    return Transformer(config, generator=torch.Generator().manual_seed(2))


def test_a_model_comes_back_as_it_was_to_16_bits(folder: Path) -> None:
    wanted = make_model().eval()
    model, tokenizer = load_model(folder)
    assert model.config == wanted.config and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert tokenizer.n_ctx == model.config.n_ctx
    for name, tensor in wanted.state_dict().items():
        assert model.state_dict()[name].dtype == torch.float32
        assert torch.equal(model.state_dict()[name], tensor.half().float())
    src = torch.tensor([tokenizer.encode("The cat sleeps.").ids])
    logits = model(src, torch.tensor([[1, 5]]), src_mask=None)
    torch.testing.assert_close(
        logits, wanted(src, torch.tensor([[1, 5]]), src_mask=None), atol=1e-2, rtol=1e-2
    )


def test_in_32_bits_nothing_is_lost(tmp_path: Path) -> None:
    tokenizer = train_bpe(["Le chat dort."], vocab_size=262)
    model = make_model()
    save_model(tmp_path, model, tokenizer, in_16_bits=False)
    for name, tensor in load_model(tmp_path)[0].state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_a_folder_of_ours_is_told_from_others(folder: Path, tmp_path: Path) -> None:
    assert is_own_folder(folder)
    assert not is_own_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert not is_own_folder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert not is_own_folder(tmp_path)
    with pytest.raises(ModelUnavailableError, match="cannot be used"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelUnavailableError, match="no model of transformer-workbench"):
        load_model(tmp_path)


def test_weights_too_large_for_16_bits_are_refused(tmp_path: Path) -> None:
    model = make_model()
    with torch.no_grad():
        model.target_embedding.weight[0, 0] = 1e6
    with pytest.raises(FileFormatError, match="1e"):
        save_model(tmp_path, model, train_bpe(["a"], vocab_size=262))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_folder_is_refused(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnavailableError, match=r"(damaged|cannot be used)"):
        load_model(folder)


def test_files_that_do_not_belong_together_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"d_ff": 64}))
    with pytest.raises(ModelUnavailableError, match="not those of its configuration"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 999}))
    with pytest.raises(ModelUnavailableError, match="262 entries, the model 999"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config | {"n_heads": 3}))
    with pytest.raises(ModelUnavailableError, match="n_heads|heads"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.norm.weight")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelUnavailableError, match="not those of its configuration"):
        load_model(folder)
