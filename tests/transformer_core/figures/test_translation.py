"""The picture of a translation holds the model's own probabilities and words."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_translator import make_translator
from transformer_core.analysis.word_alignment import AlignmentChoice, word_weights
from transformer_core.decoding.strategies import Greedy
from transformer_core.figures import translation_files as files
from transformer_core.figures.translation import WrittenToken, translation
from transformer_core.models.loading import load
from transformer_core.tasks.alignments import measured_choice, save_choice
from transformer_core.tasks.streaming import stream_translation


def test_words_tokens_and_weights_are_those_of_the_trace(tmp_path: Path) -> None:
    model: Any = load(make_translator(tmp_path / "model"))
    steps = [*model.decode("The cat sat.", Greedy(max_new_tokens=6))]
    tokens = [WrittenToken.of(step) for step in steps]
    trace = model.trace("The cat sat.", model.tokenizer.from_ids([1, *steps[-1].written]))
    payload = translation(trace, tokens, AlignmentChoice(1), is_measured=True)
    words = payload.header["options"]["words"]
    written = [token["id"] for word in words for token in word["tokens"]]
    assert written == [token.id for token in tokens]
    options = payload.header["options"]
    assert options["measured"]
    assert options["choices"][options["chosen"]]["name"] == "L1 mean of its heads"
    maps = payload.arrays["weights"].values()
    for found, facts in zip(maps, options["choices"], strict=True):
        choice = AlignmentChoice(facts["layer"], facts["head"])
        assert found == pytest.approx(word_weights(trace, choice).numpy(), abs=1e-4)
    assert payload.header["badge"]["ok"]
    own = steps[0].logits.softmax(dim=-1)
    assert tokens[0].p == pytest.approx(float(own[tokens[0].id]))
    best = torch.topk(own, 8)
    assert [row[2] for row in tokens[0].alternatives] == best.indices.tolist()


def test_files_hold_the_tokens_and_every_heads_alignment(tmp_path: Path) -> None:
    model: Any = load(make_translator(tmp_path / "model"))
    text = "The cat sat.\nThe dog ran."
    state = [*stream_translation(model, text, Greedy(max_new_tokens=6))][-1]
    choice = AlignmentChoice(1, 2)
    rows = [*csv.reader(io.StringIO(files.to_csv(state, choice)))]
    assert "L1 H2" in rows[0][0]
    sums: dict[tuple[str, str], float] = {}
    for part, target, _, weight, *_ in rows[2:]:
        sums[part, target] = sums.get((part, target), 0) + float(weight)
    assert set(sums) >= {("1", "0"), ("2", "0")}
    assert all(total == pytest.approx(1, abs=1e-3) for total in sums.values())
    content = json.loads(files.to_json(state, choice))
    assert content["text"] == state.text
    assert [part["source"] for part in content["parts"]] == text.split("\n")
    tokens = content["parts"][0]["tokens"]
    assert [token["id"] for token in tokens] == [step.token_id for step in state.parts[0].tokens]
    with np.load(io.BytesIO(files.to_npz(state, choice))) as arrays:
        at = [*arrays["choices"]].index("L1 H2")
        expected = word_weights(state.parts[1].steps[-1].trace, choice).numpy()
        assert arrays["weights_2"][at] == pytest.approx(expected, abs=1e-6)


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
