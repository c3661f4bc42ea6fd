"""What the Train page costs: to the first point, a step against the bare loop, to 99 %.

Run alone on a quiet machine: ``python -m benchmarks.training``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch

from transformer_core.figures.film import film
from transformer_core.figures.learning_curves import (
    ACCURACY,
    GRADIENT,
    LOSS,
    RATE,
    Curve,
    curve_spec,
)
from transformer_core.figures.teacher_forcing import teacher_forcing_spec
from transformer_core.training.live_data import begin
from transformer_core.training.live_limits import LiveLimits
from transformer_core.training.live_run import LiveRun
from transformer_core.training.live_runs import LiveRuns
from transformer_core.training.live_settings import LiveSettings
from transformer_core.training.step_time import calibrate

POLL_S = 1.0
WANTED = 0.99
N_COMPARED = 200


def bare(settings: LiveSettings, folder: Path) -> list[float]:
    """Seconds of each step of the loop alone."""
    torch.set_num_threads(1)
    seconds = []
    began = time.perf_counter()
    for step in begin(folder, settings).run.trainer:
        now = time.perf_counter()
        if step.step > 1:  # the first has the preparation in it
            seconds.append(now - began)
        began = now
        if step.step > N_COMPARED:
            break
    return seconds


def look(run: LiveRun) -> None:
    """What a page draws of a run every second."""
    record = run.record
    curves = [Curve(run.title, [*record.points], [*record.exams])]
    for series in (LOSS, ACCURACY, RATE, GRADIENT):
        curve_spec(curves, series, max_steps=run.settings.max_steps)
    if record.film is not None and record.film.frames:
        film(record.film, "cross").to_bytes()
        teacher_forcing_spec(record.film, len(record.film.frames) - 1)


def live(runs: LiveRuns, settings: LiveSettings) -> tuple[LiveRun, float]:
    """A run that is looked at until it is over; and the seconds to its first point."""
    began = time.perf_counter()
    run = runs.start(settings, "benchmark")
    while run.is_active and not run.record.points:
        time.sleep(0.005)
    first = time.perf_counter() - began
    while run.is_active:
        look(run)
        time.sleep(POLL_S)
    return run, first


def reached(run: LiveRun) -> tuple[int, float] | None:
    """Step and seconds at which it first wrote 99 % of unseen sequences right."""
    for exam in run.record.exams:
        if exam.sequence_accuracy >= WANTED:
            return exam.step, exam.seconds
    return None


def main() -> None:
    """Measure, and print JSON."""
    calibrate(lambda *_: None)  # as the page does before anybody presses Start
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = LiveRuns(folder / "runs", LiveLimits())
        for index, task in enumerate(sys.argv[1:] or ["copy", "reverse"]):
            settings = LiveSettings(task=task, max_steps=800)
            before = bare(settings, folder / f"before-{index}")
            run, first = live(runs, settings)
            after = bare(settings, folder / f"after-{index}")
            points = run.record.points
            whole = [b.at - a.at for a, b in pairwise(points)]
            alone = median([*before, *after])
            found[task] = {
                "first_point_s": first,
                "step_bare_ms": 1000 * alone,
                "step_page_ms": 1000 * median(whole[:N_COMPARED]),
                "step_page_mean_ms": 1000 * sum(whole) / len(whole),
                "step_ratio": median(whole[:N_COMPARED]) / alone,
                "reached": reached(run),
                "last_accuracy": run.record.exams[-1].sequence_accuracy,
            }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
