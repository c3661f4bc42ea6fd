"""Loading from folders: what works, and what is said of what does not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from tests.support.tiny_models import TEXT_KINDS, make_tiny
from tests.support.tiny_tokenizers import byte_level
from transformer_core.errors import ArchitectureError, ModelUnavailableError, TextTooLongError
from transformer_core.models import catalogue
from transformer_core.models.folders import context_length, read_config
from transformer_core.models.loading import load

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "bert"))


def _edit(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _cut(folder: Path, share: float) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(len(content) * share)])


def _keep(folder: Path, *names: str) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no files": (_keep, "is no model folder: it has no config.json"),
    "config only": (lambda f: _keep(f, "config.json"), "holds no weights"),
    "half the weights": (lambda f: _cut(f, 0.5), "damaged or not complete"),
    "almost all of the weights": (lambda f: _cut(f, 0.999), "damaged or not complete"),
    "empty weights": (lambda f: _cut(f, 0), "damaged or not complete"),
    "pickle only": (lambda f: (f / WEIGHTS).rename(f / "pytorch_model.bin"), "pickled weights"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "config is no text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "cannot be read"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "model_type is None"),
    "unknown kind": (lambda f: _edit(f, model_type="nope"), "model_type is 'nope'"),
    "kind is a list": (lambda f: _edit(f, model_type=["bert"]), "model_type is"),
    "code of its own": (
        lambda f: _edit(f, model_type="mine", auto_map={"AutoModel": "mine.Model"}),
        "code of its own, which is not run",
    ),
    "layers in words": (lambda f: _edit(f, num_hidden_layers="two"), "contradicts itself"),
    "other width": (lambda f: _edit(f, hidden_size=64), r"\(32,\), not \(64,\)"),
    "one layer more": (lambda f: _edit(f, num_hidden_layers=3), "Random numbers are not put"),
    "no tokenizer": (lambda f: _keep(f, "config.json", WEIGHTS), "has no tokenizer"),
    "broken tokenizer": (lambda f: (f / "tokenizer.json").write_text("{"), "no tokenizer that can"),
    "half a token": (
        lambda f: (f / "tokenizer.json").write_text(
            '{"version": "1.0", "added_tokens": [{"id": 0, "content": "a", "x": 1}]}'
        ),
        "no tokenizer that can",
    ),
    "other tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "no tokenizer that can"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_cannot_be_loaded_says_why_in_one_line(case: str, folder: Path) -> None:
    harm, said = BROKEN[case]
    harm(folder)
    with pytest.raises(ModelUnavailableError, match=said) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert folder.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "neither in the catalogue"),
        ("  ", "neither in the catalogue"),
        ("what is this?", "neither in the catalogue"),
        ("a\x00b", r"'a\\x00b' is neither"),
        ("a\ud83d", r"'a\\ud83d' is neither"),
        ("x" * 5000, "neither in the catalogue"),
        ("/" + "x" * 5000, "There is no folder"),
        ("./nowhere", r"There is no folder '\./nowhere'"),
        ("/tmp/\x00", r"There is no folder '/tmp/\\x00'"),
        ("~no-such-user/model", "There is no folder"),
        ("a/b/c", "There is no folder"),
        ("..\\model", "There is no folder"),
    ],
)
def test_a_name_that_stands_for_nothing_is_said(name: str, said: str) -> None:
    with pytest.raises(ModelUnavailableError, match=said) as caught:
        load(name)
    assert len(str(caught.value)) < 600


def test_a_file_that_is_no_model_is_said(folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="is a file. Give the folder"):
        load(folder / "config.json")


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_no_kind_of_model_is_given_a_made_up_tokenizer(kind: str, tmp_path: Path) -> None:
    folder = make_tiny(kind, tmp_path / kind)
    kept = {"config.json", "generation_config.json", WEIGHTS, "tokenizer_config.json"}
    _keep(folder, *kept)
    with pytest.raises(ModelUnavailableError, match="no tokenizer"):
        load(folder)


def test_an_image_model_without_its_processor_is_said(tmp_path: Path) -> None:
    folder = make_tiny("vit", tmp_path / "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelUnavailableError, match="no image processor"):
        load(folder)


def test_a_card_describes_a_folder(folder: Path) -> None:
    card = load(folder).card
    assert (card.id, card.name, card.family) == (str(folder), "bert", "BERT")
    assert card.task == "fill in the mask"
    assert card.size_bytes == (folder / WEIGHTS).stat().st_size
    assert card.parameters is not None and card.parameters * 4 <= card.size_bytes
    assert card.is_available and card.origin == "folder" and card.reads == "text"


def test_weights_in_parts_are_read_and_a_missing_part_is_said(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    expected = load(folder).trace("The cat").logits
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    parts = {f"model-0000{part}-of-00002.safetensors": names[part - 1 :: 2] for part in (1, 2)}
    for part, members in parts.items():
        save_file({name: tensors[name] for name in members}, folder / part, {"format": "pt"})
    places = {name: part for part, members in parts.items() for name in members}
    index = {"metadata": {}, "weight_map": places}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    found = load(folder).trace("The cat").logits
    assert expected is not None and found is not None and torch.equal(expected, found)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match="some part of it, is missing"):
        load(folder)


def test_weights_without_their_head_are_loaded_without_it(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith("bert.")}
    save_file(kept, folder / WEIGHTS, {"format": "pt"})
    model = load(folder)
    assert model.trace("The cat").logits is None
    assert model.trace("The cat").pattern("encoder", layer=1).shape[0] == 4


def test_nothing_that_a_folder_brings_is_run(folder: Path, tmp_path: Path) -> None:
    (folder / "modeling_mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    _edit(folder, auto_map={"AutoModelForMaskedLM": "modeling_mine.Model"})
    assert load(folder).trace("The cat").tokens[0] == "[CLS]"
    assert not (tmp_path / "ran").exists()


def test_loading_writes_nothing_to_stderr_but_what_is_asked_for(folder: Path) -> None:
    _edit(folder, hidden_size=64)
    code = (
        "import sys; from transformer_core.models.loading import load\n"
        f"try: load({str(folder)!r})\nexcept Exception as e: sys.stderr.write(type(e).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == "ModelUnavailableError"


def test_a_text_over_the_limit_is_said_with_its_number_of_tokens(folder: Path) -> None:
    model = load(folder)
    with pytest.raises(TextTooLongError, match=r"The text has \d+ tokens; this model reads 128"):
        model.trace("cat " * 200)


def test_a_limit_of_minus_one_is_none(folder: Path) -> None:
    config = read_config(folder)
    tokenizer = load(folder).tokenizer.hf  # type: ignore[attr-defined]
    assert context_length(config, tokenizer) == 128
    config.max_position_embeddings = -1
    tokenizer.model_max_length = 10**30
    assert context_length(config, tokenizer) is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Gemma2", {"head_dim": 8, "num_key_value_heads": 2}),
        ("DebertaV2", {}),
        ("Longformer", {"attention_window": 8}),
        ("FNet", {}),
    ],
)
def test_attention_that_cannot_be_captured_is_said_and_never_an_empty_picture(
    kind: str, fields: dict[str, int], tmp_path: Path
) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    heads = {} if kind == "FNet" else {"num_attention_heads": 4}
    tokenizer = byte_level()
    tokenizer.save_pretrained(tmp_path)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes, **heads, **fields
    )
    name = f"{kind}ForCausalLM" if kind == "Gemma2" else f"{kind}ForMaskedLM"
    getattr(transformers, name)(config).save_pretrained(tmp_path)
    with pytest.raises(ArchitectureError):
        load(tmp_path).trace("The cat sat")


def test_smollm2_loads_from_its_package_without_a_network_and_knows_the_capital() -> None:
    model = load("smollm2", allow_download=False)
    shape = model.n_layers("decoder"), model.n_heads("decoder"), model.n_ctx
    assert shape == (30, 9, 8192)
    trace = model.trace("The capital of France is")
    assert trace.light("decoder", 0).k.shape[0] == 3
    assert trace.logits is not None
    assert model.tokenizer.decode([int(trace.logits[-1].argmax())]) == " Paris"


def test_minilm_loads_from_its_package_without_a_network() -> None:
    model = load("minilm", allow_download=False)
    assert (model.n_layers("encoder"), model.n_heads("encoder"), model.n_ctx) == (6, 12, 512)
    assert model.card.id == "minilm"
    card = next(card for card in catalogue.models() if card.id == "minilm")
    assert sum(p.numel() for p in model.module.parameters()) == card.parameters  # type: ignore[attr-defined]
