"""Replicas of models on Ray Serve, as processes that can be killed."""

import os
import signal

import psutil


def replicas(model_id: str, *, under: int | None = None) -> list[psutil.Process]:
    """Processes that hold a model, of the cluster that a process started (this one by default)."""
    family = psutil.Process(under).children(recursive=True)
    return [process for process in family if _title(process).endswith(f":{model_id}")]


def kill_outright(process: psutil.Process) -> None:
    """End a process in the middle of whatever it does."""
    os.kill(process.pid, signal.SIGKILL)


def _title(process: psutil.Process) -> str:
    """What a process calls itself; a replica says which model's it is, and what it is doing."""
    try:
        title = " ".join(process.cmdline())
    except psutil.Error:
        return ""
    name = title.split(".")[0] if title.startswith("ray::ServeReplica") else ""
    return name.strip()
