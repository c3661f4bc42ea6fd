"""What a view of the Positions page is, and the settings that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer_core.figures.positions_drawn import Drawn


@dataclass(frozen=True)
class Settings:
    """What the page is set to.

    Attributes:
        model_id: What ``tc.load`` takes; None if there is no model here.
        text: What was typed.
        values: The other settings by name, checked.
    """

    model_id: str | None
    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True)
class PositionsView:
    """One view of one kind: a question, its picture, and what explains it.

    Attributes:
        draw: Makes the picture from the settings; None where it must wait (it says so itself).
        code: The lines of Python that make this very picture.
        explanation: Markdown, beside that of the kind.
        controls: Names of the settings that it reads, in their order on the page.
        picked: Names of the settings that are chosen in the picture itself.
        on_cell: Where a cell picked in the picture leads: name of a view of the same kind.
    """

    draw: Callable[[Settings], Drawn | None]
    code: Callable[[Settings], str]
    explanation: str
    controls: tuple[str, ...]
    picked: tuple[str, ...] = ()
    on_cell: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of positions, or the tests on a model.

    Attributes:
        name: In the row of kinds and in the address.
        views: By name, in their order.
        explanation: Markdown: what it is, the equation, the paper.
    """

    name: str
    views: dict[str, PositionsView]
    explanation: str


def code_of(
    module: str, call: str, opening: Callable[[Settings], str] | None = None
) -> Callable[[Settings], str]:
    """Make the code of a picture that one function of ``transformer_core.figures`` makes.

    Args:
        module: The module of figures.
        call: The call, with settings by name in braces.
        opening: The lines before it.
    """

    def code(now: Settings) -> str:
        values = {name: repr(value) for name, value in now.values.items()}
        return (
            f"{opening(now) if opening else ''}"
            f"from transformer_core.figures import {module} as figures\n\n"
            f"drawn = figures.{call.format(**values)}\n"
            "numbers = drawn.arrays  # NumPy, by name\n"
            "page = drawn.to_html()\n"
        )

    return code
