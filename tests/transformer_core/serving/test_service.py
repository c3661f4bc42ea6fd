"""A served model answers each request as if it were the only one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import transformer_core as tc
from tests.support.tiny_models import make_tiny
from transformer_core.serving.faults import error_from_bytes
from transformer_core.serving.packets import Packet
from transformer_core.serving.service import Service
from transformer_core.serving.traces import take_trace


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder: Path = tmp_path_factory.mktemp("served")
    return Service(tc.load(make_tiny("bert", folder)))


def asking(text: str, **more: Any) -> bytes:
    header = {"inputs": [[{"text": text}, None]], "interventions": [], **more}
    return Packet(header).to_bytes()


def test_requests_that_wait_share_a_pass(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["The cat sat.", "A quick brown fox jumps over the lazy dog.", "One two."]
    together: list[int] = []
    many = service.model.trace_many
    monkeypatch.setattr(
        service.model, "trace_many", lambda s, t: together.append(len(s)) or many(s, t)
    )
    replies = service.traces([asking(text) for text in texts])
    assert together == [3]
    for text, reply in zip(texts, replies, strict=True):
        packet = Packet.from_bytes(reply.content)
        trace = take_trace(packet.header["traces"][0], packet, recompute=lambda t: t.details)
        own = service.model.trace(text)
        assert trace.text == text
        torch.testing.assert_close(
            trace.pattern("encoder", layer=1), own.pattern("encoder", layer=1), atol=1e-5, rtol=0
        )


def test_what_is_wrong_with_one_concerns_that_one(service: Service) -> None:
    replies = service.traces([asking("The cat sat."), asking("  "), b"none", asking("A dog.")])
    assert [reply.is_error for reply in replies] == [False, True, True, False]
    names = [json.loads(reply.content)["error"] for reply in replies if reply.is_error]
    assert names == ["EmptyInputError", "FileFormatError"]


def test_a_changed_trace_goes_alone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.model, "trace_many", None)  # calling it would fail
    change = {"kind": "AblateHead", "fields": {"site": "encoder", "layer": 0, "head": 0}}
    replies = service.traces([asking("A dog."), asking("A cat.", interventions=[change])])
    assert [reply.is_error for reply in replies] == [False, False]


@pytest.mark.parametrize(
    ("verb", "content"),
    [
        ("eval", Packet().to_bytes()),
        ("trace", b"\x80\x04."),
        ("trace", Packet().to_bytes()),
        ("write", Packet({"sources": [[1]]}).to_bytes()),
        ("details", Packet({"source": {"text": "a"}}).to_bytes()),
        ("begin", Packet({"source": {"text": "a"}}).to_bytes()),
    ],
)
def test_what_cannot_be_answered_says_so(service: Service, verb: str, content: bytes) -> None:
    reply = service.answer(verb, content)
    assert reply.is_error
    assert error_from_bytes(reply.content) is not None


def test_a_check_runs_the_model(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.check()
    monkeypatch.setattr(service.model.module, "forward", None)
    with pytest.raises(TypeError):
        service.check()


def test_the_verbs_are_known(service: Service) -> None:
    assert {"facts", "trace", "details", "begin", "steps", "write"} <= set(service.verbs)
