"""Sentence similarity is the model card's recipe, and hidden words are what the head says."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertForMaskedLM

from tests.support.tiny_models import make_tiny
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.models.packages import MINILM
from transformer_core.tasks.masked_words import can_guess, guess, mask_of
from transformer_core.tasks.similarity import embedding, similarity
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.model import TraceableModel

TEXTS = ("The cat sat on the mat.", "A dog ran home.")


def recipe_of_the_card(folder: Path, texts: tuple[str, str]) -> torch.Tensor:
    """Mean pooling and normalising as the model card of all-MiniLM-L6-v2 prints it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        output = model(**encoded)[0]
    mask = encoded["attention_mask"].unsqueeze(-1).expand(output.size()).float()
    mean = torch.sum(output * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    return torch.nn.functional.normalize(mean, p=2, dim=1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture(scope="module")
def model(bert: Path) -> TraceableModel:
    return load(bert)


def test_an_embedding_is_the_recipe_of_the_model_card(bert: Path, model: TraceableModel) -> None:
    expected = recipe_of_the_card(bert, TEXTS)
    for text, row in zip(TEXTS, expected, strict=True):
        assert torch.allclose(embedding(model.trace(text)), row, atol=1e-5)


def test_minilm_finds_a_paraphrase_nearer_than_another_subject() -> None:
    minilm = load("minilm")
    first, near, far = (
        minilm.trace(text)
        for text in ("A man is eating food.", "A man eats something.", "The sky is blue today.")
    )
    expected = recipe_of_the_card(MINILM.checked_folder(), (first.text, near.text))
    close = similarity(first, near, task=minilm.card.task)
    assert close.cosine == pytest.approx(float(expected[0] @ expected[1]), abs=1e-5)
    assert close.is_trained_for and close.n_dimensions == 384
    assert close.cosine > 0.6
    assert similarity(first, far).cosine < 0.3


def test_a_sentence_is_as_like_itself_as_can_be(model: TraceableModel) -> None:
    trace = model.trace(TEXTS[0])
    assert similarity(trace, trace).cosine == pytest.approx(1, abs=1e-6)


def test_what_is_no_encoder_alone_has_no_embedding(tmp_path: Path, model: TraceableModel) -> None:
    llama = load(make_tiny("llama", tmp_path / "llama")).trace(TEXTS[0])
    with pytest.raises(InputError, match="no encoder alone"):
        embedding(llama)
    with pytest.raises(InputError, match="two models"):
        similarity(model.trace(TEXTS[0]), llama)


def test_guesses_are_those_of_the_masked_head(bert: Path, model: TraceableModel) -> None:
    trace = model.trace(TEXTS[0])
    position = trace.tokens.index("cat")
    hidden = guess(model, trace, position)
    tokenizer = AutoTokenizer.from_pretrained(bert)
    ids = torch.tensor([trace.source.ids])
    was = int(ids[0, position])
    ids[0, position] = tokenizer.mask_token_id
    with torch.no_grad():
        shares = BertForMaskedLM.from_pretrained(bert).eval()(ids).logits[0, position].softmax(-1)
    assert [one.probability for one in hidden.guesses] == pytest.approx(
        shares.topk(5).values.tolist(), abs=1e-6
    )
    assert hidden.token == "cat"
    assert hidden.probability == pytest.approx(float(shares[was]), abs=1e-7)
    assert hidden.rank == int((shares > shares[was]).sum()) + 1
    assert hidden.trace.tokens[position] == "[MASK]"
    assert mask_of(model.tokenizer) == (tokenizer.mask_token_id, "[MASK]")


def test_roberta_spells_its_mask_in_another_way(tmp_path: Path) -> None:
    model = load(make_tiny("roberta", tmp_path / "roberta"))
    trace = model.trace(TEXTS[0])
    assert can_guess(model, trace)
    assert guess(model, trace, 2).trace.tokens[2] == "<mask>"


def test_what_cannot_be_hidden_is_said(tmp_path: Path, model: TraceableModel) -> None:
    trace = model.trace(TEXTS[0])
    for position in (0, -1, len(trace.tokens)):
        with pytest.raises(InputError, match="no token"):
            guess(model, trace, position)
    llama = load(make_tiny("llama", tmp_path / "llama"))
    with pytest.raises(InputError, match="no head"):
        guess(llama, llama.trace(TEXTS[0]), 1)


class NoMask:
    """A tokenizer that reads every letter and knows no mask."""

    def encode(self, text: str) -> Tokens:
        return Tokens.from_labels(list(text))


def test_a_vocabulary_without_a_mask_is_said() -> None:
    with pytest.raises(InputError, match="hides others"):
        mask_of(NoMask())  # type: ignore[arg-type]
