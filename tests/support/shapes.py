"""Checking shapes at run time: what jaxtyping's import hook calls on every function under test."""

import sys
from collections.abc import Callable
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arguments and results of a function whose annotation is a shape; leave the rest.

    Everything else is mypy's. It also may not exist at run time: names under ``TYPE_CHECKING``.
    """
    module = vars(sys.modules[function.__module__])
    shapes = {}
    for name, hint in function.__annotations__.items():
        resolved = _resolved(hint, module)
        if _has_shape(resolved):
            shapes[name] = resolved
    function.__annotations__ = shapes
    return beartype(function) if shapes else function


def _resolved(hint: Any, module: dict[str, Any]) -> Any:
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, module)
    except NameError:
        return None


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
