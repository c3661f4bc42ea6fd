"""Runs first in the server under test: notes every attempt to reach another machine."""

import os
import sys
from pathlib import Path
from typing import Any

NOTES = os.environ.get("WORKBENCH_STRANGERS")
OWN = ("127.", "::1", "localhost", "0.0.0.0", "::")
WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.sendto"}


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event not in WATCHED:
        return
    address = args[0] if event == "socket.getaddrinfo" else args[1]
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    # A path is a socket of this machine; no host at all means every own address.
    if not isinstance(host, str) or host.startswith((*OWN, "/")) or not host:
        return
    with Path(NOTES or os.devnull).open("a", encoding="utf-8") as notes:
        notes.write(f"{event} {host}\n")


if NOTES:
    sys.addaudithook(_watch)
