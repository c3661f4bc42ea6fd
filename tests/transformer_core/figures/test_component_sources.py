"""What the component's scripts must never do."""

import re

from transformer_core.figures import bundle


def test_texts_never_become_markup() -> None:
    for name in bundle.module_order():
        text = (bundle.FOLDER / name).read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), name
