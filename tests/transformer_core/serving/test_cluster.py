"""The models on a real Ray Serve: one command, killed replicas, and nothing left behind.

One cluster for all tests here: it takes ten to twenty seconds to start.
"""

import asyncio
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from tests.support.live_app import ROOT, free_port, wait_until_healthy
from tests.support.replicas import kill_outright, replicas
from tests.support.websocket_client import visiting
from transformer_core.cli import main
from transformer_core.decoding.strategies import Greedy
from transformer_core.errors import ConfigError, ModelUnavailableError
from transformer_core.models.loading import load
from transformer_core.serving.cluster import ClusterOptions, models_to_serve, stop

MODEL = "en-fr-small"
SOURCE = "The old house by the river was sold to a young family last week."


@dataclass
class Served:
    """What the command started.

    Attributes:
        process: The command.
        address: What it printed.
        app_url: Where the app is.
    """

    process: subprocess.Popen[bytes]
    address: str
    app_url: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("served") / "log"
    port, app_port = free_port(), free_port()
    command = f"-m transformer_core serve {MODEL} --replicas 2 --port {port} --app"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command.split(), "--app-port", str(app_port)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        family = psutil.Process(process.pid)
        try:
            url = f"http://localhost:{app_port}"
            wait_until_healthy(url, process, log, timeout=150)
            address = f"ray://127.0.0.1:{port}/{MODEL}"
            assert address in log.read_text().splitlines()
            yield Served(process, address, url)
        finally:
            _end(process, family)


def _end(process: subprocess.Popen[bytes], family: psutil.Process) -> None:
    """Ctrl-C, and look that all that the command started has gone with it."""
    if process.poll() is not None:
        return
    started = family.children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    _, alive = psutil.wait_procs(started, timeout=15)
    for left in alive:
        left.kill()
    assert alive == []


def test_a_trace_from_the_cluster_is_the_models_own(served: Served) -> None:
    local, remote = load(MODEL).trace(SOURCE), load(served.address).trace(SOURCE)
    assert remote.target_tokens == local.target_tokens
    for site in local.sites:
        torch.testing.assert_close(
            remote.pattern(site, layer=1), local.pattern(site, layer=1), atol=1e-6, rtol=0
        )


def test_the_app_shows_what_the_cluster_computes(served: Served) -> None:
    async def look() -> list[str]:
        async with visiting(served.app_url, "attention", query=f"model={MODEL}") as visitor:
            return visitor.errors()

    assert asyncio.run(look()) == []
    with urllib.request.urlopen(f"{served.app_url}/_stcore/health", timeout=5) as answer:
        assert answer.status == 200


def test_a_replica_that_is_killed_under_requests_loses_none(served: Served) -> None:
    """Two replicas under 48 requests, twelve at a time; one is killed when some are answered."""
    remote, victim = load(served.address), replicas(MODEL, under=served.process.pid)[0]
    texts = [f"The house number {number} was sold last week." for number in range(48)]
    answered = threading.Semaphore(0)

    def one(text: str) -> str:
        trace = remote.trace(text, "La maison a été vendue.")
        answered.release()
        return trace.text

    with ThreadPoolExecutor(12) as pool:
        found = [pool.submit(one, text) for text in texts]
        for _ in range(8):
            assert answered.acquire(timeout=60)
        assert not all(each.done() for each in found)
        kill_outright(victim)
        assert [each.result(60) for each in found] == texts
    assert not victim.is_running()


def test_a_text_goes_on_when_every_replica_is_killed_while_it_is_written(served: Served) -> None:
    expected = [step.token_id for step in load(MODEL).decode(SOURCE, Greedy(max_new_tokens=12))]
    writing = load(served.address).decode(SOURCE, Greedy(max_new_tokens=12))
    written = [next(writing).token_id for _ in range(3)]
    victims = replicas(MODEL, under=served.process.pid)
    assert victims
    for victim in victims:
        kill_outright(victim)
    written += [step.token_id for step in writing]
    assert written == expected
    # What streamed ahead may have reached us before: this request starts after they are gone.
    assert load(served.address).trace("Yes.", "Oui.").text == "Yes."


# -- what is refused before a cluster starts ----------------------------------------------------


def test_numbers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 to 1 replicas"):
        ClusterOptions(min_replicas=2, max_replicas=1)
    with pytest.raises(ConfigError, match="no port 70000"):
        ClusterOptions(port=70_000)


def test_without_a_wish_the_models_that_are_here_are_served() -> None:
    assert {"minilm", MODEL} <= set(models_to_serve([]))
    assert models_to_serve([MODEL, MODEL]) == [MODEL]


@pytest.mark.parametrize("name", ["../secret", "/etc", "a b", "ray://x/minilm"])
def test_what_cannot_be_part_of_an_address_is_not_served(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match="cannot be served"):
        models_to_serve([name])


@pytest.mark.parametrize(
    "arguments", [["--replicas", "many"], ["--replicas", "3:1"], ["--port", "0"], ["../x"]]
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_command_says_what_is_missing_without_ray(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["serve", MODEL]) == 2
    assert "pip install -r requirements-serve.txt" in capsys.readouterr().err


def test_stopping_what_never_started_is_no_error() -> None:
    stop(ClusterOptions())


def test_the_requirements_pin_ray_and_are_part_of_the_tests() -> None:
    lines = Path(ROOT, "requirements-serve.txt").read_text().splitlines()
    assert any(line.startswith("ray[serve]==2.60.") for line in lines)
    assert "-r requirements-serve.txt" in Path(ROOT, "requirements-dev.txt").read_text()
