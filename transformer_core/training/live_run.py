"""A run that a page watches: it trains in a thread of its own, pauses, goes on, and ends."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from transformer_core.background import Work
from transformer_core.errors import CheckpointError, TransformerCoreError
from transformer_core.training.checkpoints import checkpoints, load_checkpoint
from transformer_core.training.live_record import Phase, Point, Record
from transformer_core.training.live_settings import LiveSettings
from transformer_core.training.session import Progress, Timing, keep_going
from transformer_core.training.snapshots import Film, is_moment, take_frame

if TYPE_CHECKING:
    from transformer_core.background import ShouldStop
    from transformer_core.model import Transformer
    from transformer_core.tokenization.bpe import BpeTokenizer
    from transformer_core.training.live_data import Prepared

SAVE_S, WRITE_S = 10.0, 1.0
"""Seconds between checkpoints, and between additions to the curve on the disk."""
EXAM_SHARE = 0.06
"""Share of a run's time that may go into trying it on unseen pairs."""
_KEEP = 2
_NEVER = 10**9
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doing:
    """How a run is prepared, at first and after the server was stopped.

    A run with another loss brings functions of its own: what is watched is a
    :class:`transformer_core.training.run.Run`, whatever its trainer minimises.

    Attributes:
        begin: Makes the run in its folder.
        go_on: Finds it at its last checkpoint.
    """

    begin: Callable[[], Prepared]
    go_on: Callable[[], Prepared]


class LiveRun:
    """One person's run.

    Args:
        run_id: Tells it from others, and cannot be guessed.
        owner: Whose it is.
        settings: What was set.
        record: What is known of it.
        doing: How it is prepared.
        minutes: Of training after which it ends.
    """

    def __init__(
        self,
        run_id: str,
        owner: str,
        settings: LiveSettings,
        *,
        record: Record,
        doing: Doing,
        minutes: float,
    ) -> None:
        self.id = run_id
        self.owner = owner
        self.settings = settings
        self.record = record
        self._doing = doing
        self._minutes = minutes
        self._prepared: Prepared | None = None
        self._work: Work[int] | None = None
        self._wanted: Phase = "training"

    # -- what a person does -------------------------------------------------------------------

    @property
    def public_id(self) -> str:
        """Names it to those who may look at it, and gives nothing away by which it is stopped."""
        return public_id(self.id)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.settings.title

    @property
    def is_active(self) -> bool:
        """Whether a thread works at it."""
        return self._work is not None and self._work.is_running

    @property
    def can_go_on(self) -> bool:
        """Whether there is something left to do."""
        is_waiting = self.record.phase in ("paused", "stopped", "interrupted")
        return is_waiting and not self.is_active and self.record.step < self.settings.max_steps

    def start(self) -> None:
        """Train, from the beginning or from where it stands; returns at once."""
        if self.is_active:
            return
        self._wanted = "training"
        if self._prepared is None:
            self.record.enter("preparing")
        else:
            self.record.enter("training")
        # Nobody needs to look for it to go on: a run ends by its own limits.
        self._work = Work(self._train, patience=math.inf)
        self._work.watch()

    def pause(self) -> None:
        """Stop after this step, with a checkpoint; :meth:`start` goes on exactly there."""
        self._end_as("paused")

    def stop(self) -> None:
        """End after this step; what was learned is kept."""
        self._end_as("stopped")

    def join(self, timeout: float | None = None) -> None:
        """Wait until its thread has ended."""
        if self._work is not None:
            self._work.join(timeout)

    def model(self) -> tuple[Transformer, BpeTokenizer]:
        """Return the weights of the last checkpoint as a model of their own, and its tokenizer.

        Raises:
            CheckpointError: If there is no checkpoint.
        """
        from transformer_core.config import TransformerConfig
        from transformer_core.model import Transformer
        from transformer_core.tokenization.bpe import BpeTokenizer
        from transformer_core.training.run import TOKENIZER

        saved = checkpoints(self.record.folder)
        if not saved:
            raise CheckpointError("There is no checkpoint yet: let it train for some seconds.")
        checkpoint = load_checkpoint(saved[-1])
        model = Transformer(TransformerConfig.from_dict(checkpoint.state["config"]))
        model.load_state_dict(dict(checkpoint.weights))
        return model.eval(), BpeTokenizer.load(self.record.folder / TOKENIZER)

    def _end_as(self, phase: Phase) -> None:
        if self._work is not None and self._work.is_running:
            self._wanted = phase
            self._work.stop()
        elif self.record.phase in ("paused", "interrupted"):
            self.record.enter(phase, self.record.message)

    # -- the thread ---------------------------------------------------------------------------

    def _train(self, should_stop: ShouldStop) -> Iterator[int]:
        # One state, at the end: between two, work that is stopped is not gone on with.
        self._leg(should_stop)
        yield self.record.step

    def _leg(self, should_stop: ShouldStop) -> None:
        record = self.record
        try:
            prepared = self._ready()
            record.enter("training")
            _learn(prepared, record, should_stop, self._minutes)
            self._after(prepared)
        except CheckpointError as error:
            record.enter("failed", str(error))
        except TransformerCoreError as error:
            self._fail(error)
        except BaseException:
            record.enter("failed", "The run broke off; the server's log says why.")
            raise

    def _ready(self) -> Prepared:
        if self._prepared is None:
            torch.set_num_threads(1)
            has_begun = bool(checkpoints(self.record.folder))
            prepared = self._doing.go_on() if has_begun else self._doing.begin()
            prepared.run.save(keep=_KEEP)
            self.record.cut(prepared.run.trainer.step)
            self.record.notes, self.record.teacher = prepared.notes, prepared.teacher
            self._prepared = prepared
        return self._prepared

    def _after(self, prepared: Prepared) -> None:
        record = self.record
        record.write()
        if prepared.run.trainer.step >= prepared.max_steps:
            record.enter("done")
        elif record.seconds >= self._minutes * 60:
            record.enter("stopped", f"The limit of {self._minutes:.3g} minutes a run is reached.")
        elif self._wanted != "training":
            record.enter(self._wanted)
        else:  # the server ends, and the thread with it
            record.enter("interrupted", "The server was stopped while this run was training.")

    def _fail(self, error: TransformerCoreError) -> None:
        """The gradient is not finite: keep the last weights that give a finite loss."""
        record, prepared = self.record, self._prepared
        if prepared is None:
            record.enter("failed", str(error))
            return
        trainer = prepared.run.trainer
        kept = trainer.step
        if not _is_good(prepared):
            last = load_checkpoint(checkpoints(record.folder)[-1])
            trainer.restore(last)
            kept = last.step
        else:
            prepared.run.save(keep=_KEEP)
        record.write()
        record.enter("failed", f"{error} The weights of step {kept:,} are kept.")


def public_id(run_id: str) -> str:
    """The name of a run for those who may only look at it."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:16]


def _is_good(prepared: Prepared) -> bool:
    """Whether all weights are numbers and give a finite loss on unseen pairs."""
    model = prepared.run.trainer.model
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters()):
        return False
    return math.isfinite(prepared.examiner.examine(model, step=0, seconds=0.0).nll)


def _learn(prepared: Prepared, record: Record, should_stop: ShouldStop, minutes: float) -> None:
    """Train, and look at the model at its times."""
    run = prepared.run
    timing = Timing(
        save_every=SAVE_S,
        validate_every=None,
        note_every=_NEVER,
        keep=_KEEP,
        max_steps=prepared.max_steps,
    )
    watcher = _Watcher(prepared, record)
    if run.trainer.step == 0 and record.film is None:
        watcher.film(0)
    if run.trainer.step >= prepared.max_steps:
        return

    def is_over() -> bool:
        return should_stop() or record.seconds >= minutes * 60

    for progress in keep_going(run, timing, is_stopped=is_over):
        watcher.after(progress)
    watcher.last_look()


class _Watcher:
    """Notes what a run does, without holding it up."""

    def __init__(self, prepared: Prepared, record: Record) -> None:
        self._prepared = prepared
        self._record = record
        self._began = time.perf_counter() - record.seconds
        self._written = time.monotonic()
        # Of this thread's own time: on a busy server waiting is nobody's cost.
        self._exam_cost = 0.0
        self._examined_at = time.thread_time()

    def after(self, progress: Progress) -> None:
        step, record, parts = progress.step, self._record, self._prepared.parts
        record.points.append(
            Point(
                step.step,
                step.loss,
                step.nll,
                step.rate,
                step.grad_norm,
                step.seconds,
                self._seconds(),
                *(() if parts is None else parts()),
            )
        )
        if progress.trouble is not None:
            record.message = str(progress.trouble)
        if is_moment(step.step):
            self.film(step.step)
        if self._is_exam_due():
            self._examine(step.step)
        if time.monotonic() - self._written > WRITE_S:
            self._written = time.monotonic()
            record.write()

    def film(self, step: int) -> None:
        """Look at the example."""
        prepared = self._prepared
        tokenizer, example = prepared.run.tokenizer, prepared.example
        model = prepared.run.trainer.model
        frame, ids = take_frame(model, example.source, example.target, example.label_ids, step)
        labels = tuple(tokenizer.show(index) for index in example.label_ids)
        film = Film(prepared.run.plan.corpora[0].name, example.source, example.target, labels, ())
        guesses = tuple(tokenizer.show(index) for index in ids)
        self._record.add_frame(film, replace(frame, guesses=guesses))

    def last_look(self) -> None:
        """Look at the model as the leg leaves it."""
        step, record = self._record.step, self._record
        if not record.exams or record.exams[-1].step < step:
            self._examine(step)
        if record.film is None or record.film.frames[-1].step < step:
            self.film(step)

    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def _is_exam_due(self) -> bool:
        since = time.thread_time() - self._examined_at
        return not self._record.exams or since * EXAM_SHARE >= self._exam_cost

    def _examine(self, step: int) -> None:
        began = time.thread_time()
        prepared = self._prepared
        model = prepared.run.trainer.model
        exam = prepared.examiner.examine(model, step=step, seconds=self._seconds())
        self._record.exams.append(exam)
        self._examined_at = time.thread_time()
        self._exam_cost = self._examined_at - began
