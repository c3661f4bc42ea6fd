"""The shipped nginx configuration in front of replicas that run on this machine."""

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from tests.support.live_app import ROOT, LiveApp, free_port

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
PLACES = ("app-a:8501", "app-b:8501")


def find_nginx() -> str | None:
    """Where nginx is; None if there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def configured(folder: Path, port: int, replicas: Sequence[LiveApp]) -> str:
    """The configuration as it is shipped, but for where it listens, writes and passes on to."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    changes = {"listen 8080;": f"listen 127.0.0.1:{port};", " /tmp/": f" {folder}/"}
    changes |= {
        place: f"127.0.0.1:{replica.url.rpartition(':')[2]}"
        for place, replica in zip(PLACES, replicas, strict=True)
    }
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"The configuration has no {old!r} any more.")
        text = text.replace(old, new)
    return text


@contextmanager
def proxied(folder: Path, replicas: Sequence[LiveApp]) -> Iterator[str]:
    """Run nginx in front of replicas until the block ends; its address."""
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(configured(folder, port, replicas), encoding="utf-8")
    nginx = find_nginx()
    if nginx is None:
        raise FileNotFoundError("nginx")
    process = subprocess.Popen([nginx, "-e", "stderr", "-c", str(path), "-g", "daemon off;"])
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, f"{url}/proxy/health")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = monotonic() + 20
    while monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("nginx stopped: it says why on stderr.")
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        sleep(0.05)
    raise RuntimeError(f"{url} does not answer.")
