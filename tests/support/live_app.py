"""The real app in a process of its own, and Chromium to look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from pages.components.navigation import PageEntry

ROOT = Path(__file__).resolve().parents[2]
GUARD = ROOT / "tests" / "support" / "guard"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
PAINTED = "[data-painted]"
START_TIMEOUT = 60.0


@dataclass
class LiveApp:
    """A running server.

    Attributes:
        url: Where it serves.
        strangers_file: Where the server notes each connection to another machine.
        log: What it printed.
        process: The server itself.
    """

    url: str
    strangers_file: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def attention(self) -> str:
        """The address of the Attention page."""
        return f"{self.url}/attention"

    def at(self, entry: PageEntry) -> str:
        """The address of a page."""
        return self.url if entry.is_default else f"{self.url}/{Path(entry.path).stem}"

    def strangers(self) -> list[str]:
        """Other machines that the server has spoken to, or asked the address of."""
        if not self.strangers_file.exists():
            return []
        return self.strangers_file.read_text().splitlines()


@dataclass
class Traffic:
    """What a page sends and receives, from now on."""

    requests: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    def clear(self) -> None:
        """Count anew."""
        self.requests.clear()
        self.sent.clear()
        self.received.clear()


def find_chromium() -> str | None:
    """Where Chromium is: CHROMIUM, or the first that is found; None if there is none."""
    chosen = os.environ.get("CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@contextmanager
def running_app(folder: Path, *, port: int | None = None) -> Iterator[LiveApp]:
    """Serve the app from this checkout until the block ends.

    Args:
        folder: For its log and what the guard notes.
        port: Where; a free one by default.
    """
    port = port or free_port()
    log, strangers = folder / "server.log", folder / "strangers.txt"
    environment = os.environ | {
        "PYTHONPATH": str(GUARD),
        "WORKBENCH_STRANGERS": str(strangers),
        "HF_HUB_OFFLINE": "1",
        "OMP_WAIT_POLICY": "passive",
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("wb") as out:
        process = _start(command, environment, out)
        try:
            url = f"http://localhost:{port}"
            wait_until_healthy(url, process, log)
            yield LiveApp(url, strangers, log, process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(
    command: list[str], environment: dict[str, str], out: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
    )


def wait_until_healthy(
    url: str, process: subprocess.Popen[bytes], log: Path, *, timeout: float = START_TIMEOUT
) -> None:
    """Wait until the app answers.

    Raises:
        RuntimeError: If it stopped, or is not up in this time.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The server stopped:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The server is not up after {timeout:.0f} s:\n{log.read_text()}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("localhost", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium, headless."""
    with sync_playwright() as playwright:
        browser = _launch(playwright)
        try:
            yield browser
        finally:
            browser.close()


def _launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)


def watch(page: Page) -> Traffic:
    """Count what a page requests and what goes over its websockets."""
    traffic = Traffic()

    def on_socket(opened: Any) -> None:
        traffic.requests.append(opened.url)
        opened.on("framesent", lambda frame: traffic.sent.append(_size(frame)))
        opened.on("framereceived", lambda frame: traffic.received.append(_size(frame)))

    page.on("request", lambda request: traffic.requests.append(request.url))
    page.on("websocket", on_socket)
    return traffic


def _size(frame: str | bytes) -> int:
    return len(frame.encode() if isinstance(frame, str) else frame)


def settle(page: Page, *, timeout: float = 30_000) -> None:
    """Wait until the script has run and a picture is painted.

    Between two runs the page looks settled for a moment, so it must look so twice.
    """
    for _ in range(2):
        page.wait_for_selector(SETTLED, timeout=timeout)
        page.wait_for_timeout(60)
    page.wait_for_selector(SETTLED, timeout=timeout)


@contextmanager
def rerun(page: Page, *, timeout: float = 60_000) -> Iterator[None]:
    """What is done inside makes the script run; leave when it has run and settled."""
    page.evaluate(
        """() => {
          const app = document.querySelector("[data-testid=stApp]");
          window.hasRun = false;
          new MutationObserver(() => { window.hasRun = true; })
            .observe(app, { attributes: true, attributeFilter: ["data-test-script-state"] });
        }"""
    )
    yield
    page.wait_for_function("window.hasRun", timeout=timeout)
    settle(page)
