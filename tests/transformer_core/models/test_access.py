"""What a server lets people open, held where models are loaded."""

import json
from pathlib import Path

import pytest

from tests.support.tiny_models import make_tiny
from transformer_core.errors import ModelUnavailableError
from transformer_core.models import hub
from transformer_core.models.access import ANYTHING, Access
from transformer_core.models.loading import load
from transformer_core.models.lookup import is_here, look_up
from transformer_core.settings import Settings

CLOSED = Access(is_closed=True, local_folders=False)
SOME = Access(is_closed=True, allowed=("google/*", "gpt2"), local_folders=False)
OUTSIDE = [
    "../../etc/passwd",
    "/etc/passwd",
    "/",
    "~",
    "~root",
    ".",
    "..",
    "assets/models/../../pages",
    "..\\..\\windows",
    "C:\\Windows",
    "file:///etc/passwd",
    "https://example.com/model",
    "google/../../../etc",
    "google/..",
    "google/.hidden",
    "google/vit/../../x",
    "google//etc",
    "trained-../../etc",
    "trained-/etc/passwd",
    "trained-a/../../b",
    "minilm/..",
    "minilm\x00",
    "models--gpt2",
    "",
    " ",
    "a" * 5_000,
]


@pytest.mark.parametrize(
    ("said", "is_public", "wanted"),
    [
        ({}, False, ANYTHING),
        ({}, True, CLOSED),
        ({"catalogue_only": True}, False, CLOSED),
        ({"catalogue_only": False}, True, ANYTHING),
        ({"local_folders": True}, True, Access(is_closed=True)),
        ({"local_folders": False}, False, Access(local_folders=False)),
        ({"allowed_models": "google/*,gpt2"}, True, SOME),
    ],
)
def test_what_is_not_said_is_decided_by_who_can_reach_the_server(
    said: dict[str, object], is_public: bool, wanted: Access
) -> None:
    assert Access.of_settings(Settings.model_validate(said), is_public=is_public) == wanted


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("access", [CLOSED, SOME], ids=["closed", "some"])
def test_no_name_leads_out_of_the_catalogue(
    name: str, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "download", _never)
    monkeypatch.setattr(hub, "plan_download", _never)
    assert not is_here(name, access)
    for ask in (load, look_up):
        with pytest.raises(ModelUnavailableError) as caught:
            ask(name, access=access)
        assert str(Path.cwd()) not in str(caught.value)
        assert len(str(caught.value)) < 800


def test_a_folder_that_is_there_is_refused_like_one_that_is_not(tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    missing = tmp_path / "tree"
    messages = []
    for path in (folder, missing):
        with pytest.raises(ModelUnavailableError, match="may not be opened") as caught:
            load(path, access=CLOSED)
        messages.append(str(caught.value).replace(str(path), "…"))
    assert messages[0] == messages[1]
    assert load(folder).card.name == "bert"


def test_a_pattern_opens_hub_models_but_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny("bert", tmp_path / "google" / "tiny")
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(hub, "cached_folder", asked.append)
    assert SOME.may_open("google/tiny")
    with pytest.raises(ModelUnavailableError, match="not on this machine"):
        load("google/tiny", access=SOME, allow_download=False)
    assert asked[:1] == ["google/tiny"]
    assert load(folder.relative_to(tmp_path)).card.family == "BERT"
    assert not SOME.may_open("googles/tiny")
    assert not SOME.may_open("facebook/bart-large-cnn")
    assert SOME.may_open("openai-community/gpt2"), "the catalogue's gpt2 by its other name"


def test_the_catalogue_may_be_opened_by_anybody() -> None:
    assert CLOSED.may_open("minilm")
    assert not CLOSED.may_open("gpt2") or is_here("gpt2")
    assert not CLOSED.opens_others
    assert SOME.opens_others


def test_patterns_narrow_an_open_server_too() -> None:
    narrow = Access(allowed=("google/*",))
    assert narrow.may_open("/somewhere/bert")
    assert not narrow.may_open("ray://192.0.2.1:10001/minilm")
    assert not Access(allowed=("google/*",), local_folders=False).may_open("bert/base")


def test_an_index_of_weights_may_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.safetensors").write_bytes(b"")
    folder = tmp_path / "model"
    folder.mkdir()
    index = folder / "model.safetensors.index.json"
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors")):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        assert hub.weight_files(folder) == []
    (folder / "part.safetensors").write_bytes(b"")
    index.write_text('{"weight_map": {"a": "part.safetensors"}}')
    assert hub.weight_files(folder) == [folder / "part.safetensors"]


def _never(*_: object, **__: object) -> None:
    pytest.fail("the hub must not be asked")
