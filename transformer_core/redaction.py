"""Paths of a server, taken out of what is told to people who need not know them."""

from __future__ import annotations

import re
import sys
import tempfile
from functools import cache
from pathlib import Path

_MARK = "…"
# At least two names after a slash that begins a path, and not one within an address (https://…).
_POSIX = re.compile(
    r"(?<![\w/:.\\~…])~?(?:/[^\s/'\"`,;:()\[\]{}<>|*?\\]+)+/([^\s/'\"`,;:()\[\]{}<>|*?\\]*)"
)
_WINDOWS = re.compile(r"\b[A-Za-z]:\\(?:[^\s\\'\",;:()]+\\)*([^\s\\'\",;:()]*)")


def without_paths(text: str) -> str:
    """Return a text in which of every absolute path only the last name is left.

    The folders that this process knows of are taken out first, since their names may hold spaces.
    """
    for root in _roots():
        text = text.replace(root, _MARK)
    text = _POSIX.sub(rf"{_MARK}/\1", text)
    text = _WINDOWS.sub(rf"{_MARK}\\\1", text)
    return re.sub(rf"{_MARK}(?:/[^\s/'\"`,;:()]+)*/([^\s/'\"`,;:()]*)", rf"{_MARK}/\1", text)


@cache
def _roots() -> tuple[str, ...]:
    """Folders of this process, the longest first."""
    found = {Path.cwd(), Path(__file__).resolve().parents[1], Path(tempfile.gettempdir())}
    found |= {Path(sys.prefix), Path(sys.base_prefix)}
    try:
        found.add(Path.home())
    except RuntimeError:  # a user without a home
        return _sorted(found)
    return _sorted(found)


def _sorted(folders: set[Path]) -> tuple[str, ...]:
    return tuple(sorted({str(f) for f in folders if len(f.parts) > 1}, key=len, reverse=True))
