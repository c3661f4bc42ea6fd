"""A server that is killed, or told to end, in the middle of a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_app import ROOT
from transformer_core.training.checkpoints import checkpoints, load_checkpoint
from transformer_core.training.live_runs import LiveRuns

TRAIN = """
import sys
from pathlib import Path
from transformer_core.training import live_run
from transformer_core.training.live_runs import LiveRuns
from transformer_core.training.live_settings import LiveSettings

live_run.SAVE_S = 0.2
settings = LiveSettings(d_model=16, n_heads=2, n_layers=1, batch=8, max_steps=50_000)
run = LiveRuns(Path(sys.argv[1])).start(settings, "somebody")
print(run.id, flush=True)
while not run.record.step:
    import time
    time.sleep(0.05)
print("training", flush=True)
"""
"""Trains as the page does; its main thread ends at once, as a server's does when it is stopped."""
PATIENCE = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", TRAIN + "time.sleep(600)", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def in_mid_run(server: subprocess.Popen[str], folder: Path) -> str:
    """The id of the run, once it has a checkpoint."""
    assert server.stdout is not None
    run_id = server.stdout.readline().strip()
    assert server.stdout.readline() == "training\n"
    end = time.monotonic() + PATIENCE
    while not checkpoints(folder / run_id):
        assert time.monotonic() < end, "There is no checkpoint."
        time.sleep(0.05)
    return run_id


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_training_is_found_at_its_last_checkpoint_and_goes_on(
    server: subprocess.Popen[str], tmp_path: Path, sent: signal.Signals
) -> None:
    try:
        run_id = in_mid_run(server, tmp_path)
        server.send_signal(sent)
        server.wait(10)
    finally:
        server.kill()
        server.wait()
    last = load_checkpoint(checkpoints(tmp_path / run_id)[-1]).step
    runs = LiveRuns(tmp_path)
    run = runs.find(run_id)
    assert run is not None
    assert run.record.phase == "interrupted"
    assert run.can_go_on
    runs.go_on(run)
    end = time.monotonic() + PATIENCE
    while run.record.step <= last:
        assert time.monotonic() < end, f"It stands at step {run.record.step}: {run.record.phase}."
        time.sleep(0.05)
    runs.stop_all()
    assert run.record.phase == "paused"
    assert not list((tmp_path / run_id / "checkpoints").glob(".partial-*"))


def test_a_process_whose_main_thread_has_ended_waits_for_no_training(tmp_path: Path) -> None:
    started = time.monotonic()
    command = [sys.executable, "-c", TRAIN, str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < PATIENCE / 2
