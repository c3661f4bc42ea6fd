"""Recipes and plans: they survive JSON, and what is out of range is refused."""

import argparse
import datetime
import json
import sys
from pathlib import Path

import pytest
import torch

from transformer_core.cli_training import _clock
from transformer_core.errors import ConfigError, ModelUnavailableError
from transformer_core.training.corpus import CorpusSpec, encode_pairs, read_corpora
from transformer_core.training.engine import AccelerateEngine, LocalEngine, choose_engine
from transformer_core.training.recipe import Recipe
from transformer_core.training.run import Plan
from transformer_core.training.schedule import Schedule


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(seed=3, schedule=Schedule("inverse-sqrt", warmup=7), betas=(0.8, 0.9))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_plan_survives_json() -> None:
    corpora = (CorpusSpec("a", Path("a.tsv"), weight=2.0, max_ratio=1.5),)
    plan = Plan(corpora, {"d_model": 32}, 300, Recipe(), init_from="model")
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize(
    "values",
    [{"max_tokens": 0}, {"label_smoothing": 1.0}, {"clip": 0.0}, {"precision": "float16"}],
)
def test_a_recipe_out_of_range_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Recipe(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("record", [{}, {"schedule": {"slope": 1}}, {"unknown": 1}])
def test_records_of_something_else_are_refused(record: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Recipe.from_dict(record)
    with pytest.raises(ConfigError):
        Plan.from_dict(record)


def test_a_clock_time_is_the_next_one() -> None:
    now = datetime.datetime.now().astimezone()
    for minutes in (2, -2):
        then = now + datetime.timedelta(minutes=minutes)
        found = _clock(f"{then:%H:%M}") - now.timestamp()
        assert found == pytest.approx((minutes * 60) % 86_400, abs=61)
    with pytest.raises(argparse.ArgumentTypeError, match="23:40"):
        _clock("noon")


def test_pairs_longer_than_the_model_reads_are_left_out_and_counted(tmp_path: Path) -> None:
    from transformer_core.tokenization.bpe import train_bpe

    path = tmp_path / "pairs.tsv"
    path.write_text("Hi.\tSalut.\n" + "very " * 50 + "long\tlong\n")
    pairs = encode_pairs(
        read_corpora([CorpusSpec("all", path)]), train_bpe(["a"], vocab_size=260), max_tokens=40
    )
    assert (len(pairs), pairs.n_too_long) == (1, 1)


def test_one_process_needs_no_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(choose_engine({}), LocalEngine)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ModelUnavailableError, match="pip install accelerate"):
        choose_engine({"WORLD_SIZE": "2"})


def test_launched_alone_accelerate_gives_the_same_sums() -> None:
    engine = choose_engine({"ACCELERATE_USE_CPU": "true"})
    assert isinstance(engine, AccelerateEngine)
    assert (engine.rank, engine.n_processes) == (0, 1)
    layer = torch.nn.Linear(2, 1)
    module, _ = engine.prepare(layer, torch.optim.SGD(layer.parameters(), lr=0.1))
    engine.backward(module(torch.tensor([[3.0, 4.0]], device=engine.device)).sum())
    assert float(engine.clip(module, 1.0)) == pytest.approx(26**0.5)
    assert float(engine.total(torch.tensor(2.0, device=engine.device))) == 2.0
    engine.wait()
