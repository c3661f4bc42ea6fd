"""Errors as messages: what a person can put right crosses the line as what it was."""

from __future__ import annotations

import json
from typing import Any

from transformer_core import errors
from transformer_core.errors import TextTooLongError, TooLongToKeepError, TransformerCoreError

_KINDS: dict[str, type[TransformerCoreError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, TransformerCoreError)
}


def error_to_bytes(error: TransformerCoreError) -> bytes:
    """An error of our tree as JSON."""
    facts: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, TextTooLongError | TooLongToKeepError):
        facts |= {"n_tokens": error.n_tokens, "limit": error.limit}
    return json.dumps(facts).encode()


def error_from_bytes(content: bytes) -> TransformerCoreError | None:
    """The error that somebody sent; None if these bytes are none."""
    try:
        facts = json.loads(content)
        kind = _KINDS[facts["error"]]
        if issubclass(kind, TextTooLongError | TooLongToKeepError):
            return kind(int(facts["n_tokens"]), int(facts["limit"]))
        return kind(str(facts["message"]))
    except (ValueError, KeyError, TypeError):
        return None
