"""The line to a cluster: what is repeated, what is given up, and what a person is told."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.live_app import free_port
from transformer_core.errors import (
    BusyError,
    EmptyInputError,
    InputError,
    ModelUnavailableError,
)
from transformer_core.models.catalogue import find_card
from transformer_core.models.loading import load
from transformer_core.serving import transport
from transformer_core.serving.address import Address, is_address, read_address
from transformer_core.serving.choice import address_for
from transformer_core.serving.faults import error_to_bytes
from transformer_core.serving.packets import framed
from transformer_core.serving.transport import MARK, Line, LostError, served_models

OWN = {MARK: "1"}


class Proxy(BaseHTTPRequestHandler):
    """Answers as it is told: each answer once, the last one for ever."""

    answers: list[tuple[int, dict[str, str], bytes]]
    asked: list[str]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(self.path)
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:  # as a process that is killed
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", headers.get("length", str(len(body))))
        self.end_headers()
        self.wfile.write(body)
        if "length" in headers:
            self.close_connection = True

    def do_GET(self) -> None:
        body = json.dumps({"/models/minilm": "minilm", "/models/a/b": "a--b", "/x": "x"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(transport, "_PAUSES", (0.01,))
    Proxy.answers, Proxy.asked = [(200, OWN, b"fine")], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Line(Address("127.0.0.1", server.server_port, "minilm"), patience_s=0.5)
    finally:
        transport._pool(f"http://127.0.0.1:{server.server_port}").close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_answer_is_handed_on(line: Line) -> None:
    assert line.ask("trace", b"what") == b"fine"
    assert Proxy.asked == ["/models/minilm/trace"]


@pytest.mark.parametrize("lost", [(500, {}, b"ActorDiedError"), (0, {}, b""), (502, {}, b"")])
def test_a_request_whose_replica_is_lost_is_repeated(
    line: Line, lost: tuple[int, dict[str, str], bytes]
) -> None:
    Proxy.answers = [lost, lost, (200, OWN, b"fine")]
    assert line.ask("trace", b"") == b"fine"
    assert len(Proxy.asked) == 3


def test_a_request_that_replicas_die_of_is_given_up(line: Line) -> None:
    Proxy.answers = [(500, {}, b"")]
    with pytest.raises(ModelUnavailableError, match="after 7 tries .the proxy answered 500"):
        line.ask("trace", b"")
    assert len(Proxy.asked) == 7


def test_a_full_cluster_says_try_again(line: Line) -> None:
    Proxy.answers = [(503, {}, b"dropped due to backpressure")]
    with pytest.raises(BusyError, match="busy.*Try again"):
        line.ask("trace", b"")
    assert len(Proxy.asked) > 7


def test_what_the_model_says_is_wrong_is_not_repeated(line: Line) -> None:
    Proxy.answers = [(422, OWN, error_to_bytes(EmptyInputError("Type some words.")))]
    with pytest.raises(EmptyInputError, match="Type some words"):
        line.ask("trace", b"")
    assert len(Proxy.asked) == 1


def test_a_bug_of_the_replica_shows_as_one(line: Line) -> None:
    Proxy.answers = [(500, OWN, b"a bug")]
    with pytest.raises(RuntimeError, match="the replica failed"):
        line.ask("trace", b"")
    assert len(Proxy.asked) == 1


def test_a_model_that_is_not_served_is_told_with_those_that_are(line: Line) -> None:
    Proxy.answers = [(404, {}, b"Path not found")]
    with pytest.raises(ModelUnavailableError, match="it serves a/b, minilm. Start it there"):
        line.ask("trace", b"")
    assert served_models(line.address) == ["a/b", "minilm"]


def test_frames_come_one_by_one(line: Line) -> None:
    Proxy.answers = [(200, OWN, framed(b"one") + framed(b"two"))]
    assert list(line.stream("steps", b"")) == [b"one", b"two"]


@pytest.mark.parametrize("length", ["11", "900"])
def test_a_stream_that_is_cut_is_lost(line: Line, length: str) -> None:
    body = (framed(b"one") + framed(b"two"))[:11]
    Proxy.answers = [(200, OWN | {"length": length}, body)]
    stream = line.stream("steps", b"")
    assert next(stream) == b"one"
    with pytest.raises(LostError):
        list(stream)


def test_a_stream_may_be_refused(line: Line) -> None:
    Proxy.answers = [(422, OWN, error_to_bytes(InputError("Too large.")))]
    with pytest.raises(InputError, match="Too large"):
        next(line.stream("steps", b""))


def test_nobody_there_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformer_core.serving.handle.LOAD_PATIENCE_S", 0.1)
    port = free_port()
    with pytest.raises(ModelUnavailableError, match=f"No cluster answers at .*{port}.*make serve"):
        load(f"ray://127.0.0.1:{port}/minilm")


# -- which models come from a cluster -----------------------------------------------------------


def test_addresses_are_read() -> None:
    assert read_address("ray://10.0.0.5:8001/minilm") == Address("10.0.0.5", 8001, "minilm")
    assert read_address("ray://head/google/vit").model_id == "google/vit"
    assert read_address("ray://[::1]:80", model_id="gpt2").url == "http://[::1]:80"
    assert str(read_address("ray://head/gpt2")) == "ray://head:8000/gpt2"
    assert is_address("ray://x") and not is_address("minilm")


@pytest.mark.parametrize(
    "name",
    [
        "ray://",
        "ray://host",
        "ray://host:99999/minilm",
        "ray://host:0/minilm",
        "ray://user:secret@host/minilm",
        "ray://host/../../-/routes",
        "ray://host/minilm?x=1",
        "ray://host/a/b/c",
        "ray://ho st/minilm",
        "ray://host/minilm\r\nx: 1",
        "http://host/minilm",
    ],
)
def test_what_is_no_address_is_refused(name: str) -> None:
    with pytest.raises(ModelUnavailableError):
        read_address(name)


def test_the_setting_sends_the_catalogue_to_the_cluster(
    monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    cluster = line.address.cluster
    assert address_for("minilm", find_card("minilm"), may_ask=True) is None
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RAY_ADDRESS", cluster)
    assert str(address_for("minilm", find_card("minilm"), may_ask=False)) == f"{cluster}/minilm"
    assert address_for("gpt2", find_card("gpt2"), may_ask=False) is None  # not served there
    assert address_for("./folder", None, may_ask=False) is None


def test_visitors_do_not_choose_whom_a_server_speaks_to(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = "ray://169.254.169.254:80/minilm"
    with pytest.raises(ModelUnavailableError, match="is not asked"):
        load(inner, allow_download=False)
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RAY_ADDRESS", "ray://10.0.0.5")
    with pytest.raises(ModelUnavailableError, match="is not asked"):
        address_for(inner, None, may_ask=False)
    own = address_for("ray://10.0.0.5:8000/minilm", None, may_ask=False)
    assert own == Address("10.0.0.5", 8000, "minilm")


def test_a_cluster_that_is_set_and_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RAY_ADDRESS", f"ray://127.0.0.1:{free_port()}")
    with pytest.raises(ModelUnavailableError, match="No cluster answers"):
        address_for("gpt2", find_card("gpt2"), may_ask=True)
