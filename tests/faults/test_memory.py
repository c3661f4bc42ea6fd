"""Out of memory in a forward pass: said with the size, nothing kept alive, and all goes on."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Greedy
from transformer_core.errors import OutOfMemoryError
from transformer_core.models.loading import load
from transformer_core.tracing.memory import TellsMemory

TEXT = "The cat sat"


@pytest.fixture(scope="module", params=["bert", "gpt2", "marian", "own"])
def model(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    is_own = request.param == "own"
    return load(make_translator(folder) if is_own else make_tiny(request.param, folder))


def exhaust(monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """Let the next products of a layer ask for more than any machine has."""

    def linear(*_: Any, **__: Any) -> torch.Tensor:
        if error == "torch":
            return torch.empty(2**48)
        raise MemoryError

    monkeypatch.setattr(torch.nn.functional, "linear", linear)


@pytest.mark.parametrize("error", ["torch", "python"])
def test_a_trace_without_memory_says_so_and_the_next_one_is_made(
    model: Any, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.trace(TEXT)
    with monkeypatch.context() as patched:
        exhaust(patched, error)
        if model.card.family == "GPT":  # its products are of another function
            patched.setattr(torch, "addmm", torch.nn.functional.linear)
        with pytest.raises(OutOfMemoryError, match="not enough memory left") as caught:
            model.trace(TEXT)
    if error == "torch":
        assert "1,048,576.0 GiB more were asked for" in str(caught.value)
    after = model.trace(TEXT)
    for site in before.sites:
        assert torch.equal(after.pattern(site, layer=0), before.pattern(site, layer=0))


def test_a_text_without_memory_says_so_and_the_next_one_is_written(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model.card.family == "BERT":
        pytest.skip("It writes nothing.")
    wanted = [step.token_id for step in model.decode(TEXT, Greedy(3))]
    for is_recording in (True, False):
        with monkeypatch.context() as patched:
            exhaust(patched, "torch")
            patched.setattr(torch, "addmm", torch.nn.functional.linear)
            with pytest.raises(OutOfMemoryError):
                list(model.decode(TEXT, Greedy(3), is_recording=is_recording))
    assert [step.token_id for step in model.decode(TEXT, Greedy(3))] == wanted


def test_what_a_broken_forward_held_is_let_go_of_at_once() -> None:
    class Large:
        pass

    seen: list[weakref.ref[Large]] = []

    def forward() -> None:
        held = Large()
        seen.append(weakref.ref(held))
        torch.empty(2**48)

    gc.disable()
    try:
        with pytest.raises(OutOfMemoryError) as caught, TellsMemory():
            forward()
        assert caught.value.__cause__ is None
        assert seen[0]() is None
    finally:
        gc.enable()


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"), TellsMemory():
        torch.ones(2, 3) @ torch.ones(2, 3)
