"""What the server itself refuses and serves: origins, uploads, files, and what errors tell."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import websockets.sync.client as sockets
from websockets.exceptions import InvalidStatus

from tests.support.live_app import LiveApp, running_app
from tests.support.websocket_client import visiting

FONT = "app/static/fonts/InterVariable.woff2"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    with running_app(tmp_path_factory.mktemp("server")) as running:
        yield running


def get(app: LiveApp, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for a path as it stands: a client would make ``..`` away."""
    host = app.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=20)) as connection:
        connection.request("GET", path, headers=headers | {"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def knock(app: LiveApp, **headers: str) -> int:
    """Open the socket, as a page of some origin does; the status that it is answered with."""
    address = f"{app.url.replace('http', 'ws')}/_stcore/stream"
    origin = headers.pop("origin", None)
    try:
        with sockets.connect(address, origin=origin, subprotocols=["streamlit"]):  # type: ignore[list-item, arg-type]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_page_of_another_origin_is_refused_and_nobody_asked(app: LiveApp) -> None:
    """Streamlit would ask another machine for its address; from the first visit on it does not."""
    asyncio.run(_visit(app))
    assert knock(app, origin=app.url) == 101
    assert knock(app, origin="http://pwned.invalid") in (400, 403)
    assert app.strangers() == []


def test_an_upload_needs_the_token_of_its_session(app: LiveApp) -> None:
    host = app.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=20)) as connection:
        connection.request("PUT", "/_stcore/upload_file/no-session/no-file", body=b"x")
        assert connection.getresponse().status == 403


def test_no_foreign_origin_may_read_answers(app: LiveApp) -> None:
    for path in ("/_stcore/health", "/_stcore/host-config"):
        _, headers, _ = get(app, path, Origin="http://pwned.invalid")
        assert headers.get("access-control-allow-origin") in (None, app.url)


@pytest.mark.parametrize(
    "path",
    [
        "/app/static/../app.py",
        "/app/static/%2e%2e/app.py",
        "/app/static/..%2fapp.py",
        "/app/static/fonts/../../.streamlit/config.toml",
        "/app/static//etc/passwd",
        "/app/static/%00",
        "/app/static/..%5capp.py",
        "/.streamlit/config.toml",
        "/pages/attention.py",
        "/media/../../etc/passwd",
        "/component/../../etc/passwd",
        "/_stcore/bidi-components/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_no_path_leads_to_a_file_of_the_server(app: LiveApp, path: str) -> None:
    _, _, body = get(app, path)
    for secret in (b"root:", b"st.navigation", b"enableXsrfProtection", b"set_up("):
        assert secret not in body


def test_the_fonts_are_served_as_what_they_are(app: LiveApp) -> None:
    status, headers, body = get(app, f"/{FONT}")
    assert status == 200
    assert headers["x-content-type-options"] == "nosniff"
    assert body.startswith(b"wOF2")
    assert get(app, "/app/static/fonts/")[0] != 200, "no listing"


def test_only_fonts_and_their_licences_are_there_to_be_served() -> None:
    folder = Path(__file__).resolve().parents[1] / "static"
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {
        ".woff2",
        ".txt",
        ".md",
    }


def test_the_agents_interface_is_off(app: LiveApp) -> None:
    for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp"):
        status, headers, _ = get(app, path)
        assert status in (404, 405) or "text/html" in headers["content-type"]


def test_the_configuration_says_what_is_meant(app: LiveApp) -> None:
    _, _, body = get(app, "/_stcore/host-config")
    said = json.loads(body)
    assert "pwned" not in json.dumps(said)


async def _visit(app: LiveApp) -> None:
    async with visiting(app.url, "positions") as visitor:
        assert visitor.exceptions() == []
