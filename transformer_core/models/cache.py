"""The user's cache folder: files whose hash was checked, and folders that are made once.

The folder is ``$TRANSFORMER_WORKBENCH_CACHE``, or ``transformer-workbench`` where the platform
keeps caches. Everything in it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from transformer_core.errors import FileFormatError, ModelUnavailableError
from transformer_core.settings import settings, variable

Progress = Callable[[str, float], None]
"""Told what is being done and which share of it is done (0–1); raises StoppedError to stop it."""

ENVIRONMENT_VARIABLE = variable("cache")
_MANIFEST = "manifest.json"
_CHECKED = "checked.json"
_CHUNK = 2**22
_WAIT_S = 0.5


def ignore_progress(message: str, share: float) -> None:
    """Do nothing; the progress of who does not want to know."""


def cache_folder() -> Path:
    """Return the cache folder, which may not exist yet."""
    chosen = settings().cache
    if chosen is not None:
        return chosen.expanduser()
    return _platform_caches() / "transformer-workbench"


def _platform_caches() -> Path:
    xdg = os.environ.get("XDG_CACHE_HOME")
    if xdg:
        return Path(xdg)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path.home() / ".cache"


def sha256_of(path: Path, *, progress: Progress = ignore_progress) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    size = max(path.stat().st_size, 1)
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(f"Checking {path.name}", done / size)
    return digest.hexdigest()


def check_hash(path: Path, sha256: str, *, progress: Progress = ignore_progress) -> None:
    """Make sure that a file is the one that is meant; remembered until the file changes.

    Raises:
        FileFormatError: If the file's hash is another.
    """
    stat = path.stat()
    fingerprint = [stat.st_size, stat.st_mtime_ns, sha256]
    checked = _read_json(cache_folder() / _CHECKED)
    if checked.get(str(path)) == fingerprint:
        return
    found = sha256_of(path, progress=progress)
    if found != sha256:
        raise FileFormatError(
            f"{path} is not the file that was pinned: its SHA-256 begins {found[:12]}, "
            f"expected {sha256[:12]}. Install its package again."
        )
    note = json.dumps(checked | {str(path): fingerprint}).encode()
    with suppress(OSError):  # a cache that cannot be written costs a second hash, no more
        write_atomically(cache_folder() / _CHECKED, note)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def make_once(
    name: str, build: Callable[[Path], None], *, progress: Progress = ignore_progress
) -> Path:
    """Return the cached folder of a name; the first who asks builds it, the others wait.

    The folder is built beside its place and moved there when it is whole, with a manifest of its
    files and their sizes. A folder that does not match its manifest is built again.

    Args:
        name: The folder's name, with everything in it that the content depends on.
        build: Fills an empty folder.
        progress: Told when another process is waited for.

    Raises:
        ModelUnavailableError: If the cache cannot be written.
        StoppedError: If ``progress`` stopped the waiting.
    """
    folder = cache_folder() / "models" / name
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        _acquire(lock, progress)
        try:
            if not _is_whole(folder):
                _build(folder, build)
        finally:
            lock.release()
    except OSError as error:
        raise ModelUnavailableError(
            f"The cache folder {folder.parent} cannot be written ({error}). Make room there, or "
            f"choose another with the environment variable {ENVIRONMENT_VARIABLE}."
        ) from error
    return folder


def _acquire(lock: BaseFileLock, progress: Progress) -> None:
    """Take a lock; who waits for it is told so, and can stop."""
    while True:
        try:
            lock.acquire(timeout=_WAIT_S)
        except Timeout:
            progress("Waiting for another process that prepares this model", 0.0)
        else:
            return


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    for left_over in folder.parent.glob(f".{folder.name}.*"):  # of a process that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build(temporary)
        sizes = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
        write_atomically(temporary / _MANIFEST, json.dumps(sizes, indent=1).encode())
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    sizes = _read_json(folder / _MANIFEST)
    return bool(sizes) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in sizes.items()
    )


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
