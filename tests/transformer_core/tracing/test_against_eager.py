"""Every architecture's trace against Transformers' own eager attention and plain SDPA forward."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from tests.support.tiny_models import ENCODER_DECODER_KINDS, KINDS, TEXT_KINDS, make_tiny
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer
from transformer_core.tracing.capture import ATTENTION_NAME
from transformer_core.tracing.huggingface import HuggingFaceModel
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat, it was tired."
OTHER = "A cat."
TARGET = "The mat sat."
EAGER_NAMES = {
    "encoder": ("encoder_attentions", "attentions"),
    "decoder": ("decoder_attentions", "attentions"),
    "cross": ("cross_attentions",),
}


@dataclass(frozen=True)
class Card:
    """What a backend reads of a model card."""

    id: str = "tiny"
    name: str = "tiny"
    family: str = "test"
    revision: str = "0"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {kind: make_tiny(kind, root / kind) for kind in KINDS}


def hf_module(folder: Path, attention: str) -> Any:
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    loader = getattr(transformers, architecture)
    return loader.from_pretrained(folder, attn_implementation=attention).eval()


def traced(folder: Path, kind: str) -> HuggingFaceModel:
    module = hf_module(folder, ATTENTION_NAME)
    if kind not in TEXT_KINDS:
        processor = AutoImageProcessor.from_pretrained(folder)
        return HuggingFaceModel(module, None, Card(), image_processor=processor)  # type: ignore[arg-type]
    tokenizer = HuggingFaceTokenizer(AutoTokenizer.from_pretrained(folder))
    return HuggingFaceModel(module, tokenizer, Card())  # type: ignore[arg-type]


def image() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def inputs_of(model: HuggingFaceModel, trace: Trace) -> dict[str, Any]:
    if model.image_processor is not None:
        pixels = model.image_processor([image()], return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels}
    inputs: dict[str, Any] = {"input_ids": torch.tensor([trace.source.ids])}
    if trace.target is not None:
        inputs["decoder_input_ids"] = torch.tensor([trace.target.ids])
    return inputs


def trace_of(model: HuggingFaceModel, kind: str) -> Trace:
    if kind not in TEXT_KINDS:
        return model.trace(image())
    return model.trace(TEXT, TARGET if kind in ENCODER_DECODER_KINDS else None)


def eager_maps(output: Any, site: str) -> Any:
    name = next(n for n in EAGER_NAMES[site] if getattr(output, n, None) is not None)
    return getattr(output, name)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_logits_and_residual_stream_are_the_models_own(
    kind: str, folders: dict[str, Path]
) -> None:
    model = traced(folders[kind], kind)
    trace = trace_of(model, kind)
    inputs = inputs_of(model, trace)
    with torch.no_grad():
        eager = hf_module(folders[kind], "eager")(
            **inputs, output_attentions=True, output_hidden_states=True
        )
        plain = hf_module(folders[kind], "sdpa")(**inputs)
    for site in trace.sites:
        maps = eager_maps(eager, site)
        assert len(maps) == trace.n_layers(site) == model.n_layers(site)
        assert model.n_heads(site) == trace.n_heads(site)
        for layer, expected in enumerate(maps):
            found = trace.pattern(site, layer=layer)
            assert (found - expected[0]).abs().max() <= 1e-5, f"{site} layer {layer}"
            record = trace.record(site, layer=layer)
            rebuilt = torch.stack(
                [record.pattern(h) @ record.values(h) for h in range(record.n_heads)]
            )
            assert record.z is not None
            assert (rebuilt - record.z).abs().max() <= 1e-5
        if site != "cross":
            name = "hidden_states" if trace.target is None else f"{site}_hidden_states"
            states = getattr(eager, name)
            for layer in range(-1, trace.n_layers(site) - 1):  # the last one is after the norm
                found = trace.resid(site, layer=layer)
                assert torch.allclose(found, states[layer + 1][0], atol=1e-4, rtol=1e-4)
    assert trace.logits is not None
    assert torch.equal(trace.logits.reshape(-1), plain.logits.reshape(-1))


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_padding_does_not_show_in_a_trace(kind: str, folders: dict[str, Path]) -> None:
    model = traced(folders[kind], kind)
    two_sided = kind in ENCODER_DECODER_KINDS
    short_target, long_target = (OTHER, TARGET) if two_sided else (None, None)
    batch = model.trace_batch([TEXT, OTHER], [long_target, short_target])
    for trace, alone in zip(
        batch, [model.trace(TEXT, long_target), model.trace(OTHER, short_target)], strict=True
    ):
        assert trace.tokens == alone.tokens
        for site in trace.sites:
            for layer in range(trace.n_layers(site)):
                found = trace.pattern(site, layer=layer)
                assert (found - alone.pattern(site, layer=layer)).abs().max() <= 1e-5


def test_two_threads_get_their_own_traces(folders: dict[str, Path]) -> None:
    model = traced(folders["bert"], "bert")
    texts = [TEXT, OTHER]
    expected = [model.trace(text).pattern("encoder", layer=1) for text in texts]
    wrong: list[str] = []

    def work(which: int) -> None:
        for _ in range(20):
            found = model.trace(texts[which]).pattern("encoder", layer=1)
            if found.shape != expected[which].shape or not torch.equal(found, expected[which]):
                wrong.append(texts[which])

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
