"""Memory that was freed is kept: the next pass does not fault it in again."""

import ctypes
import subprocess
import sys

import pytest

from transformer_core.models import allocator

FAULTS = """
import resource, torch
from transformer_core.models.allocator import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def work():
    kept = [torch.ones(2**18) for _ in range(24)]  # 24 MiB in parts of 1 MiB
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep: bool) -> int:
    code = FAULTS.format(keep=keep)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_memory_that_was_freed_is_used_again() -> None:
    assert faults(keep=False) > 1000
    assert faults(keep=True) < 100


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert allocator.keep_freed_memory.__wrapped__() is False
