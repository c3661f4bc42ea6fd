"""All runs of a server: whose they are, how many train at once, and what is left on the disk."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from transformer_core.errors import BusyError, CheckpointError
from transformer_core.models.cache import cache_folder
from transformer_core.settings import variable
from transformer_core.training import live_data
from transformer_core.training.data import Pair
from transformer_core.training.live_data import Prepared
from transformer_core.training.live_limits import LiveLimits
from transformer_core.training.live_record import STATUS, Record
from transformer_core.training.live_run import Doing, LiveRun, public_id
from transformer_core.training.live_settings import LiveSettings

_ID = re.compile(r"[0-9a-f]{16}")


class Way(NamedTuple):
    """How runs of one kind are prepared: begun in a folder, and gone on with there."""

    begin: Callable[[Path, LiveSettings, Sequence[Pair]], Prepared]
    go_on: Callable[[Path], Prepared]


_PLAIN = Way(live_data.begin, live_data.go_on)


class LiveRuns:
    """The registry: one in a process, for all sessions.

    Args:
        folder: Where runs are kept; the user's cache if not given.
        limits: How much is trained at once; from the environment if not given.
        ways: By task, how runs are prepared that are not prepared like the others.
    """

    def __init__(
        self,
        folder: Path | None = None,
        limits: LiveLimits | None = None,
        *,
        ways: Mapping[str, Way] | None = None,
    ) -> None:
        self._ways = ways or {}
        self.folder = folder or cache_folder() / "runs"
        self.limits = limits or LiveLimits.of_settings()
        self._runs: dict[str, LiveRun] = {}
        self._lock = threading.Lock()

    def start(self, settings: LiveSettings, owner: str, own: Sequence[Pair] = ()) -> LiveRun:
        """Begin a run and return at once.

        Args:
            settings: What was set.
            owner: Whose it is.
            own: Pairs of one's own.

        Raises:
            BusyError: If as many runs train as the server, or the person, may have.
        """
        run_id = secrets.token_hex(8)
        return self.add(run_id, owner, settings, self._doing(self.folder / run_id, settings, own))

    def add(self, run_id: str, owner: str, settings: LiveSettings, doing: Doing) -> LiveRun:
        """Begin a run that is prepared in a way of its own, such as one with another loss.

        Raises:
            BusyError: As :meth:`start`.
        """
        with self._lock:
            self._check_room(owner)
            record = Record(self.folder / run_id)
            run = LiveRun(
                run_id,
                owner,
                settings,
                record=record,
                doing=doing,
                minutes=self.limits.minutes,
            )
            self._runs[run_id] = run
            run.start()
        self._forget_old()
        return run

    def go_on(self, run: LiveRun) -> None:
        """Let a paused, stopped or interrupted run go on.

        Raises:
            BusyError: As :meth:`start`.
        """
        with self._lock:
            if not run.is_active:
                self._check_room(run.owner)
                run.start()

    def find(self, run_id: str) -> LiveRun | None:
        """Return a run by its id: one of this server, or one that an earlier one left on the disk.

        The settings of a run on the disk say how it goes on; None if there is no such run.
        """
        if not _ID.fullmatch(run_id):
            return None
        with self._lock:
            if run_id not in self._runs:
                found = self._read(run_id)
                if found is None:
                    return None
                self._runs[run_id] = found
            return self._runs[run_id]

    def find_public(self, name: str) -> LiveRun | None:
        """Return a run by its public id, for those who may only look."""
        known = set(self._runs)
        if self.folder.is_dir():
            known |= {path.name for path in self.folder.iterdir()}
        found = next((run_id for run_id in known if public_id(run_id) == name), None)
        return None if found is None else self.find(found)

    def of(self, owner: str) -> list[LiveRun]:
        """Return a person's runs of this server, oldest first."""
        with self._lock:
            return [run for run in self._runs.values() if run.owner == owner]

    @property
    def n_active(self) -> int:
        """Runs that train now."""
        return sum(run.is_active for run in [*self._runs.values()])

    def stop_all(self) -> None:
        """Pause every run and wait for their threads."""
        runs = [*self._runs.values()]
        for run in runs:
            run.pause()
        for run in runs:
            run.join()

    def _doing(self, folder: Path, settings: LiveSettings, own: Sequence[Pair] = ()) -> Doing:
        """How a run of these settings is prepared."""
        way = self._ways.get(settings.task, _PLAIN)
        return Doing(lambda: way.begin(folder, settings, own), lambda: way.go_on(folder))

    def _check_room(self, owner: str) -> None:
        active = [run for run in self._runs.values() if run.is_active]
        mine = [run for run in active if run.owner == owner]
        if len(mine) >= self.limits.n_each:
            raise BusyError(
                f"{len(mine)} of your runs are training, as many as one person may have at once. "
                "Pause or stop one of them first."
            )
        if len(active) >= self.limits.n_runs:
            raise BusyError(
                f"{len(active)} runs are training on this server, as many as it has room for. Wait "
                f"until one ends (its operator may raise {variable('runs')})."
            )

    def _read(self, run_id: str) -> LiveRun | None:
        folder = self.folder / run_id
        try:
            record, settings = Record.read(folder), LiveSettings.load(folder)
        except CheckpointError:
            return None
        # A run that has no checkpoint yet has nothing to go on from, and says so.
        go_on = self._doing(folder, settings).go_on
        doing = Doing(go_on, go_on)
        return LiveRun(
            run_id, "", settings, record=record, doing=doing, minutes=self.limits.minutes
        )

    def _forget_old(self) -> None:
        """Delete the files of the oldest runs that do not train."""
        if not self.folder.is_dir():
            return
        found = [path for path in self.folder.iterdir() if _ID.fullmatch(path.name)]
        with self._lock:
            busy = {run_id for run_id, run in self._runs.items() if run.is_active}
        idle = sorted((p for p in found if p.name not in busy), key=_changed, reverse=True)
        for path in idle[max(0, self.limits.n_kept - len(busy)) :]:
            with self._lock:
                self._runs.pop(path.name, None)
            shutil.rmtree(path, ignore_errors=True)


def _changed(folder: Path) -> float:
    """When a run last entered a phase."""
    try:
        return (folder / STATUS).stat().st_mtime
    except OSError:
        return 0.0
