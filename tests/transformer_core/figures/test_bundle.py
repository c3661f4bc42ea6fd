"""The component's modules are joined into one text without treading on each other."""

import re
from pathlib import Path

import pytest

from transformer_core.errors import FileFormatError
from transformer_core.figures import bundle


def test_every_module_that_a_view_needs_is_there_after_what_it_imports() -> None:
    order = bundle.module_order()
    assert order[-1] == "mount.js"
    streamlit = {"streamlit_library.js", "streamlit_view.js"}
    assert set(order) == {path.name for path in bundle.FOLDER.glob("*.js")} - streamlit


def test_no_import_or_export_is_left() -> None:
    assert not re.findall(r"^(?:import|export)\b.*", bundle.library(), re.MULTILINE)


def test_modules_that_import_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    with pytest.raises(FileFormatError, match=r"a\.js → b\.js → a\.js"):
        bundle.module_order("a.js")
