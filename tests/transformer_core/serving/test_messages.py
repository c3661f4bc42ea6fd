"""Messages: what goes in comes out, and what is none is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

import transformer_core as tc
from transformer_core.errors import (
    ConfigError,
    FileFormatError,
    InputError,
    TextTooLongError,
    TooLongToKeepError,
    TransformerCoreError,
)
from transformer_core.serving.faults import error_from_bytes, error_to_bytes
from transformer_core.serving.packets import Frames, Packet, framed
from transformer_core.serving.traces import take_details, take_reading, take_trace
from transformer_core.serving.values import from_plain, put_input, take_input, to_plain
from transformer_core.serving.vocabularies import take_tokenizer
from transformer_core.tracing.interventions import AblateHead, InItem, ReplacePattern
from transformer_core.tracing.sparsity import SparseAttention, TopShare
from transformer_core.tracing.stepping import Constraints


def sent(packet: Packet) -> Packet:
    return Packet.from_bytes(packet.to_bytes())


def test_tensors_come_back_whatever_their_layout() -> None:
    packet = Packet()
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = [
        base.transpose(0, 2),
        base[:, 1],
        base > 5,
        torch.empty(0, 3),
        torch.tensor(3),
        torch.tensor([1.5], dtype=torch.bfloat16),
    ]
    packet.header = {"names": [packet.put(tensor) for tensor in tensors]}
    back = sent(packet)
    for name, tensor in zip(back.header["names"], tensors, strict=True):
        assert torch.equal(back.tensor(name).to(tensor.dtype), tensor)


def test_a_tensor_that_layers_share_crosses_once() -> None:
    packet = Packet()
    mask = torch.ones(1, 50, 50, dtype=torch.bool)
    assert packet.put(mask) == packet.put(mask)
    assert packet.put(None) is None and packet.take(None) is None
    assert packet.nbytes == 2_500


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00\x00\x00\x00\x00\x00\x00{}",
        b"\xff" * 40,
        save({}),
        save({}, metadata={"header": "[]"}),
        save({}, metadata={"header": "{"}),
        b"\x80\x04\x95pickle",
    ],
)
def test_bytes_that_are_no_message_are_refused(content: bytes) -> None:
    with pytest.raises(FileFormatError):
        Packet.from_bytes(content)


def test_a_name_without_an_array_is_refused() -> None:
    with pytest.raises(FileFormatError, match="has none"):
        Packet().tensor("7")


def test_frames_are_found_in_chunks_of_any_size() -> None:
    stream = framed(b"one") + framed(b"") + framed(b"three")
    for size in (1, 2, 5, 100):
        frames = Frames()
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert [f for chunk in chunks for f in frames.add(chunk)] == [b"one", b"", b"three"]
        assert frames.is_between
    cut = Frames()
    assert list(cut.add(stream[:5])) == [] and not cut.is_between
    with pytest.raises(FileFormatError, match="is none"):
        list(Frames().add(b"\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    "value",
    [
        tc.Beam(3, early_stopping="never"),
        tc.Sample(top_p=0.9, seed=4),
        Constraints(end_ids=frozenset({2, 1}), banned=((1, 2), (3,)), forced_last=(2,)),
        (InItem(1, AblateHead("encoder", 0, 1)), SparseAttention(TopShare(0.5), layer=2)),
        None,
    ],
)
def test_values_come_back_as_they_were(value: object) -> None:
    packet = Packet()
    packet.header = {"value": to_plain(value, packet)}
    back = sent(packet)
    assert from_plain(back.header["value"], back) == value


def test_a_tensor_inside_a_value_comes_along() -> None:
    packet = Packet()
    packet.header = {"v": to_plain(ReplacePattern("encoder", 0, 1, torch.eye(3)), packet)}
    back = sent(packet)
    assert torch.equal(from_plain(back.header["v"], back).pattern, torch.eye(3))


def test_only_known_kinds_cross() -> None:
    with pytest.raises(InputError, match="cannot be sent"):
        to_plain(object(), Packet())
    for value in (
        {"kind": "Popen", "fields": {"args": ["true"]}},
        {"kind": "Greedy", "fields": {"shell": 1}},
        {"kind": "AblateHead", "fields": {"site": "encoder"}},
        {"kind": "Greedy"},
        {},
    ):
        with pytest.raises(FileFormatError):
            from_plain(value, Packet())
    with pytest.raises(ConfigError):
        from_plain({"kind": "Beam", "fields": {"n_beams": -1}}, Packet())


@pytest.mark.parametrize("value", [{}, {"text": 3}, [], {"file": "0"}, {"tokens": {"ids": [1]}}])
def test_an_input_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(FileFormatError):
        take_input(value, Packet())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_a_picture_crosses_as_a_file(mode: str) -> None:
    packet = Packet()
    picture = Image.new(mode, (5, 4), 0)
    packet.header = {"input": put_input(picture, packet, reads="image")}
    back = sent(packet)
    assert take_input(back.header["input"], back).startswith(b"\x89PNG")
    assert put_input(None, packet) is None and take_input(None, packet) is None


def test_an_array_crosses_as_it_is() -> None:
    packet = Packet()
    digit = np.arange(64, dtype=np.uint8).reshape(8, 8)
    packet.header = {"input": put_input(digit, packet, reads="image")}
    back = sent(packet)
    assert np.array_equal(take_input(back.header["input"], back), digit)


@pytest.mark.parametrize(
    "error",
    [InputError("No. ☃"), TextTooLongError(600, 512), TooLongToKeepError(9, 4), ConfigError("a")],
)
def test_errors_come_back_as_what_they_were(error: TransformerCoreError) -> None:
    back = error_from_bytes(error_to_bytes(error))
    assert type(back) is type(error) and str(back) == str(error)
    assert getattr(back, "limit", None) == getattr(error, "limit", None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"error": "SystemExit", "message": "0"}',
        b'{"error": "InputError"}',
        b'{"error": "TextTooLongError"}',
    ],
)
def test_bytes_that_are_no_error_are_none(content: bytes) -> None:
    assert error_from_bytes(content) is None


def test_what_is_not_whole_is_refused() -> None:
    empty = Packet()
    with pytest.raises(FileFormatError):
        take_trace({}, empty, recompute=lambda trace: trace.details)
    with pytest.raises(FileFormatError):
        take_trace({"source": None}, empty, recompute=lambda trace: trace.details)
    with pytest.raises(FileFormatError):
        take_details(empty, {})
    with pytest.raises(FileFormatError):
        take_reading({"noted": None}, empty)


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "a.py", "b/c.json", ".."])
def test_a_tokenizers_file_cannot_leave_its_folder(name: str) -> None:
    packet = Packet()
    array = packet.put_array(np.zeros(2, dtype=np.uint8))
    header = {"is_own": True, "n_ctx": None, "files": {name: array}}
    with pytest.raises(FileFormatError, match="no file of a tokenizer"):
        take_tokenizer(json.loads(json.dumps(header)), packet)
