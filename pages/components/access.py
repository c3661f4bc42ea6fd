"""Who can reach this server, and what they may open.

A server that listens beyond this machine, or that somebody reached under another name than
localhost (through a proxy), is public from then on: a limit that was not set then takes its careful
value.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import streamlit as st
from streamlit import config, net_util

from transformer_core.models.access import Access
from transformer_core.settings import Settings, settings

_OWN = ("localhost", "127.0.0.1", "::1")
_reached = threading.Event()  # from another machine, once

# Streamlit would ask another host for this machine's address when a foreign page knocks at the
# socket. Nobody needs the answer: a page of this server comes from the host that it asks.
net_util.get_external_ip = lambda: None
net_util.get_internal_ip = lambda: None


def admit() -> None:
    """Let a person in: note under which name they came, and hold the server to its settings.

    Raises:
        ConfigError: If a setting cannot be used.
    """
    _note_visitor()
    said = settings()
    largest = max(said.upload_megabytes, said.image_megabytes)
    if st.get_option("server.maxUploadSize") != largest:
        config.set_option("server.maxUploadSize", largest, "TRANSFORMER_WORKBENCH_…")


def _note_visitor() -> None:
    """Note under which name the person who looks reached this server."""
    if not _reached.is_set() and not _is_own(st.context.headers.get("Host")):
        _reached.set()


def upload_limit(of_its_kind: int) -> int:
    """Return MiB that a file may have: as many as its kind needs, and the server allows."""
    return min(of_its_kind, settings().upload_megabytes)


def is_public() -> bool:
    """Whether other machines can reach this server."""
    address = str(st.get_option("server.address") or "0.0.0.0")  # noqa: S104  (as Streamlit does)
    return _reached.is_set() or address not in _OWN


def access() -> Access:
    """Return which models may be opened here.

    Raises:
        ConfigError: If a setting cannot be used.
    """
    return _access(settings(), is_public())


@lru_cache(maxsize=4)
def _access(said: Settings, is_public: bool) -> Access:
    return Access.of_settings(said, is_public=is_public)


def _is_own(host: str | None) -> bool:
    """Whether a Host header names this machine; a test has none."""
    if not host:
        return True
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name.strip("[]").lower() in _OWN
