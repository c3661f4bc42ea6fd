"""Imports go down only: what the style guide promises, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    # How a text is to be written is a setting, too: whoever writes is asked with it.
    {
        "transformer_core.errors",
        "transformer_core.config",
        "transformer_core.background",
        "transformer_core.queueing",
        "transformer_core.keeping",
        "transformer_core.pace",
        "transformer_core.weighing",
        "transformer_core.redaction",
        "transformer_core.settings",
        "transformer_core.spreadsheets",
        "transformer_core.decoding.strategies",
    },
    {"transformer_core.tokenization", "transformer_core.model", "transformer_core.functional"},
    {"transformer_core.tracing"},
    {"transformer_core.decoding"},
    {"transformer_core.models"},
    {
        "transformer_core.analysis",
        "transformer_core.tasks",
        "transformer_core.training",
        "transformer_core.efficiency",
        "transformer_core.serving",
    },
    {"transformer_core.figures"},
    {
        "transformer_core.cli",
        "transformer_core.cli_digits",
        "transformer_core.cli_efficiency",
        "transformer_core.cli_evaluate",
        "transformer_core.cli_generate",
        "transformer_core.cli_serve",
        "transformer_core.cli_tasks",
        "transformer_core.cli_training",
    },
    {"transformer_core.__main__"},
    {"pages.components"},
    {"pages"},
    {"app"},
)
"""From the bottom up. A layer imports itself and what is below it."""

HOMES = {
    "streamlit": {"pages", "pages.components", "app"},
    "plotly": {"transformer_core.figures"},
    "altair": {"transformer_core.figures"},
    "transformers": {
        "transformer_core.tokenization.huggingface",
        "transformer_core.tracing.capture",
        "transformer_core.tracing.huggingface",
        "transformer_core.tracing.huggingface_cache",
        "transformer_core.tracing.huggingface_decoding",
        "transformer_core.tracing.huggingface_layout",
        "transformer_core.models.folders",
        "transformer_core.models.gguf",
        "transformer_core.models.hub",
    },
}
"""Where a library may be imported."""

EXCEPTIONS = {
    # A trace shows itself in a notebook, and only there, so this import waits for the call.
    ("transformer_core.tracing.trace", "transformer_core.figures.notebook"),
    # A model writes, and decoding traces what was written; this import waits for the call, too.
    ("transformer_core.tracing.decodable", "transformer_core.decoding.begin"),
    # A model that is asked for may be on a cluster; these imports wait for the call.
    ("transformer_core.models.loading", "transformer_core.serving.choice"),
    ("transformer_core.models.loading", "transformer_core.serving.handle"),
    # A model works at its task; the tasks know of models, and wait for the call.
    ("transformer_core.tracing.working", "transformer_core.tasks.translation"),
    ("transformer_core.tracing.working", "transformer_core.tasks.summarization"),
}

FIRST_PAINT = (
    "transformer_core",
    "transformer_core.errors",
    "transformer_core.settings",
    "transformer_core.models.catalogue",
    "transformer_core.figures.first_paint",
    "transformer_core.figures.home",
    "transformer_core.figures.views",
    "transformer_core.figures.payload",
    "pages.components.attention_view",
    "pages.components.cache",
    "pages.components.home",
    "pages.components.navigation",
    "pages.components.views",
)


class Import(NamedTuple):
    """One import at run time, wherever in the module it stands."""

    module: str
    imported: str
    line: int


def modules() -> dict[str, Path]:
    paths = [ROOT / "app.py", *ROOT.glob("pages/**/*.py"), *ROOT.glob("transformer_core/**/*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


MODULES = modules()


def imports(module: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield Import(module, name if name in MODULES else node.module, node.lineno)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def home(name: str) -> str | None:
    """The longest layer name that a module stands under."""
    names = {layer for layers in LAYERS for layer in layers}
    parts = name.split(".")
    prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in names), None)


def rank(name: str) -> int | None:
    found = home(name)
    return next((i for i, layer in enumerate(LAYERS) if found in layer), None)


ALL_IMPORTS = [found for module, path in MODULES.items() for found in imports(module, path)]


def test_every_module_stands_in_a_layer() -> None:
    assert [m for m in MODULES if m != "transformer_core" and rank(m) is None] == []


def test_imports_go_down_only() -> None:
    upward = [
        f"{found.module}:{found.line} imports {found.imported}"
        for found in ALL_IMPORTS
        if (found.module, found.imported) not in EXCEPTIONS
        and (own := rank(found.module)) is not None
        and (other := rank(found.imported)) is not None
        and other > own
    ]
    assert upward == []


def test_packages_of_one_layer_do_not_import_each_other_in_a_circle() -> None:
    beside: dict[str, set[str]] = {}
    for found in ALL_IMPORTS:
        own, other = home(found.module), home(found.imported)
        if own and other and own != other and rank(own) == rank(other):
            beside.setdefault(own, set()).add(other)
    for start, first in beside.items():
        reached, waiting = set[str](), list(first)
        while waiting:
            at = waiting.pop()
            if at not in reached:
                reached.add(at)
                waiting += beside.get(at, ())
        assert start not in reached, f"{start} imports itself by way of {sorted(reached)}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    strangers = [
        f"{found.module}:{found.line}"
        for found in ALL_IMPORTS
        if found.imported.split(".")[0] == library
        and not any(
            found.module == place or found.module.startswith(f"{place}.")
            for place in HOMES[library]
        )
    ]
    assert strangers == []


@pytest.mark.parametrize("module", FIRST_PAINT)
def test_what_the_first_paint_imports_leaves_torch_alone(module: str) -> None:
    """A fresh process: the first picture is painted before torch is loaded."""
    code = (
        f"import sys, {module}\n"
        "heavy = {'torch', 'transformers'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
