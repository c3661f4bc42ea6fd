"""The picture of a translation holds the model's own probabilities and words."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_translator import make_translator
from transformer_core.analysis.word_alignment import AlignmentChoice, word_weights
from transformer_core.decoding.strategies import Greedy
from transformer_core.figures.translation import WrittenToken, translation
from transformer_core.models.loading import load
from transformer_core.tasks.alignments import measured_choice, save_choice


def test_words_tokens_and_weights_are_those_of_the_trace(tmp_path: Path) -> None:
    model: Any = load(make_translator(tmp_path / "model"))
    steps = [*model.decode("The cat sat.", Greedy(max_new_tokens=6))]
    tokens = [WrittenToken.of(step) for step in steps]
    trace = model.trace("The cat sat.", model.tokenizer.from_ids([1, *steps[-1].written]))
    payload = translation(trace, tokens, AlignmentChoice(1))
    words = payload.header["options"]["words"]
    written = [token["id"] for word in words for token in word["tokens"]]
    assert written == [token.id for token in tokens]
    expected = word_weights(trace, AlignmentChoice(1)).numpy()
    assert payload.arrays["weights"].values() == pytest.approx(expected, abs=1e-4)
    assert payload.header["badge"]["ok"]
    own = steps[0].logits.softmax(dim=-1)
    assert tokens[0].p == pytest.approx(float(own[tokens[0].id]))
    best = torch.topk(own, 8)
    assert [row[2] for row in tokens[0].alternatives] == best.indices.tolist()


def test_a_model_without_a_measured_choice_is_read_in_its_last_layer_but_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load(make_translator(tmp_path / "model"))
    assert measured_choice(model) == AlignmentChoice(0)
    (tmp_path / "named").mkdir()
    monkeypatch.setattr("transformer_core.tasks.alignments.SHIPPED", tmp_path)
    object.__setattr__(model.card, "id", "named")
    save_choice(tmp_path / "named", AlignmentChoice(1, 3, 1), 0.25, 50)
    assert measured_choice(model) == AlignmentChoice(1, 3, 1)
