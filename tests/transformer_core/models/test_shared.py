"""Models and traces that all sessions share: loaded once, computed once, let go of in time."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.errors import ModelUnavailableError, TransformerCoreError
from transformer_core.models.loading import load
from transformer_core.models.shared import Shared, is_about
from transformer_core.settings import Settings
from transformer_core.weighing import weigh_module

PATIENCE = 30.0
TEXTS = [f"The cat sat on the mat {'it was tired ' * (i % 3)}{'.' * (i // 3)}" for i in range(9)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    made = {kind: make_tiny(kind, root / kind) for kind in ("bert", "gpt2", "vit")}
    return {**made, "ours": make_translator(root / "ours")}


class Server:
    """A server whose models are the tiny ones, and what it loaded."""

    def __init__(self, folders: dict[str, Path], **limits: Any) -> None:
        self.folders = folders
        self.loads: list[str] = []
        self.now = 0.0
        self.may_load = threading.Event()
        self.may_load.set()
        self.shared = Shared(
            self.load, Settings.model_validate(limits), absence=100.0, clock=lambda: self.now
        )
        self.shared._look_later = lambda _: None  # type: ignore[method-assign]

    def load(self, model_id: str, progress: Any) -> Any:
        self.loads.append(model_id)
        progress("Reading", 0.5)
        assert self.may_load.wait(PATIENCE)
        if model_id not in self.folders:
            raise ModelUnavailableError("not here")
        return load(str(self.folders[model_id]))

    def trace(self, model_id: str, text: Any, target: str | None = None, who: Any = None) -> Any:
        found = self.shared.trace(model_id, text, target, session=who)
        return found.future.result(PATIENCE) if hasattr(found, "future") else found


@pytest.fixture
def server(folders: dict[str, Path]) -> Iterator[Server]:
    one = Server(folders)
    yield one
    one.shared.close()


def test_fifty_sessions_that_ask_for_a_model_at_once_load_it_once(server: Server) -> None:
    gate = threading.Barrier(50)
    server.may_load.clear()

    def go(session: int) -> Any:
        gate.wait(PATIENCE)
        assert not server.shared.is_loaded("bert")
        return server.shared.model_of("bert", session)

    with ThreadPoolExecutor(50) as people:
        answers = [people.submit(go, i) for i in range(50)]
        threading.Event().wait(0.3)
        server.may_load.set()
        assert len({id(answer.result(PATIENCE)) for answer in answers}) == 1
    assert server.loads == ["bert"]
    assert server.shared.is_loaded("bert")
    assert server.shared.progress_of("bert") == ("Reading", 0.5)
    kept = server.shared.models.entries()
    weights = weigh_module(server.shared.model_of("bert").module)
    assert [(k.n_users, k.n_bytes) for k in kept] == [(50, sum(weights.values()))]


def test_a_model_that_cannot_be_loaded_says_so_and_is_tried_again(server: Server) -> None:
    for _ in range(2):
        with pytest.raises(ModelUnavailableError):
            server.shared.model_of("nowhere")
    assert server.loads == ["nowhere", "nowhere"]


def test_equal_texts_of_many_sessions_are_computed_once_and_others_together(
    server: Server,
) -> None:
    model: Any = server.shared.model_of("bert")
    sizes: list[int] = []
    model.module.register_forward_pre_hook(
        lambda _, __, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
    )
    gate = threading.Barrier(18)

    def go(i: int) -> Any:
        gate.wait(PATIENCE)
        return server.trace("bert", TEXTS[i % 9], who=i)

    with ThreadPoolExecutor(18) as people:
        traces = list(people.map(go, range(18)))
    assert [trace.text for trace in traces] == TEXTS * 2
    assert all(traces[i] is traces[i + 9] for i in range(9))
    # One more text alone, where the model's first batch was checked.
    assert sum(sizes) in (9, 10)
    assert server.trace("bert", TEXTS[0], who="later") is traces[0]


def test_a_text_that_cannot_be_used_is_said_before_it_waits(server: Server) -> None:
    with pytest.raises(TransformerCoreError):
        server.shared.trace("bert", "")
    with pytest.raises(TransformerCoreError, match="one text"):
        server.shared.trace("bert", "A cat.", "A mat.")
    assert server.shared.queue.report().n_served == 0


def test_an_encoder_decoder_writes_where_no_target_is_given(server: Server) -> None:
    model: Any = server.shared.model_of("ours")
    trace = server.trace("ours", "The cat sat.")
    assert trace.target_tokens == model.trace("The cat sat.").target_tokens
    given = server.trace("ours", "The cat sat.", "Le chat.")
    assert given.target_tokens == model.trace("The cat sat.", "Le chat.").target_tokens


def test_traces_stay_within_the_budget(folders: dict[str, Path]) -> None:
    server = Server(folders, trace_cache_megabytes=1)
    first = server.trace("bert", TEXTS[0])
    n_bytes = server.shared.kept.usage().n_bytes
    server.shared.kept.budget = 4 * n_bytes
    for text in TEXTS:
        server.trace("bert", text)
    usage = server.shared.kept.usage()
    assert 0 < usage.n_bytes <= 4 * n_bytes
    assert usage.n_evicted >= 4
    again = server.trace("bert", TEXTS[0])
    assert again is not first
    server.shared.close()


def test_a_model_that_goes_takes_its_traces_and_frees_its_memory(folders: dict[str, Path]) -> None:
    server = Server(folders)
    model = weakref.ref(server.shared.model_of("bert").module)
    server.trace("bert", TEXTS[0], who="a")
    server.shared.kept.of(("walk", ("bert", 3)), lambda: "about the model")
    server.trace("gpt2", TEXTS[0], who="a")
    assert server.shared.kept.usage().n_entries == 3
    server.shared.models.budget = 1
    server.shared.model_of("ours")
    assert [kept.key for kept in server.shared.models.entries()] == ["ours"]
    assert server.shared.kept.usage().n_entries == 0
    gc.collect()
    assert model() is None
    server.shared.close()


def test_a_session_that_ends_releases_its_traces_at_once_and_its_models_later(
    server: Server,
) -> None:
    for who in ("a", "b"):
        server.shared.model_of("bert", who)
    server.trace("bert", TEXTS[0], who="a")
    server.shared.use("bert", TEXTS[0], None, "a")
    server.shared.leave("a")
    assert server.shared.kept.usage().n_entries == 0
    server.now = 99.0
    server.shared.let_go()
    server.shared.leave("b")
    server.now = 150.0
    server.shared.let_go()
    assert server.shared.models.usage().n_entries == 1  # b has not been gone for long
    server.now = 200.0
    server.shared.let_go()
    assert server.shared.models.usage().n_entries == 0
    assert server.loads == ["bert"]


def test_a_connection_that_breaks_and_comes_back_keeps_its_model(server: Server) -> None:
    server.shared.model_of("bert", "a")
    server.shared.leave("a")
    server.shared.model_of("bert", "a")
    server.now = 500.0
    server.shared.let_go()
    assert server.shared.models.usage().n_entries == 1


def test_a_key_names_a_model_at_any_depth() -> None:
    assert is_about(("walk", ("bert", 1)), "bert")
    assert not is_about(("walk", ("bertram", 1)), "bert")


def test_weights_that_a_kept_value_refers_to_count_with_the_model(server: Server) -> None:
    model: Any = server.shared.model_of("bert")
    weight = next(model.module.parameters())
    before = server.shared.kept.usage().n_bytes
    server.shared.kept.of("logits", lambda: (weight, weight.new_zeros(25)))
    added = server.shared.kept.usage().n_bytes - before
    assert 100 <= added < 100 + weight.nbytes
