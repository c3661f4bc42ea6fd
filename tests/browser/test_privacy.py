"""Neither the page nor the server speaks to any other machine."""

import os
import subprocess
import sys
from urllib.parse import urlparse

from playwright.sync_api import Page, Route

from tests.browser.conftest import open_traced, trace_text
from tests.support.live_app import GUARD, LiveApp, settle, watch

OWN_HOSTS = {"localhost", "127.0.0.1"}
NO_HOST = {"data", "blob", "about"}


def is_own(url: str) -> bool:
    address = urlparse(url)
    return address.scheme in NO_HOST or address.hostname in OWN_HOSTS


def test_page_and_server_speak_to_no_other_machine(app: LiveApp, page: Page) -> None:
    refused: list[str] = []

    def guard(route: Route) -> None:
        if is_own(route.request.url):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    page.context.route("**/*", guard)
    traffic = watch(page)
    open_traced(page, app.attention)
    trace_text(page, "Nobody else hears this sentence")
    for view in page.get_by_role("radiogroup").first.get_by_role("radio").all():
        view.click()
        page.wait_for_timeout(150)
        settle(page)
    assert any(url.startswith("ws://") for url in traffic.requests), "the socket must be counted"
    assert [url for url in traffic.requests if not is_own(url)] == []
    assert refused == []
    assert app.strangers() == []


def test_the_guard_would_notice(app: LiveApp) -> None:
    """The server's guard, tried on a process that does try to reach an address elsewhere."""
    notes = app.strangers_file.with_name("tried.txt")
    code = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.connect(('127.0.0.1', 9))\ns.connect(('192.0.2.1', 9))"
    )
    environment = os.environ | {"PYTHONPATH": str(GUARD), "WORKBENCH_STRANGERS": str(notes)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True)
    assert notes.read_text().splitlines() == ["socket.connect 192.0.2.1"]


def test_fonts_come_from_this_server(traced: Page) -> None:
    """Both faces that the project ships are the ones that the page and the picture are set in."""
    loaded = "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)"
    families = {name.strip("'\"") for name in traced.evaluate(loaded)}
    assert {"Inter", "Source Code VF"} <= families
    token = traced.locator(".st-key-picture .tok").first
    assert "Source Code VF" in token.evaluate("node => getComputedStyle(node).fontFamily")
    assert "Inter" in traced.locator("body").evaluate("node => getComputedStyle(node).fontFamily")
