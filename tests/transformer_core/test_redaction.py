"""No path of the server stays in what people are told."""

from pathlib import Path

import pytest

from transformer_core.redaction import without_paths

HOME = str(Path.home())
HERE = str(Path.cwd())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/srv/models/bert/config.json cannot be read", "…/config.json cannot be read"),
        ("No space left: '/var/lib/x y/z'", "No space left: '…/x y/z'"),
        (f"{HERE}/assets/models/a is no folder", "…/a is no folder"),
        (f"{HERE} is full", "… is full"),
        (f"({HOME}/.cache/transformer-workbench/models)", "(…/models)"),
        ("C:\\Users\\me\\model.bin, twice", "…\\model.bin, twice"),
        ("~/models/bert.", "…/bert."),
        ("https://huggingface.co/gpt2/tree stays", "https://huggingface.co/gpt2/tree stays"),
        ("google/vit-base and 3/4 and/or 1 / 2 stay", "google/vit-base and 3/4 and/or 1 / 2 stay"),
        ("</script> and /etc stay, <b>/</b> too", "</script> and /etc stay, <b>/</b> too"),
    ],
)
def test_only_the_last_name_of_a_path_is_left(text: str, wanted: str) -> None:
    assert without_paths(text) == wanted
