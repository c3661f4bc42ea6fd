"""The loop: it does what plain torch does, it learns, and it goes on as if it had never stopped."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn import functional

from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError, DataError, TransformerCoreError
from transformer_core.model import Transformer
from transformer_core.training.batching import SpecialIds, collate, plan_epoch
from transformer_core.training.checkpoints import Checkpoint
from transformer_core.training.corpus import EncodedPairs, Ragged
from transformer_core.training.kernels import ByteDropout, use_cpu_kernels
from transformer_core.training.recipe import Recipe
from transformer_core.training.schedule import Schedule
from transformer_core.training.trainer import Step, Trainer


def make_pairs(n: int = 120) -> EncodedPairs:
    rng = np.random.default_rng(5)
    rows = [rng.integers(3, 20, rng.integers(1, 9)).tolist() for _ in range(n)]
    return EncodedPairs(Ragged.from_rows(rows), Ragged.from_rows(rows), np.ones(n))


def make_model(**changes: object) -> Transformer:
    values = {
        "vocab_size": 20,
        "d_model": 32,
        "n_heads": 2,
        "d_ff": 64,
        "n_encoder_layers": 1,
        "n_decoder_layers": 1,
    } | changes
    config = TransformerConfig(**values)  # type: ignore[arg-type]
    return Transformer(config, generator=torch.Generator().manual_seed(0))


def make_trainer(recipe: Recipe | None = None, **changes: object) -> Trainer:
    recipe = recipe or Recipe(seed=7, max_tokens=100, schedule=Schedule(peak=3e-3, warmup=10))
    return Trainer(make_model(**changes), make_pairs(), recipe)


def numbers(steps: list[Step]) -> list[tuple[float, ...]]:
    """What must be the same in two runs: all but the time."""
    return [(s.step, s.epoch, s.epoch_done, s.loss, s.nll, s.rate, s.grad_norm) for s in steps]


def test_a_step_is_the_one_that_plain_torch_does() -> None:
    recipe = Recipe(
        seed=7, max_tokens=100, schedule=Schedule(peak=3e-3, warmup=10), clip=0.5, weight_decay=0.1
    )
    trainer = make_trainer(recipe, dropout=0.0)
    steps = list(islice(trainer, 3))

    model = make_model(dropout=0.0)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        eps=1e-9,
    )
    pairs = make_pairs()
    plan = plan_epoch(pairs, max_tokens=100, seed=7, epoch=0)
    for index, step in enumerate(steps):
        batch = collate(pairs, plan[index], SpecialIds())
        logits = model(batch.src, batch.tgt, src_mask=batch.src_mask).transpose(1, 2)
        loss = functional.cross_entropy(logits, batch.labels, ignore_index=0, label_smoothing=0.1)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (index + 1) / 10
        optimizer.step()
        optimizer.zero_grad()
        assert step.loss == pytest.approx(loss.item(), rel=1e-5)
        assert step.grad_norm == pytest.approx(norm.item(), rel=1e-4)
    for name, wanted in model.named_parameters():
        found = trainer.model.get_parameter(name)
        # A bias of the keys shifts all scores of a query alike: its true gradient is 0, and what
        # AdamW makes of the rounding instead is chance.
        start = model.config.d_model if name.endswith("w_kv.bias") else 0
        torch.testing.assert_close(found[start:], wanted[start:], atol=2e-5, rtol=1e-3)


def test_it_learns_to_copy() -> None:
    recipe = Recipe(
        seed=7, max_tokens=300, schedule=Schedule(peak=1e-2, warmup=30), label_smoothing=0.0
    )
    steps = list(islice(make_trainer(recipe, n_heads=4, dropout=0.0), 150))
    assert steps[0].nll > 2.5
    assert steps[-1].nll < 0.3
    assert steps[-1].epoch > 1 and 0 < steps[-1].epoch_done <= 1
    assert all(step.tokens_per_second > 0 for step in steps)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_equals_the_uninterrupted_one_step_for_step(precision: str) -> None:
    recipe = Recipe(
        seed=7,
        max_tokens=100,
        schedule=Schedule(peak=3e-3, warmup=10),
        precision=precision,  # type: ignore[arg-type]
    )
    whole = make_trainer(recipe)
    wanted = numbers(list(islice(whole, 30)))

    first = make_trainer(recipe)
    n_first = first.steps_per_epoch + 2  # into the second epoch
    assert n_first < 25
    before = numbers(list(islice(first, n_first)))
    torch.manual_seed(999)  # whatever else draws numbers changes nothing
    state = first.state()
    kept = Checkpoint(
        {name: tensor.clone() for name, tensor in state.weights.items()},
        {name: tensor.clone() for name, tensor in state.optimizer.items()},
        dict(state.state),
    )
    list(islice(first, 2))  # what happens later to the first trainer does not reach the state

    second = make_trainer(Recipe(seed=1, max_tokens=50))
    second.restore(kept)
    after = numbers(list(islice(second, 30 - n_first)))
    assert before + after == wanted
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(second.model.get_parameter(name), parameter)


def test_a_decay_that_was_begun_ends_the_run_and_survives_a_restart() -> None:
    trainer = make_trainer()
    list(islice(trainer, 12))
    trainer.begin_decay(8)
    list(islice(trainer, 3))
    state = trainer.state()
    rest = list(trainer)
    assert rest[-1].step == 20 and rest[-1].rate == 0
    resumed = make_trainer()
    resumed.restore(state)
    assert resumed.recipe.schedule.last_step == 20


def test_training_leaves_the_global_random_numbers_alone() -> None:
    trainer = make_trainer()
    torch.manual_seed(4)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    list(islice(trainer, 2))
    assert torch.equal(torch.rand(3), wanted)


def test_the_fast_kernels_compute_what_the_model_computes() -> None:
    for positions in ("sinusoidal", "alibi", "rotary"):
        model, fast = make_model(positions=positions), make_model(positions=positions)
        use_cpu_kernels(fast)
        assert fast.state_dict().keys() == model.state_dict().keys()
        pairs = make_pairs()
        batch = collate(pairs, np.arange(10), SpecialIds())
        model.eval()
        fast.eval()
        torch.testing.assert_close(
            fast(batch.src, batch.tgt, src_mask=batch.src_mask),
            model(batch.src, batch.tgt, src_mask=batch.src_mask),
        )


def test_byte_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropout = ByteDropout(0.1)
    x = torch.ones(1000, 1003)
    y = dropout(x)
    dropped = float((y == 0).float().mean())
    assert dropped == pytest.approx(0.1, abs=0.003)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.003)
    assert torch.equal(dropout.eval()(x), x)
    assert not torch.equal(dropout.train()(x), y)


def test_a_checkpoint_of_another_shape_is_refused() -> None:
    state = make_trainer().state()
    with pytest.raises(CheckpointError, match=r"another shape: .* \(20, 32\).*\(20, 64\)"):
        make_trainer(d_model=64).restore(state)
    with pytest.raises(CheckpointError, match="another architecture: it lacks decoder"):
        make_trainer(n_decoder_layers=2).restore(state)


def test_a_checkpoint_made_with_other_data_is_refused() -> None:
    trainer = make_trainer()
    other = Trainer(make_model(), make_pairs(50), trainer.recipe)
    with pytest.raises(CheckpointError, match=r"120 pairs, these data have 50"):
        other.restore(trainer.state())


def test_a_checkpoint_that_lacks_something_is_refused() -> None:
    trainer = make_trainer()
    list(islice(trainer, 1))
    state = trainer.state()
    broken = Checkpoint(state.weights, dict(list(state.optimizer.items())[1:]), state.state)
    with pytest.raises(CheckpointError, match="lacks"):
        make_trainer().restore(broken)
    without_step = {key: value for key, value in state.state.items() if key != "step"}
    with pytest.raises(CheckpointError, match="step"):
        make_trainer().restore(Checkpoint(state.weights, state.optimizer, without_step))


def test_a_gradient_that_is_not_finite_stops_the_run_before_the_weights_change() -> None:
    trainer = make_trainer()
    with torch.no_grad():
        trainer.model.target_embedding.weight[5] = float("nan")
    name = "encoder.layers.0.feed_forward.w_in.weight"
    before = trainer.model.get_parameter(name).clone()
    with pytest.raises(TransformerCoreError, match="Lower the peak rate"):
        next(iter(trainer))
    assert torch.equal(before, trainer.model.get_parameter(name))


def test_nothing_to_learn_from_is_refused() -> None:
    nothing = EncodedPairs(Ragged.from_rows([]), Ragged.from_rows([]), np.ones(0))
    with pytest.raises(DataError, match="no pair"):
        Trainer(make_model(), nothing, Recipe())
