"""Models of the hub, fetched by the real client from a hub on this machine."""

import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.support.fake_hub import COMMIT, CONVERTED, CONVERTED_REVISION, FakeHub, point_to
from tests.support.tiny_models import make_tiny
from transformer_core.errors import ModelUnavailableError, StoppedError
from transformer_core.models import hub
from transformer_core.models.loading import load


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert")
    (folder / "README.md").write_text("not fetched")
    (folder / "modeling_mine.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"not fetched")
    return folder


@pytest.fixture
def server(hub_server: FakeHub, tiny: Path) -> FakeHub:
    hub_server.folders["someone/tiny"] = tiny
    return hub_server


def test_the_size_is_known_before_anything_is_fetched(server: FakeHub, tiny: Path) -> None:
    plan = hub.plan_download("someone/tiny")
    assert plan.commit == COMMIT
    assert (plan.licence, plan.architecture) == ("apache-2.0", "BertForMaskedLM")
    assert plan.parameters == 27_976
    assert list(plan.sizes)[-1] == "model.safetensors"
    assert not {"README.md", "modeling_mine.py", "pytorch_model.bin"} & set(plan.sizes)
    assert plan.sizes["model.safetensors"] == (tiny / "model.safetensors").stat().st_size
    assert hub.hub_size("someone/tiny") == plan.size_bytes == sum(plan.sizes.values())
    assert not [request for request in server.requests if "/resolve/" in request]
    assert hub.cached_folder("someone/tiny") is None


def test_a_download_brings_the_model_and_reports_how_much_has_come(
    server: FakeHub, tiny: Path
) -> None:
    told: list[float] = []
    model = load("someone/tiny", progress=lambda message, share: _note(told, message, share))
    assert model.trace("The cat").source == load(tiny).trace("The cat").source
    assert (model.card.id, model.card.revision) == ("someone/tiny", COMMIT[:12])
    assert told == sorted(told) and told[-1] == 1
    fetched = {request.rpartition("/")[2] for request in server.requests if "GET" in request}
    assert not {"README.md", "modeling_mine.py", "pytorch_model.bin"} & fetched


def _note(shares: list[float], message: str, share: float) -> None:
    if message.startswith("Downloading"):
        shares.append(share)


def test_what_was_fetched_is_loaded_again_without_asking_the_hub(server: FakeHub) -> None:
    load("someone/tiny")
    server.requests.clear()
    load("someone/tiny", allow_download=False)
    assert server.requests == []


def test_nothing_is_fetched_unasked(server: FakeHub) -> None:
    with pytest.raises(ModelUnavailableError, match="has to be fetched"):
        load("someone/tiny", allow_download=False)
    assert server.requests == []


def test_a_download_that_is_stopped_leaves_no_model_and_can_be_finished(
    server: FakeHub, tiny: Path
) -> None:
    def stop(message: str, share: float) -> None:
        if message.startswith("Downloading") and share > 0.5:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        load("someone/tiny", progress=stop)
    assert hub.cached_folder("someone/tiny") is None
    load("someone/tiny")
    folder = hub.cached_folder("someone/tiny")
    assert folder is not None
    name = "model.safetensors"
    assert (folder / name).read_bytes() == (tiny / name).read_bytes()


def test_an_unknown_model_is_said(server: FakeHub) -> None:
    with pytest.raises(ModelUnavailableError, match="There is no model someone/else"):
        load("someone/else")


def test_a_gated_model_says_how_to_be_let_in(server: FakeHub) -> None:
    server.gated.add("someone/tiny")
    with pytest.raises(ModelUnavailableError, match=r"is gated: accept its licence.*hf auth login"):
        load("someone/tiny")


def test_pickled_weights_are_not_fetched(server: FakeHub, tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    server.folders["someone/pickled"] = folder
    with pytest.raises(ModelUnavailableError, match="no safetensors, only pickled weights"):
        load("someone/pickled")
    assert not [request for request in server.requests if "/resolve/" in request]


def test_safetensors_that_the_hub_converted_are_taken_instead(
    server: FakeHub, tiny: Path, tmp_path: Path
) -> None:
    folder = make_tiny("bert", tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    server.folders["someone/pickled"] = folder
    server.converted["someone/pickled"] = tiny
    assert hub.plan_download("someone/pickled").commit == CONVERTED
    assert load("someone/pickled").card.revision == CONVERTED[:12]
    assert any(CONVERTED_REVISION in request for request in server.requests)


def test_a_hub_that_fails_is_said(server: FakeHub) -> None:
    server.is_broken = True
    with pytest.raises(ModelUnavailableError, match="could not be fetched"):
        load("someone/tiny")


def test_without_a_network_it_says_what_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    point_to(f"http://127.0.0.1:{port}", tmp_path, monkeypatch)
    with pytest.raises(ModelUnavailableError, match=r"cannot be reached.*minilm"):
        load("someone/tiny")


def test_offline_mode_is_respected(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailableError, match="HF_HUB_OFFLINE forbids"):
        load("someone/tiny")
    assert server.requests == []


@pytest.mark.parametrize("name", ["a--b/c", "a/b..c", "x/" + "y" * 90])
def test_what_cannot_be_a_hub_id_is_said(server: FakeHub, name: str) -> None:
    with pytest.raises(ModelUnavailableError):
        load(name)
