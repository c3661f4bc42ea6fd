"""What is known of a run on the page: its points, exams and film, in memory and on the disk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from transformer_core.errors import CheckpointError, FileFormatError
from transformer_core.training.exam import Exam
from transformer_core.training.run import CURVE, read_curve
from transformer_core.training.snapshots import Film, Frame

Phase = Literal["preparing", "training", "paused", "stopped", "done", "failed", "interrupted"]
STATUS, FILM, TEACHER = "status.json", "film.npz", "teacher.json"


class Point(NamedTuple):
    """One step of training.

    Attributes:
        step: Counted from 1.
        loss: Label-smoothed loss of a token, in nats.
        nll: Negative log-likelihood of a token, in nats.
        rate: Learning rate.
        grad_norm: Norm of the gradient before it was clipped.
        seconds: What the step took.
        at: Seconds of training at its end, what is measured beside it included.
        soft: Of a student, T² KL to its teacher, a token; NaN where nobody teaches.
        hard: Of a student, the loss of the true tokens; NaN where nobody teaches.
    """

    step: int
    loss: float
    nll: float
    rate: float
    grad_norm: float
    seconds: float
    at: float
    soft: float = math.nan
    hard: float = math.nan


@dataclass
class Record:
    """Grows while a run goes on; whoever reads takes what is there.

    Attributes:
        folder: The run's.
        points: A point a step.
        exams: What the model could do on unseen pairs, now and then.
        film: The attention of the example; None before the first frame.
        phase: What the run does.
        message: Why it ended, where that is to be said.
        notes: What was left out of the data.
        teacher: What a student's teacher makes of the same unseen pairs.
    """

    folder: Path
    points: list[Point] = field(default_factory=list)
    exams: list[Exam] = field(default_factory=list)
    film: Film | None = None
    phase: Phase = "preparing"
    message: str = ""
    notes: tuple[str, ...] = ()
    teacher: Exam | None = None
    _n_written: tuple[int, int] = (0, 0)

    @property
    def step(self) -> int:
        """Steps that were done."""
        points = self.points
        return points[-1].step if points else 0

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        points = self.points
        return points[-1].at if points else 0.0

    @property
    def version(self) -> tuple[object, ...]:
        """Changes with anything that is shown."""
        n_frames = 0 if self.film is None else len(self.film.frames)
        return len(self.points), len(self.exams), n_frames, self.phase

    def add_frame(self, film: Film, frame: Frame) -> None:
        """Add a frame to the film, and write it."""
        frames = (*(self.film.frames if self.film else ()), frame)
        self.film = Film(film.name, film.source, film.target, film.labels, frames)
        with suppress(OSError):  # the film is in memory; a full disk costs its copy alone
            self.film.save(self.folder / FILM)

    def write(self) -> None:
        """Append to the curve what is not in it yet.

        Raises:
            CheckpointError: If the disk is full or gone.
        """
        n_points, n_exams = self._n_written
        points, exams = self.points[n_points:], self.exams[n_exams:]
        records: list[dict[str, Any]] = [_finite(point._asdict()) for point in points]
        records += [{"step": exam.step, "exam": exam.to_dict()} for exam in exams]
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        try:
            with (self.folder / CURVE).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CheckpointError(f"The curve cannot be written: {error}.") from error
        self._n_written = n_points + len(points), n_exams + len(exams)

    def enter(self, phase: Phase, message: str = "") -> None:
        """Begin a phase, and note it beside the run."""
        self.phase, self.message = phase, message
        status = {"phase": phase, "message": message, "notes": self.notes}
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / STATUS).write_text(json.dumps(status), encoding="utf-8")

    def cut(self, step: int) -> None:
        """Forget what came after a step: it is done again."""
        self.points = [point for point in self.points if point.step <= step]
        self.exams = [exam for exam in self.exams if exam.step <= step]
        self._n_written = len(self.points), len(self.exams)
        if self.film is not None:
            frames = tuple(frame for frame in self.film.frames if frame.step <= step)
            film = self.film
            self.film = Film(film.name, film.source, film.target, film.labels, frames)

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read what a run left on the disk; one that no thread works at any more was interrupted.

        Raises:
            CheckpointError: If there is no run.
        """
        try:
            status = json.loads((folder / STATUS).read_text(encoding="utf-8"))
            phase = status["phase"]
            message, notes = str(status["message"]), tuple(map(str, status["notes"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"There is no run {folder.name} on this server.") from error
        if phase not in get_args(Phase) or phase in ("preparing", "training"):
            phase, message = "interrupted", "The server was stopped while this run was training."
        record = cls(folder, phase=cast(Phase, phase), message=message, notes=notes)
        for line in read_curve(folder):
            with suppress(KeyError, TypeError):
                if "exam" in line:
                    record.exams.append(Exam.from_dict(line["exam"]))
                else:
                    record.points.append(Point(**_numbers(line)))
        record._n_written = len(record.points), len(record.exams)
        with suppress(FileFormatError):
            record.film = Film.load(folder / FILM)
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = (folder / TEACHER).read_text(encoding="utf-8")
            record.teacher = Exam.from_dict(json.loads(content))
        return record


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """So many points at most, each the mean of neighbours; the last stays the last."""
    width = max(1, math.ceil(len(points) / most))
    if width == 1:
        return [*points]
    kept = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        mean = {
            name: sum(getattr(point, name) for point in part) / len(part)
            for name in ("loss", "nll", "grad_norm", "seconds", "soft", "hard")
        }
        kept.append(part[-1]._replace(**mean))
    return kept


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }


def _numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in record.items()}
