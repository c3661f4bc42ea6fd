"""The settings of the Positions page: sliders with a number beside them, and the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.components.messages import show_error
from transformer_core.errors import TransformerCoreError
from transformer_core.figures.positions_live import AWAY
from transformer_core.figures.positions_rotary import BASES
from transformer_core.figures.positions_sinusoidal import SHOWN

PREFIX = "positions_"
MAX_DIGITS = 9


@dataclass(frozen=True)
class Whole:
    """A whole number that is set by a slider or typed.

    Attributes:
        name: In the address.
        label: Above the slider.
        low, high: Ends of the slider.
        default: At first.
        step: Of the slider.
        refuse: Raises the core's error for a number that cannot be used.
    """

    name: str
    label: str
    low: int
    high: int
    default: int
    step: int = 1
    refuse: Callable[[int], None] | None = None

    @property
    def key(self) -> str:
        """Key of the slider."""
        return PREFIX + self.name

    @property
    def typed(self) -> str:
        """Key of the number beside it."""
        return f"{self.key}_typed"

    def problem(self, value: int | None, top: int | None = None) -> str | None:
        """What is wrong with a number, None if nothing is (nor with none at all)."""
        if value is None:
            return None
        high = self.high if top is None else top
        try:
            if self.refuse is not None:
                self.refuse(value)
        except TransformerCoreError as error:
            return str(error)
        if not self.low <= value <= high:
            return f"{self.label} is {value:,}; it must be from {self.low} to {high:,}."
        return None


@dataclass(frozen=True)
class Choice:
    """One of a few: in the address by its own name."""

    name: str
    label: str
    options: tuple[Any, ...]
    show: Callable[[Any], str] = str

    @property
    def key(self) -> str:
        """Key of the buttons."""
        return PREFIX + self.name


def _length(value: int) -> None:
    from transformer_core.analysis.positions import check_size

    check_size(value, 2)


def _width(name: str) -> Callable[[int], None]:
    def refuse(value: int) -> None:
        from transformer_core.analysis.positions import check_size

        check_size(1, value, name=name)

    return refuse


def _heads(value: int) -> None:
    from transformer_core.figures.positions_alibi import check_heads

    check_heads(value)


CONTROLS: dict[str, Whole | Choice] = {
    "length": Whole("length", "seq_length", 1, 2048, 128, refuse=_length),
    "rows": Whole("rows", "seq_length", 1, 2048, 10, refuse=_length),
    "trained": Whole("trained", "Trained on", 1, 2048, 512, refuse=_length),
    "width": Whole("width", "d_model", 2, 1024, 128, step=2, refuse=_width("d_model")),
    "wide": Whole("wide", "d_model", 2, 1024, 512, step=2, refuse=_width("d_model")),
    "d_head": Whole("d_head", "d_head", 2, 1024, 64, step=2, refuse=_width("d_head")),
    "heads": Whole("heads", "n_heads", 1, 128, 8, refuse=_heads),
    "head": Whole("head", "Head", 0, 127, 0),
    "dim": Whole("dim", "Dimension", 0, 1023, 20),
    "pair": Whole("pair", "Pair", 0, 511, 3),
    "distance": Whole("distance", "Distance", 0, 2047, 4),
    "front": Whole("front", "Tokens in front", 1, 256, 8),
    "seed": Whole("seed", "Shuffle", 0, 99, 0),
    "layer": Whole("layer", "Layer", 0, 127, 0),
    "base": Choice("base", "Base", BASES, "{:,}".format),
    "shown": Choice("shown", "Show", SHOWN),
    "order": Choice("order", "Order", ("reversed", "rotated", "shuffled"), str.capitalize),
    "moved": Choice("moved", "Show", ("By layer", "One head")),
    "away": Choice("away", "Show", AWAY),
}

ONLY_WITH: dict[str, tuple[str, str]] = {
    "seed": ("order", "shuffled"),
    "layer": ("moved", "One head"),
    "head": ("moved", "One head"),
}
"""Settings that matter only with one choice of another."""


def begin(name: str) -> None:
    """Put a setting into the session's state: what the address says, or its default."""
    control = CONTROLS[name]
    if control.key in st.session_state:
        return
    asked = st.query_params.get(name)
    if isinstance(control, Choice):
        found = (option for option in control.options if str(option) == asked)
        st.session_state[control.key] = next(found, control.options[0])
        return
    is_number = asked is not None and asked.lstrip("-").isdecimal() and len(asked) <= MAX_DIGITS
    value = int(asked) if is_number and asked is not None else control.default
    st.session_state[control.typed] = value
    st.session_state[control.key] = control.default if control.problem(value) else value


def settings_row(
    shown: tuple[str, ...], picked: tuple[str, ...], tops: Mapping[str, int]
) -> dict[str, Any]:
    """Draw a view's settings in one row and return all that it reads, checked.

    What cannot be used is said below the row; the picture stays at the last number that could.

    Args:
        shown: The settings that have a control of their own.
        picked: Those that are chosen in the picture.
        tops: The largest number of some of them here, as of a head among n_heads.
    """
    names = (*shown, *picked)
    for name in names:
        begin(name)
    limits = {
        name: min(control.high, tops.get(name, control.high))
        for name in names
        if isinstance(control := CONTROLS[name], Whole)
    }
    for name, top in limits.items():
        _fit(name, top)
    with st.container(horizontal=True, vertical_alignment="bottom", key="positions-controls"):
        for name in shown:
            control = CONTROLS[name]
            other, value = ONLY_WITH.get(name, ("", ""))
            if other in shown and st.session_state[CONTROLS[other].key] != value:
                continue
            if isinstance(control, Choice):
                _choice(control)
            else:
                _whole(control, limits[name])
    with st.container(key="positions-problems"):  # the picture below it keeps its place
        for name, top in limits.items():
            _say_problem(name, top)
    return {name: st.session_state[CONTROLS[name].key] for name in names}


def _fit(name: str, top: int) -> None:
    """Bring a setting into what another leaves of it, as a dimension into a narrower table."""
    key = CONTROLS[name].key
    if st.session_state[key] > top:
        st.session_state[key] = st.session_state[f"{key}_typed"] = top


def _say_problem(name: str, top: int) -> None:
    control = CONTROLS[name]
    if not isinstance(control, Whole):
        return
    problem = control.problem(st.session_state[control.typed], top)
    if problem is not None:
        show_error(f"{problem} The picture stays at {st.session_state[control.key]:,}.")


def _whole(control: Whole, top: int) -> None:
    """A slider and its number; where only one number is possible, nothing."""
    if top <= control.low:
        st.session_state[control.key] = st.session_state[control.typed] = control.low
        return
    with st.container(horizontal=True, vertical_alignment="bottom", width=248, gap="small"):
        st.slider(
            control.label, control.low, top, key=control.key, step=control.step,
            on_change=_slid, args=(control,), persist_state="session",
        )  # fmt: skip
        st.number_input(
            f"{control.label}, typed", key=control.typed, step=control.step, width=92,
            label_visibility="collapsed", on_change=_typed, args=(control, top),
            persist_state="session",
        )  # fmt: skip


def _slid(control: Whole) -> None:
    st.session_state[control.typed] = st.session_state[control.key]


def _typed(control: Whole, top: int) -> None:
    value = st.session_state[control.typed]
    if value is not None and control.problem(int(value), top) is None:
        st.session_state[control.key] = int(value)


def _choice(control: Choice) -> None:
    st.segmented_control(
        control.label, list(control.options), key=control.key, required=True,
        format_func=control.show, persist_state="session",
    )  # fmt: skip
