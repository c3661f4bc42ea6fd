"""Downloads in the background: one a model for everybody, with progress, stopped by who asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from transformer_core.errors import StoppedError, TransformerCoreError
from transformer_core.models import hub
from transformer_core.models.cache import Progress

Fetch = Callable[[str, Progress], Path]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How far a download is.

    Attributes:
        message: What is being done, or how it ended.
        share: Which share of it is done, 0–1.
        is_done: Whether it has ended, well or not.
        error: Why it did not end well; None if it did, or is still on.
    """

    message: str
    share: float = 0.0
    is_done: bool = False
    error: str | None = None


class Download:
    """One model's way onto this machine, in a thread of its own.

    Several people may wait for it; it stops when the last of them has left.
    """

    def __init__(self, hub_id: str, fetch: Fetch) -> None:
        self.hub_id = hub_id
        self._fetch = fetch
        self._standing = Standing(f"Asking the hub for {hub_id}")
        self._waiting = 1
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"download {hub_id}", daemon=True)
        self._thread.start()

    @property
    def standing(self) -> Standing:
        """How far it is."""
        return self._standing

    def join(self) -> bool:
        """Wait for it, too; False if it has ended or is being stopped."""
        with self._lock:
            if self._waiting == 0 or self._standing.is_done:
                return False
            self._waiting += 1
            return True

    def leave(self) -> None:
        """Wait no longer; the last who leaves stops it."""
        with self._lock:
            self._waiting = max(self._waiting - 1, 0)

    def wait(self, timeout_s: float | None = None) -> Standing:
        """Wait for the end; returns how it stands then."""
        self._thread.join(timeout_s)
        return self._standing

    def _run(self) -> None:
        error = "An error that was not foreseen stopped it; the server's log has it."
        try:
            self._fetch(self.hub_id, self._report)
        except StoppedError:
            error = "Stopped. What has come is kept: the next download goes on from there."
        except TransformerCoreError as reason:
            error = str(reason)
        except Exception:  # noqa: BLE001  (a thread has nobody else to tell)
            _log.exception("The download of %s failed", self.hub_id)
        else:
            self._standing = Standing(f"{self.hub_id} is here", 1.0, is_done=True)
            return
        self._standing = replace(self._standing, message="Not done", is_done=True, error=error)

    def _report(self, message: str, share: float) -> None:
        if self._waiting == 0:
            raise StoppedError(f"The download of {self.hub_id} was stopped.")
        self._standing = Standing(message, share)


class Downloads:
    """All downloads of a process: who asks for a model that is on its way joins."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch or _fetch
        self._lock = threading.Lock()
        self._latest: dict[str, Download] = {}

    def ask(self, hub_id: str) -> Download:
        """Join the download of a model, or begin it."""
        with self._lock:
            download = self._latest.get(hub_id)
            if download is None or not download.join():
                download = self._latest[hub_id] = Download(hub_id, self._fetch)
            return download


def _fetch(hub_id: str, report: Progress) -> Path:
    return hub.download(hub_id, progress=report)
