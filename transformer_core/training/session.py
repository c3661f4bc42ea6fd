"""A run kept going: checkpoints, learning curve and validation at their times, until it ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import torch

from transformer_core.errors import CheckpointError
from transformer_core.training.run import Run
from transformer_core.training.trainer import Step
from transformer_core.training.validation import Scores, validate

_SMOOTHING = 50
"""Steps over which speed is averaged."""
_DECAY_SHARE = 1 / 3
"""Length of the decay that a deadline begins, as a share of the steps before it."""


@dataclass(frozen=True)
class Timing:
    """When a session does what.

    Attributes:
        save_every: Seconds between checkpoints.
        validate_every: Seconds between validations; None never validates.
        note_every: Steps between points of the learning curve.
        keep: Checkpoints that are kept.
        until: Time (seconds since 1970) at which the run should end: the decay begins in time.
        decay_steps: Steps of the decay that ``until`` begins; None: a third of those done before.
        max_steps: Step after which the session ends, whatever the schedule says.
    """

    save_every: float = 300.0
    validate_every: float | None = 900.0
    note_every: int = 20
    keep: int = 6
    until: float | None = None
    decay_steps: int | None = None
    max_steps: int | None = None


@dataclass
class Progress:
    """Where a session stands after a step; the numbers are means over the last steps.

    Attributes:
        step: The step.
        loss: Label-smoothed loss of a token.
        nll: Negative log-likelihood of a token.
        tokens_per_second: Target tokens taught in a second, everything included.
        seconds_left: Until the schedule's end; None where no end is known.
        scores: Validation by corpus, if there was one after this step.
        trouble: A checkpoint that could not be written; the run goes on and tries again.
    """

    step: Step
    loss: float
    nll: float
    tokens_per_second: float
    seconds_left: float | None
    scores: dict[str, Scores] = field(default_factory=dict)
    trouble: CheckpointError | None = None


def keep_going(run: Run, timing: Timing, *, is_stopped: Callable[[], bool]) -> Iterator[Progress]:
    """Train until the schedule ends or somebody stops it; leave a checkpoint behind.

    Args:
        run: The run.
        timing: When to do what.
        is_stopped: Asked after each step; the last checkpoint is written when it says yes.

    Raises:
        CheckpointError: If the last checkpoint cannot be written.
    """
    session = _Session(run, timing)
    for step in run.trainer:
        progress = session.after(step)
        yield progress
        if _any_says(run, is_stopped()) or step.step == timing.max_steps:
            break
    run.save(keep=timing.keep)


def _any_says(run: Run, is_stopped: bool) -> bool:
    """Whether any process was asked to stop: then all do, after the same step."""
    engine = run.trainer.engine
    if engine.n_processes == 1:
        return is_stopped
    return bool(engine.total(torch.tensor(float(is_stopped), device=engine.device)) > 0)


@contextmanager
def stopping_on_signals() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM and SIGINT ask for a stop after the step that is under way."""
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)

    earlier = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class _Session:
    """What is remembered from step to step."""

    def __init__(self, run: Run, timing: Timing) -> None:
        self.run = run
        self.timing = timing
        self._recent: list[Step] = []
        self._ticks = [time.perf_counter()]
        self._saved = self._validated = time.monotonic()

    def after(self, step: Step) -> Progress:
        run, timing = self.run, self.timing
        self._recent = [*self._recent[1 - _SMOOTHING :], step]
        self._ticks = [*self._ticks[-_SMOOTHING:], time.perf_counter()]
        n_labels = sum(s.n_labels for s in self._recent)
        progress = Progress(
            step=step,
            loss=sum(s.loss * s.n_labels for s in self._recent) / n_labels,
            nll=sum(s.nll * s.n_labels for s in self._recent) / n_labels,
            tokens_per_second=n_labels / (self._ticks[-1] - self._ticks[0]),
            seconds_left=None,
        )
        self._begin_decay_in_time(step)
        last = run.trainer.recipe.schedule.last_step
        if last is not None:
            progress.seconds_left = (last - step.step) * self._seconds_a_step()
        run.keep_milestone(step)
        if step.step % timing.note_every == 0:
            self._note(progress)
        now = time.monotonic()
        if now - self._saved >= timing.save_every:
            self._saved = now
            try:
                run.save(keep=timing.keep)
            except CheckpointError as error:
                progress.trouble = error
        if timing.validate_every and now - self._validated >= timing.validate_every:
            self._validated = now
            progress.scores = self._validate(step)
        return progress

    def _seconds_a_step(self) -> float:
        return (self._ticks[-1] - self._ticks[0]) / (len(self._ticks) - 1)

    def _begin_decay_in_time(self, step: Step) -> None:
        """Begin the decay when what is left of the time is what it takes."""
        trainer, timing = self.run.trainer, self.timing
        if timing.until is None or trainer.recipe.schedule.decay_start is not None:
            return
        if trainer.engine.n_processes > 1:
            return  # clocks differ: processes that share a run are told the steps instead
        if len(self._ticks) <= _SMOOTHING:
            return  # the first steps are slow ones, and tell little of those to come
        n_steps = timing.decay_steps or max(1, round(step.step * _DECAY_SHARE))
        if time.time() + n_steps * self._seconds_a_step() >= timing.until:
            trainer.begin_decay(n_steps)

    def _note(self, progress: Progress) -> None:
        step = progress.step
        self.run.note(
            {
                "step": step.step,
                "epoch": round(step.epoch + step.epoch_done, 4),
                "loss": round(progress.loss, 5),
                "nll": round(progress.nll, 5),
                "rate": step.rate,
                "grad_norm": round(step.grad_norm, 4),
                "tokens_per_second": round(progress.tokens_per_second, 1),
                "time": round(time.time(), 1),
            }
        )

    def _validate(self, step: Step) -> dict[str, Scores]:
        run = self.run
        if not run.is_writer:
            return {}
        is_low = run.trainer.recipe.precision == "bfloat16"
        scores = {
            corpus.spec.name: validate(
                run.trainer.model,
                run.tokenizer,
                references,
                precision=torch.bfloat16 if is_low else torch.float32,
            )
            for corpus, references in run.small_sets()
        }
        run.note({"step": step.step, "validation": {k: v.to_dict() for k, v in scores.items()}})
        return scores
