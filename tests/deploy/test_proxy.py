"""Two replicas behind the shipped nginx configuration: one session stays with one of them."""

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.support.live_app import LiveApp, running_app
from tests.support.proxy import find_nginx, proxied

REQUIRED = os.environ.get("WORKBENCH_NGINX") == "required"
pytestmark = pytest.mark.skipif(
    find_nginx() is None and not REQUIRED,
    reason="nginx is not installed (apt-get install nginx-light); CI requires these tests.",
)
SEAT = re.compile(r"workbench_seat=([0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax")


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LiveApp]]:
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starts = [running_app(tmp_path_factory.mktemp("replica")) for _ in range(2)]
        yield list(pool.map(stack.enter_context, starts))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, replicas: list[LiveApp]) -> Iterator[str]:
    with proxied(tmp_path_factory.mktemp("proxy"), replicas) as address:
        yield address


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager() as pool:
        yield pool


def seat_for(replica: LiveApp, url: str, http: urllib3.PoolManager) -> str:
    """A cookie's number that leads to a replica: the one that knows a session opened there."""

    async def look() -> str:
        async with dial(replica.url) as socket:
            session = await begin(socket)
            for number in range(64):
                seat = f"{number:032x}"
                if upload(http, url, session, seat) == 204:
                    return seat
        raise AssertionError("No number leads to this replica.")

    return asyncio.run(look())


def dial(url: str, seat: str = "", *, origin: str | None = None) -> connect:
    host = url.removeprefix("http://")
    return connect(
        f"ws://{host}/_stcore/stream",
        subprotocols=[Subprotocol("streamlit")],
        additional_headers={"Cookie": f"workbench_seat={seat}"},
        origin=Origin(origin or f"http://{host}"),
        max_size=2**26,
        proxy=None,
    )


async def begin(socket: ClientConnection) -> str:
    """Run the first page; return the session's name."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    await socket.send(message.SerializeToString())
    async with asyncio.timeout(60):
        async for data in socket:
            assert isinstance(data, bytes)
            said = ForwardMsg.FromString(data)
            if said.WhichOneof("type") == "new_session":
                return str(said.new_session.initialize.session_id)
    raise AssertionError("No session began.")


def upload(
    http: urllib3.PoolManager, url: str, session: str, seat: str, *, content: bytes = b"a\n"
) -> int:
    """Upload a file into a session, as the browser does; the status."""
    cookies = http.request("GET", f"{url}/_stcore/health", headers=seated(seat)).headers
    token = re.search(r"_streamlit_xsrf=([^;]+)", cookies.get("set-cookie", ""))
    assert token is not None
    both = f"workbench_seat={seat}; _streamlit_xsrf={token[1]}"
    return http.request(
        "PUT",
        f"{url}/_stcore/upload_file/{session}/a-file",
        fields={"file": ("pairs.tsv", content)},
        headers={"Cookie": both, "X-Xsrftoken": token[1]},
        retries=False,
    ).status


def seated(seat: str) -> dict[str, str]:
    return {"Cookie": f"workbench_seat={seat}"}


def test_the_proxy_and_each_replica_are_well(
    url: str, replicas: list[LiveApp], http: urllib3.PoolManager
) -> None:
    for address in (
        f"{url}/proxy/health",
        *(f"{a}/_stcore/health" for a in (url, replicas[0].url)),
    ):
        answer = http.request("GET", address)
        assert (answer.status, answer.data.strip()) == (200, b"ok")


def test_who_comes_first_is_given_a_seat_and_keeps_it(url: str, http: urllib3.PoolManager) -> None:
    first = http.request("GET", url)
    given = SEAT.fullmatch(first.headers["set-cookie"].split(", ")[0])
    assert given is not None, first.headers["set-cookie"]
    again = http.request("GET", url, headers=seated(given[1]))
    assert "workbench_seat" not in again.headers.get("set-cookie", "")
    forged = http.request("GET", url, headers=seated("../../etc"))
    assert "workbench_seat" in forged.headers["set-cookie"]


def test_socket_and_upload_of_a_session_reach_one_replica(
    url: str, replicas: list[LiveApp], http: urllib3.PoolManager
) -> None:
    here, there = (seat_for(replica, url, http) for replica in replicas)

    async def look() -> None:
        async with dial(url, here) as socket:
            session = await begin(socket)
            for _ in range(6):
                assert upload(http, url, session, here) == 204
            assert upload(http, url, session, there) == 400  # there it is unknown

    asyncio.run(look())


def test_a_socket_from_a_foreign_page_is_refused(url: str) -> None:
    async def knock() -> None:
        async with dial(url, origin="https://elsewhere.example"):
            pass

    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(knock())
    assert refused.value.response.status_code == 403


def test_what_is_too_large_is_refused_by_the_proxy(url: str, http: urllib3.PoolManager) -> None:
    answer = http.request(
        "PUT",
        f"{url}/_stcore/upload_file/none/a-file",
        headers={"Content-Length": str(200 * 2**20)},
        retries=False,
    )
    assert answer.status == 413


def test_every_answer_has_the_headers_that_hold_a_browser_back(
    url: str, http: urllib3.PoolManager
) -> None:
    for path in ("/", "/nothing/here", "/_stcore/health"):
        headers = http.request("GET", url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["server"] == "nginx"  # no version


def test_when_a_replica_stops_its_seats_move_to_the_other(
    url: str, replicas: list[LiveApp], http: urllib3.PoolManager
) -> None:
    """Last here: it stops one."""
    seat = seat_for(replicas[0], url, http)
    replicas[0].process.kill()
    replicas[0].process.wait()
    for _ in range(4):
        assert http.request("GET", f"{url}/_stcore/health", headers=seated(seat)).status == 200


def test_this_file_is_about_the_file_that_compose_mounts() -> None:
    compose = Path(__file__).parents[2] / "deploy" / "docker-compose.yml"
    assert "./nginx.conf:/etc/nginx/nginx.conf:ro" in compose.read_text(encoding="utf-8")
