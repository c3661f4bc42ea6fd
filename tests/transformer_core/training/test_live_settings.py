"""Settings of a run, the count of parameters, and the limits of a server."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError, ConfigError
from transformer_core.model import Transformer
from transformer_core.training.live_limits import LiveLimits
from transformer_core.training.live_settings import LIMITS, SETTINGS, LiveSettings


@pytest.mark.parametrize(
    ("norm", "positions"),
    list(product(["pre", "post"], ["sinusoidal", "learned", "rotary", "alibi", "none"])),
)
def test_parameters_are_counted_as_torch_counts_them(norm: Any, positions: Any) -> None:
    plain = LiveSettings(norm=norm, n_layers=2).config(270)
    config = replace(plain, positions=positions)
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"is_tied": False, "has_output_bias": True},
        {"shares_embeddings": False},
        {"n_encoder_layers": 0},
        {"n_decoder_layers": 0},
    )
    for change in changes:
        shape: TransformerConfig = replace(config, **change)
        made = sum(parameter.numel() for parameter in Transformer(shape).parameters())
        assert shape.n_parameters == made, change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"peak": 0.0}, "learning rate runs from 1e-05 to 0.1; 0 is outside"),
        ({"peak": 100.0}, "learning rate runs from 1e-05 to 0.1; 100 is outside"),
        ({"peak": float("nan")}, "nan is outside"),
        ({"batch": 10_000}, "batch in pairs runs from 4 to 256"),
        ({"task": "shuffle"}, "no task"),
        ({"size": 99}, "symbols run from 2 to 20"),
        ({"d_model": 64, "n_heads": 5}, "cannot be divided among 5 heads"),
        ({"positions": "spiral"}, "positions is 'spiral'"),
        ({"norm": "sandwich"}, "norm is 'sandwich'"),
        ({"level": "bpe"}, "character by character"),
        ({"level": "words", "task": "own"}, "level is 'words'"),
    ],
)
def test_what_cannot_be_trained_with_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        LiveSettings(**change)


def test_defaults_lie_within_their_limits() -> None:
    settings = LiveSettings()
    for name, limit in LIMITS.items():
        assert limit.least <= getattr(settings, name) <= limit.most


def test_settings_come_back_from_the_disk(tmp_path: Path) -> None:
    settings = LiveSettings(task="own", level="bpe", norm="post", peak=1e-3)
    settings.save(tmp_path)
    assert LiveSettings.load(tmp_path) == settings
    (tmp_path / SETTINGS).write_text('{"colour": 1}')
    with pytest.raises(CheckpointError, match="holds no run"):
        LiveSettings.load(tmp_path)


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LiveLimits.of_settings() == LiveLimits()
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUNS", "7")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUN_MINUTES", "2.5")
    limits = LiveLimits.of_settings()
    assert (limits.n_runs, limits.n_each, limits.minutes) == (7, 2, 2.5)
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUN_MINUTES", "0")
    with pytest.raises(ConfigError, match="above 0"):
        LiveLimits.of_settings()


def test_without_a_warm_up_the_rate_stays_at_its_peak() -> None:
    rises = LiveSettings(warmup=100).recipe(11).schedule
    assert [rises.rate(step) for step in (50, 100, 400)] == pytest.approx([1e-3, 2e-3, 1e-3])
    stays = LiveSettings(warmup=1).recipe(11).schedule
    assert {stays.rate(step) for step in (1, 2, 1_000)} == {2e-3}
