"""The values of Streamlit's widgets, as the browser keeps and sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState


class ShownValue(NamedTuple):
    """What a widget that was drawn stands at.

    Attributes:
        value: As it is sent back.
        is_new: Whether the script set it: it then replaces what a person chose.
    """

    value: WidgetState
    is_new: bool


def _text(widget: Any) -> Any:
    return widget.value if widget.set_value else widget.default


def _option(widget: Any) -> Any:
    if widget.set_value:
        return widget.raw_value
    has_default = widget.HasField("default") and widget.options
    return widget.options[widget.default] if has_default else None


def _options(widget: Any) -> Any:
    if widget.set_value:
        return list(widget.raw_values)
    options = [getattr(option, "content", option) for option in widget.options]
    return [options[index] for index in widget.default]


def _numbers(widget: Any) -> Any:
    if widget.options:
        chosen = [widget.options[int(index)] for index in widget.default]
        return list(widget.raw_value) if widget.set_value else chosen
    return list(widget.value if widget.set_value else widget.default)


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "text_input": ("string_value", _text),
    "text_area": ("string_value", _text),
    "selectbox": ("string_value", _option),
    "radio": ("string_value", _option),
    "checkbox": ("bool_value", _text),
    "button_group": ("string_array_value", _options),
    "multiselect": ("string_array_value", _options),
    "slider": ("double_array_value", _numbers),
    "number_input": ("double_value", _text),
    "button": ("trigger_value", lambda _: None),
}
"""By kind of element: the field of its state, and how what is shown is read."""


def shown_value(element: Element) -> ShownValue | None:
    """What a widget stands at when it is drawn; None for what holds no value."""
    kind = str(element.WhichOneof("type"))
    if kind not in _FIELDS:
        return None
    widget = getattr(element, kind)
    value = _FIELDS[kind][1](widget)
    if value is None:
        return None
    return ShownValue(set_value(element, value), bool(widget.set_value))


def set_value(element: Element, value: Any) -> WidgetState:
    """The state of a widget that a person gave a value.

    Raises:
        KeyError: If it is none that a visitor can change.
    """
    kind = str(element.WhichOneof("type"))
    field, widget = _FIELDS[kind][0], getattr(element, kind)
    if field == "trigger_value":
        value = True
    elif kind == "slider" and widget.options:
        field = "string_array_value"
    state = WidgetState(id=widget.id)
    if field in {"string_array_value", "double_array_value"}:
        getattr(state, field).SetInParent()
        getattr(state, field).data.extend([value] if isinstance(value, str | float) else value)
    else:
        setattr(state, field, value)
    return state
