"""Memory that was freed is kept: malloc is told so, where it can be told."""

import sys
from types import SimpleNamespace

import pytest

from transformer_core.models import allocator
from transformer_core.models.loading import load

MIB = 2**20


class FakeLibrary:
    """Notes what malloc is told."""

    def __init__(self, *, obeys: int = 1) -> None:
        self.told: dict[int, int] = {}
        self._obeys = obeys

    def mallopt(self, option: int, value: int) -> int:
        self.told[option] = value
        return self._obeys


@pytest.fixture
def anew() -> None:
    allocator.keep_freed_memory.cache_clear()


def test_loading_a_model_raises_both_thresholds(
    anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M_MMAP_THRESHOLD is −3 and M_TRIM_THRESHOLD −1 in glibc's malloc.h."""
    library = FakeLibrary()
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda name: library))
    load("minilm")
    assert library.told == {-3: 32 * MIB, -1: 64 * MIB}


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_glibc_accepts_them(anew: None) -> None:
    assert allocator.keep_freed_memory()


def test_a_refusal_is_told(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = SimpleNamespace(CDLL=lambda name: FakeLibrary(obeys=0))
    monkeypatch.setattr(allocator, "ctypes", refuses)
    assert not allocator.keep_freed_memory()


def test_elsewhere_nothing_is_changed(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=no_library))
    assert not allocator.keep_freed_memory()
