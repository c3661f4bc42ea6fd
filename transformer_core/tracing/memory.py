"""Where memory runs out: said in words, and what the broken-off work held is let go of."""

from __future__ import annotations

import re
import traceback
from contextlib import ContextDecorator
from types import TracebackType

from transformer_core.errors import OutOfMemoryError

_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory")
_ASKED = re.compile(r"tried to allocate (\d+) bytes")


class TellsMemory(ContextDecorator):
    """Turns torch's and Python's errors for want of memory into :class:`OutOfMemoryError`.

    The tensors that the broken-off forward pass held are let go of before the error goes on, so
    that the server has its memory back while somebody still reads the message.
    """

    def __enter__(self) -> TellsMemory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise the library's error in place of one for want of memory.

        Raises:
            OutOfMemoryError: If there was one.
        """
        if error is None or not _is_about_memory(error):
            return
        if trace is not None:
            traceback.clear_frames(trace)
        raise OutOfMemoryError(
            f"This machine has not enough memory left for this{_asked(str(error))}. Take a shorter "
            "text, fewer texts or a smaller model, or try again when others have finished. Nothing "
            "else was lost."
        ) from None


def _is_about_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def _asked(message: str) -> str:
    """How much was asked for, where the message says it."""
    found = _ASKED.search(message)
    if found is None:
        return ""
    n_bytes = int(found.group(1))
    return (
        f": {n_bytes / 2**30:,.1f} GiB more were asked for"
        if n_bytes >= 2**27
        else (f": {n_bytes / 2**20:,.1f} MiB more were asked for")
    )
