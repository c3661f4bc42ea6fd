"""The browser component as one text: its modules, each in a scope of its own, and its styles.

The files in ``assets/components/attention`` are ordinary ES modules. A browser that gets the
component as text cannot fetch them one by one, so they are joined here, once per process: what
``mount.js`` imports comes before it, and so on down.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from transformer_core.errors import FileFormatError

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "components" / "attention"
ENTRY = "mount.js"

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s+"\./([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const)\s+(\w+))", re.MULTILINE)


@cache
def styles() -> str:
    """Return the component's style sheets, the common one first."""
    files = sorted(FOLDER.glob("*.css"), key=lambda path: (path.stem != "attention", path.name))
    return "".join(path.read_text(encoding="utf-8") for path in files)


@cache
def library() -> str:
    """Return the component as one script that defines ``mount`` and the styles it adopts."""
    scopes = "".join(_scope(name) for name in module_order())
    return (
        f"globalThis.attentionStyles = {_script_text(styles())};\n"
        f"{scopes}const {{ mount }} = {_variable(ENTRY)};\n"
    )


def module_order(entry: str = ENTRY) -> list[str]:
    """Return the modules that an entry needs, each after those that it imports itself.

    Raises:
        FileFormatError: If modules import each other in a circle.
    """
    order: list[str] = []
    open_modules: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in open_modules:
            raise FileFormatError(f"Modules in a circle: {' → '.join([*open_modules, name])}.")
        open_modules.append(name)
        for _, needed in _IMPORT.findall(_text(name)):
            visit(needed)
        order.append(open_modules.pop())

    visit(entry)
    return order


@cache
def streamlit_library() -> str:
    """Return the library as a Streamlit component that draws nothing.

    It announces itself once; views that came first wait for it. Sent apart from the views because
    its message never changes: Streamlit's message cache then sends it once per browser, not with
    each picture.
    """
    return f"{library()}\n{_text('streamlit_library.js')}"


@cache
def streamlit_view() -> str:
    """Return the small script of a Streamlit element that shows one picture."""
    return _text("streamlit_view.js")


def _scope(name: str) -> str:
    """A module as a function called once, which returns what the module exports."""
    text = _IMPORT.sub(_taken, _text(name))
    exported = ", ".join(export for _, export in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1", text)
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _taken(match: re.Match[str]) -> str:
    names = match[1].replace(" as ", ": ")
    return f"const {{{names}}} = {_variable(match[2])};\n"


def _variable(name: str) -> str:
    return "$" + Path(name).stem


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _script_text(text: str) -> str:
    """Quote a text for a script, also for one inside an HTML file."""
    return json.dumps(text).replace("<", "\\u003c")
