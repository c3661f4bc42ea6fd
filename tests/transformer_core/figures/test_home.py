"""The pictures of Home hold the model's numbers; those that ship are of the model that ships."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_translator import make_translator
from transformer_core.analysis.word_alignment import word_weights
from transformer_core.errors import EmptyInputError, FileFormatError
from transformer_core.figures import home
from transformer_core.figures.architecture import with_links
from transformer_core.figures.architecture_words import opens, words_of
from transformer_core.models.catalogue import find_card
from transformer_core.models.loading import load
from transformer_core.tasks.alignments import measured_choice

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_translator(tmp_path_factory.mktemp("tiny") / "model", n_ctx=96))


@pytest.fixture(scope="module")
def pictures(model: Any) -> home.Pictures:
    return home.pictures_of(model, TEXT)


def whole_trace(model: Any, pictures: home.Pictures) -> Any:
    target = model.tokenizer.from_ids(block(pictures, "decoder.tokens")["layers"][0]["values"])
    return model.trace(TEXT, target)


def block(pictures: home.Pictures, name: str) -> Any:
    return pictures.architecture.header["options"]["blocks"][name]


def test_the_map_has_the_layers_and_norms_of_the_model(model: Any, pictures: home.Pictures) -> None:
    options = pictures.architecture.header["options"]
    config = model.module.config
    assert (options["shape"]["encoder"], options["shape"]["decoder"]) == (2, 2)
    assert list(options["blocks"]) == list(words_of(config))
    pre = ["encoder.self.norm", "encoder.self.block", "encoder.self.add"]
    assert [name for name in options["blocks"] if name.startswith("encoder.self")] == pre
    assert len(block(pictures, "decoder.cross.block")["layers"]) == 2
    assert len(block(pictures, "linear")["layers"]) == 1


def test_lengths_shapes_and_patterns_are_those_of_the_trace(
    model: Any, pictures: home.Pictures
) -> None:
    trace = whole_trace(model, pictures)
    for layer in (0, 1):
        numbers = block(pictures, "encoder.ff.add")["layers"][layer]
        resid = trace.resid("encoder", layer=layer)
        assert numbers["shape"] == list(resid.shape)
        assert numbers["values"] == pytest.approx(resid.norm(dim=-1).tolist(), rel=1e-3)
        pattern = trace.pattern("cross", layer=layer).mean(dim=0).numpy()
        shown = pictures.architecture.arrays["cross"].values()[layer]
        assert shown == pytest.approx(pattern, abs=5e-3)
    chances = trace.logits.softmax(dim=-1)
    best = block(pictures, "softmax")["layers"][0]["values"]
    assert best == pytest.approx(chances.amax(dim=-1).tolist(), rel=1e-3)
    likeliest = [model.tokenizer.show(i) for i in chances.argmax(dim=-1).tolist()]
    assert pictures.architecture.header["options"]["predicted"] == likeliest
    assert pictures.architecture.header["badge"]["ok"]


def test_the_alignment_is_the_cross_attention_by_word(model: Any, pictures: home.Pictures) -> None:
    trace = whole_trace(model, pictures)
    expected = word_weights(trace, measured_choice(model)).numpy()
    assert pictures.alignment.arrays["weights"].values() == pytest.approx(expected, abs=1e-4)
    first = pictures.alignment.header["options"]["words"][0]
    word = next(w for w in trace.target.words if not w.is_special)
    own = [trace.logits.softmax(-1)[p - 1, trace.target.ids[p]] for p in word.positions]
    assert first["p"] == pytest.approx(float(torch.stack(own).prod()), rel=1e-3)


def test_the_translation_is_that_of_the_model(pictures: home.Pictures, model: Any) -> None:
    assert pictures.written == model.translate(TEXT, home.STRATEGY)[: len(pictures.written)]
    steps = [*model.decode(TEXT, home.STRATEGY)]
    ids = block(pictures, "decoder.tokens")["layers"][0]["values"][1:]
    assert ids == [step.token_id for step in steps][: len(ids)]


def test_what_the_limit_cut_is_said_and_only_that(pictures: home.Pictures) -> None:
    notes = pictures.alignment.header["notes"]
    is_cut = len(block(pictures, "decoder.tokens")["layers"][0]["values"]) > 20
    assert any("Cut after" in note for note in notes) == is_cut
    shipped = home.load().alignment.header["notes"]
    assert not any("Cut after" in note for note in shipped)


def test_links_are_set_without_touching_the_numbers(pictures: home.Pictures) -> None:
    linked = with_links(pictures.architecture, {"linear": "Decoding"}, "encoder.embedding")
    assert linked.header["options"]["opens"] == {"linear": "Decoding"}
    assert linked.header["options"]["highlight"] == "encoder.embedding"
    assert pictures.architecture.header["options"]["opens"] == {}
    assert with_links(pictures.architecture, {}, "nothing").header["options"]["highlight"] is None
    assert linked.arrays is pictures.architecture.arrays


def test_each_block_opens_the_page_of_its_subject(model: Any) -> None:
    by_page = {page: [] for page in ("attention", "layer", "positions", "decoding")}  # type: ignore[var-annotated]
    for name in words_of(model.module.config):
        by_page[opens(name)].append(name)
    assert by_page["positions"] == ["encoder.positions", "decoder.positions"]
    assert by_page["decoding"] == ["linear", "softmax"]
    assert "decoder.cross.block" in by_page["attention"]
    assert "encoder.ff.block" in by_page["layer"]


def test_files_hold_every_number_once(pictures: home.Pictures) -> None:
    blocks = pictures.architecture.header["options"]["blocks"]
    n_values = sum(len(layer["values"]) for b in blocks.values() for layer in b["layers"])
    source, _, *rows = csv.reader(io.StringIO(home.to_csv(pictures)))
    assert TEXT in source[0]
    assert len(rows) == n_values
    content = json.loads(home.to_json(pictures))
    assert content["text"] == TEXT
    assert content["blocks"]["linear"]["layers"] == blocks["linear"]["layers"]


def test_the_shipped_pictures_are_of_the_shipped_model() -> None:
    shipped, card = home.load(), find_card(home.MODEL)
    assert card is not None
    for payload in (shipped.alignment, shipped.architecture):
        assert payload.header["text"] == home.TEXT
        made_from = payload.header["revision"]
        assert made_from == card.revision, "run `python -m transformer_core first-paint`"


def test_pictures_are_saved_and_read_again(model: Any, tmp_path: Path) -> None:
    paths = home.save(model, folder=tmp_path)
    assert all(path.stat().st_size < 100_000 for path in paths)
    assert home.load(tmp_path).text == home.TEXT
    with pytest.raises(FileFormatError, match="first-paint"):
        home.load(tmp_path / "nowhere")


def test_a_text_is_cut_at_sentences_and_an_empty_one_refused(model: Any) -> None:
    assert home.parts_of(model, TEXT) == [TEXT]
    assert home.parts_of(model, "The cat sat.\nThe dog ran.") == ["The cat sat.", "The dog ran."]
    with pytest.raises(EmptyInputError):
        home.parts_of(model, " \n")
