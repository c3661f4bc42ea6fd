"""digits-vit: what it was trained on, how, and that the shipped weights do what their card says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.support.weights import noise
from transformer_core.cli import main
from transformer_core.errors import ConfigError
from transformer_core.models.catalogue import SHIPPED, find_card
from transformer_core.models.loading import load
from transformer_core.models.vision_digits import held_out
from transformer_core.tracing.vision import seen
from transformer_core.training.digits import DigitsRecipe, augmented, load_digits, split

FOLDER = SHIPPED / "digits-vit"


def test_the_held_out_fifth_is_never_learnt_from() -> None:
    digits = load_digits()
    learnt, kept = split(digits, 0)
    assert (len(digits), len(kept)) == (1797, 359)
    assert sorted([*learnt.positions, *kept.positions]) == list(range(1797))
    again = split(digits, 0)[1]
    assert np.array_equal(kept.positions, again.positions)
    assert not np.array_equal(kept.positions, split(digits, 1)[1].positions)


def test_the_shipped_digits_are_those_that_the_seed_holds_out() -> None:
    expected = split(
        load_digits(), json.loads((FOLDER / "card.json").read_text())["recipe"]["seed"]
    )
    shipped = held_out(FOLDER)
    assert np.array_equal(shipped.images, expected[1].images)
    assert np.array_equal(shipped.labels, expected[1].labels)


def test_the_shipped_model_reads_97_of_100_that_it_never_saw() -> None:
    facts = json.loads((FOLDER / "card.json").read_text())
    digits = held_out(FOLDER)
    traces = load("digits-vit").trace_batch(list(digits.images))  # type: ignore[arg-type]
    read = [int(trace.logits.argmax()) for trace in traces if trace.logits is not None]
    wrong = [i for i, label in enumerate(digits.labels) if read[i] != label]
    assert 1 - len(wrong) / len(digits) >= 0.97
    assert wrong == facts["held_out"]["misread"]
    assert facts["accuracy"] == round(1 - len(wrong) / len(digits), 4)


def test_the_shipped_weights_are_small_and_their_card_is_right() -> None:
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 2_000_000
    with safe_open(weights, "pt") as file:
        n_parameters = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    card = find_card("digits-vit")
    assert card is not None and card.is_available and card.parameters == n_parameters
    text = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in ("python -m transformer_core train digits", "CC BY 4.0", "scikit-learn", "Limits"):
        assert said in text


def test_a_trace_of_a_digit_names_pixels_and_classes() -> None:
    trace = load("digits-vit").trace(held_out(FOLDER).images[0])
    assert trace.tokens[0] == "[CLS]" and trace.tokens[-1] == "r3c3" and len(trace.tokens) == 17
    assert seen(trace).labels == tuple("0123456789") and trace.notes == ()
    rows = trace.pattern("encoder", layer=3).sum(-1)
    assert torch.allclose(rows, torch.ones_like(rows), atol=1e-5)


def test_augmentation_keeps_size_and_range_and_moves_little() -> None:
    images = noise(16, 1, 8, 8).clamp(-1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed = augmented(images)
        assert changed.shape == images.shape
        assert -1 <= float(changed.min()) <= float(changed.max()) <= 1
        dot = torch.full((64, 1, 8, 8), -1.0)
        dot[:, :, 3:5, 3:5] = 1
        ink = (augmented(dot) + 1)[:, 0]
    rows = (ink.sum(2) * torch.arange(8)).sum(1) / ink.sum((1, 2))
    is_kept = (ink == dot[0, 0] + 1).flatten(1).all(1)
    assert 16 < int(is_kept.sum()) < 48  # half of them, as luck has it
    assert 0 < float((rows - 3.5).abs().mean()) < 0.8


def test_the_command_trains_and_writes_a_folder_that_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = load_digits().at(np.arange(120))
    monkeypatch.setattr("transformer_core.training.digits.load_digits", lambda: few)
    threads = torch.get_num_threads()
    facts = []
    for name in ("one", "two"):
        assert main(["train", "digits", "--out", str(tmp_path / name), "--epochs", "2"]) == 0
        facts.append(json.loads(capsys.readouterr().out))
    torch.set_num_threads(threads)
    assert facts[0] == facts[1] and facts[0]["held_out"]["images"] == 24
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    assert load(tmp_path / "one").trace(few.images[0]).tokens[1] == "r0c0"


@pytest.mark.parametrize("wrong", [{"patch_size": 3}, {"n_heads": 5}, {"n_epochs": 0}])
def test_a_recipe_that_contradicts_itself_is_said(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        DigitsRecipe(**wrong)  # type: ignore[arg-type]
