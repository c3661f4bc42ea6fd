"""Films of attention and exams, against traces of the same model and against torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from transformer_core.config import TransformerConfig
from transformer_core.errors import FileFormatError, NotInTraceError
from transformer_core.model import Transformer
from transformer_core.models.catalogue import ModelCard
from transformer_core.tokenization.characters import train_characters
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.training.data import Pair
from transformer_core.training.exam import Examiner
from transformer_core.training.kernels import use_cpu_kernels
from transformer_core.training.snapshots import Film, is_moment, take_frame

SOURCE, TARGET = "hello", "olleh"


def made(norm: Any = "pre", positions: Any = "sinusoidal") -> tuple[Transformer, Any]:
    tokenizer = train_characters(["abc"])
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=32, n_ctx=32,
        n_encoder_layers=2, n_decoder_layers=2, norm=norm, positions=positions,
    )  # fmt: skip
    return Transformer(config, generator=torch.Generator().manual_seed(1)), tokenizer


def film_of(model: Transformer, tokenizer: Any, steps: tuple[int, ...] = (0, 1)) -> Film:
    labels = tokenizer.encode(TARGET).ids
    target = tokenizer.from_ids([tokenizer.bos_id, *labels[:-1]])
    source = tokenizer.encode(SOURCE)
    frames = []
    for step in steps:
        frame, ids = take_frame(model, source, target, labels, step)
        frames.append(replace(frame, guesses=tuple(map(tokenizer.show, ids))))
    return Film("test", source, target, tuple(map(tokenizer.show, labels)), tuple(frames))


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi"])
def test_a_frame_holds_the_patterns_that_a_trace_of_the_model_has(positions: Any) -> None:
    model, tokenizer = made(positions=positions)
    weights = model.state_dict()
    use_cpu_kernels(model)
    film = film_of(model, tokenizer)
    other, _ = made(positions=positions)
    other.load_state_dict(weights)
    traced = ScratchModel(other, tokenizer, ModelCard("m", "m", "", "")).trace(SOURCE, TARGET)
    ours = film.trace(0)
    for site in ("encoder", "decoder", "cross"):
        for layer in (0, 1):
            torch.testing.assert_close(
                ours.pattern(site, layer=layer), traced.pattern(site, layer=layer),
                atol=1e-3, rtol=0,
            )  # fmt: skip
    nll = functional.cross_entropy(
        traced.logits, torch.tensor(tokenizer.encode(TARGET).ids), reduction="none"
    )
    np.testing.assert_allclose(film.frames[0].nll, nll.numpy(), atol=1e-5)


def test_no_position_of_the_decoder_sees_a_later_one() -> None:
    film = film_of(*made())
    future = np.triu(np.ones((6, 6), dtype=bool), 1)
    assert (film.patterns("decoder")[..., future] == 0).all()


def test_looking_changes_nothing() -> None:
    model, tokenizer = made()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    film_of(model, tokenizer)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_film_comes_back_from_its_file(tmp_path: Path) -> None:
    film = film_of(*made(), steps=(0, 1, 4))
    film.save(tmp_path / "film.npz")
    again = Film.load(tmp_path / "film.npz")
    assert [frame.step for frame in again.frames] == [0, 1, 4]
    assert again.trace(2).revision == "step 4"
    np.testing.assert_array_equal(again.patterns("cross"), film.patterns("cross"))
    with pytest.raises(NotInTraceError, match="0 to 2"):
        again.trace(3)
    (tmp_path / "film.npz").write_bytes(b"no archive")
    with pytest.raises(FileFormatError, match="film.npz is damaged or no NPZ file"):
        Film.load(tmp_path / "film.npz")


def test_moments_stand_at_even_distances_of_the_logarithm() -> None:
    found = [step for step in range(1_001) if is_moment(step)]
    assert found == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724]


def test_an_exam_scores_as_the_model_writes_and_as_torch_computes() -> None:
    model, tokenizer = made()
    pairs = [Pair(SOURCE, TARGET, 1), Pair("ab", "ba", 2)]
    model.train()
    exam = Examiner(pairs, tokenizer, 32).examine(model, step=3, seconds=1.0)
    assert model.training
    model.eval()
    sums, counts, right = np.zeros(6), np.zeros(6), 0
    for pair in pairs:
        labels = torch.tensor(tokenizer.encode(pair.target).ids)
        read = torch.tensor([[tokenizer.bos_id, *labels[:-1].tolist()]])
        source = torch.tensor([tokenizer.encode(pair.source).ids])
        with torch.no_grad():
            logits = model(source, read, src_mask=None)[0]
        loss = functional.cross_entropy(logits, labels, reduction="none").numpy()
        sums[: len(loss)] += loss
        counts[: len(loss)] += 1
        right += int((logits.argmax(-1) == labels).sum())
    np.testing.assert_allclose(exam.nll_by_position, sums / counts, atol=1e-5)
    assert exam.token_accuracy == right / counts.sum()
    assert exam.nll == pytest.approx(sums.sum() / counts.sum(), abs=1e-5)
    assert exam.sequence_accuracy == 0
    assert exam.n_unseen == 2


def test_what_is_written_right_counts_as_right() -> None:
    model, tokenizer = made()
    exam = Examiner([Pair("ab", "x", 1)], tokenizer, 32).examine(model, step=0, seconds=0)
    copied = Examiner([Pair("ab", exam.samples[0][2], 1)], tokenizer, 64)
    assert copied.examine(model, step=0, seconds=0).sequence_accuracy == 1
