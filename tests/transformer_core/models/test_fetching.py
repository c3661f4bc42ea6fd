"""Downloads in the background: shared, watched, stopped."""

import threading
from pathlib import Path

import pytest

from transformer_core.errors import ModelUnavailableError
from transformer_core.models.cache import Progress
from transformer_core.models.fetching import Downloads


class Source:
    """Fetches when told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.n_begun = 0
        self.error: Exception | None = None

    def __call__(self, hub_id: str, report: Progress) -> Path:
        """Fetch."""
        self.n_begun += 1
        report("Downloading", 0.25)
        self.begun.release()
        self.go_on.wait(30)
        if self.error is not None:
            raise self.error
        report("Downloading", 0.75)
        return Path(hub_id)


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_download_says_how_far_it_is(source: Source) -> None:
    download = Downloads(source).ask("a/b")
    source.begun.acquire(timeout=30)
    assert (download.standing.share, download.standing.is_done) == (0.25, False)
    source.go_on.set()
    standing = download.wait(30)
    assert (standing.share, standing.is_done, standing.error) == (1.0, True, None)


def test_who_asks_for_the_same_model_joins(source: Source) -> None:
    downloads = Downloads(source)
    first, second = downloads.ask("a/b"), downloads.ask("a/b")
    assert first is second
    assert downloads.ask("a/c") is not first
    source.go_on.set()
    first.wait(30)
    assert source.n_begun == 2


def test_a_download_stops_when_the_last_has_left(source: Source) -> None:
    downloads = Downloads(source)
    download = downloads.ask("a/b")
    downloads.ask("a/b")
    source.begun.acquire(timeout=30)
    download.leave()
    assert downloads.ask("a/b") is download
    for _ in range(2):
        download.leave()
    source.go_on.set()
    standing = download.wait(30)
    assert standing.error is not None and standing.error.startswith("Stopped")
    assert standing.share == 0.25


def test_who_asks_again_after_a_stop_begins_anew(source: Source) -> None:
    downloads = Downloads(source)
    stopped = downloads.ask("a/b")
    stopped.leave()
    again = downloads.ask("a/b")
    assert again is not stopped
    source.go_on.set()
    assert again.wait(30).error is None


def test_one_that_never_left_cannot_be_left_twice(source: Source) -> None:
    downloads = Downloads(source)
    download = downloads.ask("a/b")
    download.leave()
    download.leave()
    assert not download.join()
    source.go_on.set()
    download.wait(30)


def test_why_it_failed_is_told(source: Source) -> None:
    source.error = ModelUnavailableError("a/b is gated")
    source.go_on.set()
    downloads = Downloads(source)
    standing = downloads.ask("a/b").wait(30)
    assert (standing.is_done, standing.error) == (True, "a/b is gated")
    source.error = None
    assert downloads.ask("a/b").wait(30).error is None


def test_a_bug_is_logged_and_the_download_ends(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.error = ZeroDivisionError()
    source.go_on.set()
    standing = Downloads(source).ask("a/b").wait(30)
    assert standing.is_done and standing.error is not None
    assert "ZeroDivisionError" in caplog.text
