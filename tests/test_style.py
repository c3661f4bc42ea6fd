"""The style's sizes: short modules, short functions."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    ROOT / "app.py",
    *sorted(ROOT.glob("pages/**/*.py")),
    *sorted(ROOT.glob("transformer_core/**/*.py")),
]
MAX_FUNCTION = 50
MAX_MODULE = 400
MAX_PAGE = 150


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    is_page = path.parent == ROOT / "pages"
    assert len(text.splitlines()) <= (MAX_PAGE if is_page else MAX_MODULE)
    long = [
        f"{node.name} has {n_lines} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (n_lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION
    ]
    assert long == []


def test_a_string_that_stands_alone_is_not_shown_on_a_page() -> None:
    """Streamlit's magic would write a variable's docstring on top of the page."""
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["runner"]["magicEnabled"] is False
