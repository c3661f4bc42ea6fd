"""Learning rates against the papers' formulas."""

import pytest

from transformer_core.errors import ConfigError
from transformer_core.training.schedule import Schedule


def test_inverse_sqrt_is_the_papers_formula() -> None:
    # d_model^-0.5 · min(step^-0.5, step · warmup^-1.5), Vaswani et al. 2017, section 5.3.
    warmup, d_model = 4000, 512
    schedule = Schedule("inverse-sqrt", peak=(d_model * warmup) ** -0.5, warmup=warmup)
    for step in (1, 100, 3999, 4000, 4001, 100_000):
        paper = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert schedule.rate(step) == pytest.approx(paper)


def test_the_trapezoid_rises_stays_and_falls_to_nothing() -> None:
    schedule = Schedule("trapezoid", peak=1e-3, warmup=10)
    assert [schedule.rate(step) for step in (1, 5, 10, 1000)] == pytest.approx(
        [1e-4, 5e-4, 1e-3, 1e-3]
    )
    assert schedule.last_step is None
    falling = schedule.decaying(100, 50)
    assert [falling.rate(step) for step in (100, 101, 125, 150)] == pytest.approx(
        [1e-3, 0.98e-3, 0.5e-3, 0.0]
    )
    assert falling.last_step == 150


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "cosine"},
        {"peak": 0.0},
        {"peak": 1.5},
        {"warmup": 0},
        {"decay_start": 5, "decay_steps": 0},
    ],
)
def test_a_schedule_out_of_range_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Schedule(**values)  # type: ignore[arg-type]


def test_only_the_trapezoid_decays() -> None:
    with pytest.raises(ConfigError, match="trapezoid"):
        Schedule("inverse-sqrt").decaying(5, 5)
