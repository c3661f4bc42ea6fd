"""The cache: never half a folder, whoever else writes or dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transformer_core.errors import FileFormatError, ModelUnavailableError, StoppedError
from transformer_core.models import cache

_BUILDER = """
import sys, time
from pathlib import Path
from transformer_core.models.cache import make_once

def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    for name in ("a", "b"):
        (folder / name).write_bytes(name.encode() * 1000)
        print("writing", flush=True)
        time.sleep(float(sys.argv[2]))

print(make_once("model", build), flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "models" / "model"


def _fill(target: Path) -> None:
    (target / "weights").write_bytes(b"w" * 100)


def _process(log: Path, pause_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILDER, str(log), str(pause_s)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def _folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir())


def test_two_processes_build_once_and_both_get_the_whole(tmp_path: Path, folder: Path) -> None:
    log = tmp_path / "log"
    both = [_process(log, 0.2) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert all(text.splitlines()[-1] == str(folder) for text in said)
    assert log.read_text() == "built\n"
    assert (folder / "b").read_bytes() == b"b" * 1000


def test_threads_build_once(folder: Path) -> None:
    built: list[int] = []

    def build(target: Path) -> None:
        built.append(1)
        time.sleep(0.05)
        _fill(target)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.make_once("model", build), range(8)))
    assert set(found) == {folder}
    assert len(built) == 1


def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(
    tmp_path: Path, folder: Path
) -> None:
    log = tmp_path / "log"
    process = _process(log, 30)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    assert not folder.exists()
    assert cache.make_once("model", _fill) == folder
    assert _folders(folder.parent) == ["model"]


def test_a_folder_that_lost_a_byte_is_built_again(folder: Path) -> None:
    cache.make_once("model", _fill)
    (folder / "weights").write_bytes(b"w" * 99)
    cache.make_once("model", _fill)
    assert (folder / "weights").stat().st_size == 100


def test_a_build_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(target: Path) -> None:
        _fill(target)
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        cache.make_once("model", fail)
    assert _folders(folder.parent) == []


def test_who_waits_is_told_and_can_stop(folder: Path) -> None:
    building, go_on = threading.Event(), threading.Event()

    def build(target: Path) -> None:
        building.set()
        go_on.wait(30)
        _fill(target)

    def stop(message: str, share: float) -> None:
        raise StoppedError(message)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.make_once, "model", build)
        building.wait(30)
        with pytest.raises(StoppedError, match="another process"):
            cache.make_once("model", build, progress=stop)
        go_on.set()
        assert first.result(30) == folder


def test_a_cache_that_cannot_be_written_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ModelUnavailableError, match=cache.ENVIRONMENT_VARIABLE):
        cache.make_once("model", _fill)


def test_a_hash_is_computed_once_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    # The SHA-256 of "abc": FIPS 180-2, appendix B.1.
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    told: list[float] = []
    for _ in range(2):
        cache.check_hash(file, sha256, progress=lambda message, share: told.append(share))
    assert told == [1.0]
    file.write_bytes(b"abd")
    with pytest.raises(FileFormatError, match="not the file that was pinned"):
        cache.check_hash(file, sha256)


def test_a_damaged_note_of_hashes_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    note = cache.cache_folder() / "checked.json"
    note.parent.mkdir(parents=True)
    for content in ("{", "[]", json.dumps({str(file): 5})):
        note.write_text(content)
        cache.check_hash(file, cache.sha256_of(file))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "note"
    cache.write_atomically(target, b"old")
    with pytest.raises(TypeError):
        cache.write_atomically(target, None)  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["note"]


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "CHOSEN/transformer-workbench"),
        ("win32", "LOCALAPPDATA", "CHOSEN/transformer-workbench"),
        ("darwin", "HOME", "CHOSEN/Library/Caches/transformer-workbench"),
        ("linux", "HOME", "CHOSEN/.cache/transformer-workbench"),
    ],
)
def test_the_folder_is_where_the_platform_keeps_caches(
    platform: str, variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(cache.ENVIRONMENT_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert str(cache.cache_folder()) == expected.replace("CHOSEN", str(tmp_path))
