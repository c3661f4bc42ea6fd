"""A handle of a served model gives what the model itself gives, to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import transformer_core as tc
from tests.support.served import line_of, served
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.errors import (
    EmptyInputError,
    InputError,
    ModelUnavailableError,
    NotInTraceError,
    TextTooLongError,
)
from transformer_core.serving import handle as handles
from transformer_core.serving.handle import RemoteModel
from transformer_core.tracing import vision
from transformer_core.tracing.interventions import (
    AblateHead,
    HideKey,
    InItem,
    ReplacePattern,
    TopKKeys,
)
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.sparsity import SparseAttention, Window

TEXT = "The cat sat on the mat."
KINDS = ["bert", "gpt2", "llama", "marian", "bart", "t5", "m2m_100", "own"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes each model once: the model, and a handle of it."""
    made: dict[str, tuple[Any, RemoteModel]] = {}

    def pair(kind: str) -> tuple[Any, RemoteModel]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind) / kind
            model = tc.load(make_translator(folder) if kind == "own" else make_tiny(kind, folder))
            made[kind] = model, served(model)
        return made[kind]

    return pair


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_is_the_same_to_the_bit(pairs: Any, kind: str) -> None:
    model, handle = pairs(kind)
    own, remote = model.trace(TEXT), handle.trace(TEXT)
    assert remote.source == own.source
    assert remote.target == own.target
    assert remote.provenance == own.provenance
    assert remote.sites == own.sites
    for site in own.sites:
        for layer in range(own.n_layers(site)):
            assert torch.equal(remote.pattern(site, layer=layer), own.pattern(site, layer=layer))


@pytest.mark.parametrize("kind", KINDS)
def test_details_are_fetched_when_they_are_looked_at(pairs: Any, kind: str) -> None:
    model, handle = pairs(kind)
    own, remote = model.trace(TEXT), handle.trace(TEXT)
    asked = line_of(handle).asked
    asked.clear()
    for site in own.sites:
        for layer in range(own.n_layers(site)):
            ours, theirs = own.record(site, layer=layer), remote.record(site, layer=layer)
            assert torch.equal(theirs.values(0), ours.values(0))
            assert theirs.z is not None and torch.equal(theirs.z, ours.z)
            assert torch.equal(remote.resid(site, layer=layer), own.resid(site, layer=layer))
            assert torch.equal(remote.ff(site, layer=layer), own.ff(site, layer=layer))
    assert asked.count("details") == 1


def test_weights_of_the_heads_cross_once_for_all_traces(pairs: Any) -> None:
    model, handle = pairs("llama")
    line_of(handle).asked.clear()
    for text in (TEXT, "A dog."):
        ours = model.trace(text).head_output("decoder", layer=1)
        theirs = handle.trace(text).head_output("decoder", layer=1)
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)  # summed in another order
    assert line_of(handle).asked.count("projections") <= 1
    projections = handle.trace(TEXT).details.out_proj
    assert list(projections) == ["decoder"] and len(projections) == 1
    with pytest.raises(KeyError):
        projections["cross"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokenizer_is_here_and_is_the_same(pairs: Any, kind: str) -> None:
    model, handle = pairs(kind)
    for text in (TEXT, "unbelievable! été 12", "a  b\n\tc ☃"):
        assert handle.tokenizer.encode(text) == model.tokenizer.encode(text)
        assert handle.tokenizer.encode_target(text) == model.tokenizer.encode_target(text)
    assert handle.tokenizer.n_ctx == model.tokenizer.n_ctx
    assert handle.tokenizer.show(5) == model.tokenizer.show(5)


@pytest.mark.parametrize("kind", ["bert", "bart", "own"])
def test_the_facts_are_the_models(pairs: Any, kind: str) -> None:
    model, handle = pairs(kind)
    assert isinstance(handle, TraceableModel)
    assert (handle.card, handle.sites, handle.n_ctx) == (model.card, model.sites, model.n_ctx)
    assert handle.is_encoder_decoder == model.is_encoder_decoder == (kind != "bert")
    for site in model.sites:
        assert handle.n_layers(site) == model.n_layers(site)
        assert handle.n_heads(site) == model.n_heads(site)
    assert handle.address.model_id == model.card.id


def test_changes_cross_with_their_tensors(pairs: Any) -> None:
    model, handle = pairs("bert")
    n = len(model.tokenizer.encode(TEXT))
    for change in (
        AblateHead("encoder", 0, 1, "mean"),
        ReplacePattern("encoder", 1, 2, torch.full((n, n), 1 / n)),
        TopKKeys(2, layer=1),
        HideKey(3),
        SparseAttention(Window(1)),
    ):
        ours = model.trace(TEXT, interventions=[change])
        theirs = handle.trace(TEXT, interventions=[change])
        assert torch.equal(theirs.pattern("encoder", layer=1), ours.pattern("encoder", layer=1))
        assert torch.equal(theirs.resid("encoder", layer=1), ours.resid("encoder", layer=1))
        assert theirs.interventions == (change,)


def test_a_change_to_one_of_a_batch_concerns_that_one(pairs: Any) -> None:
    model, handle = pairs("bert")
    changes = [InItem(1, AblateHead("encoder", 0, 0))]
    ours = model.trace_batch([TEXT, TEXT], interventions=changes)
    theirs = handle.trace_batch([TEXT, TEXT], interventions=changes)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(other.pattern("encoder", layer=1), one.pattern("encoder", layer=1))
        assert other.interventions == one.interventions
    assert not torch.equal(
        theirs[0].pattern("encoder", layer=1), theirs[1].pattern("encoder", layer=1)
    )
    assert handle.trace_batch([]) == []


def test_several_texts_are_asked_for_at_once(pairs: Any) -> None:
    _, handle = pairs("own")
    traces = handle.trace_many([TEXT, "The dog ran."], [None, "Le chien."])
    assert [trace.text for trace in traces] == [TEXT, "The dog ran."]
    assert traces[1].target_text == "Le chien."
    line_of(handle).asked.clear()
    (trace,) = handle.trace_many([TEXT], detailed=True)
    assert line_of(handle).asked[:2] == ["trace", "details"]
    asked = len(line_of(handle).asked)
    assert trace.text == TEXT and trace.record("encoder", layer=0).v is not None
    assert len(line_of(handle).asked) == asked


@pytest.mark.parametrize("kind", ["vit", "deit"])
def test_a_picture_crosses_as_it_is(pairs: Any, kind: str, tmp_path: Path) -> None:
    model, handle = pairs(kind)
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    image = tc.tracing.vision_images.read_image(pixels).image
    image.save(tmp_path / "p.png")
    for source in (pixels, image, tmp_path / "p.png", (tmp_path / "p.png").read_bytes()):
        ours, theirs = model.trace(source), handle.trace(source)
        assert torch.equal(theirs.pattern("encoder", layer=1), ours.pattern("encoder", layer=1))
        assert torch.equal(theirs.resid("encoder", layer=1), ours.resid("encoder", layer=1))
        assert torch.equal(
            theirs.head_output("encoder", layer=0)[0], ours.head_output("encoder", layer=0)[0]
        )
        assert np.array_equal(vision.seen(theirs).image, vision.seen(ours).image)
        assert vision.seen(theirs).labels == vision.seen(ours).labels
        assert theirs.notes == ours.notes
    with pytest.raises(InputError, match="reads images"):
        _ = handle.tokenizer
    with pytest.raises(InputError, match="no file 'nowhere.png'"):
        handle.trace("nowhere.png")


def test_large_logits_stay_until_they_are_asked_for(
    pairs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, handle = pairs("gpt2")
    ours = model.trace(TEXT)
    assert handle.trace(TEXT).kept_logits is not None
    monkeypatch.setattr("transformer_core.serving.traces.MAX_SENT_LOGITS", 16)
    theirs = handle.trace(TEXT)
    line_of(handle).asked.clear()
    assert theirs.kept_logits is None
    assert theirs.next_logits is not None and torch.equal(theirs.next_logits, ours.logits[-1])
    assert line_of(handle).asked == []
    assert torch.equal(theirs.logits, ours.logits)
    assert line_of(handle).asked.count("details") == 1


def test_a_trace_crosses_in_little_more_than_its_queries_and_keys(pairs: Any) -> None:
    _, handle = pairs("bert")
    line = line_of(handle)
    line.n_bytes = 0
    trace = handle.trace(TEXT)
    n_logits = 0 if trace.kept_logits is None else trace.kept_logits.numel() * 4
    qk = sum(
        4 * (record.q.numel() + record.k.numel())
        for layer in range(trace.n_layers("encoder"))
        for record in [trace.light("encoder", layer)]
    )
    assert line.n_bytes < qk + n_logits + 8_000


@pytest.mark.parametrize("kind", ["own", "bart"])
def test_translations_are_the_models_own(pairs: Any, kind: str) -> None:
    model, handle = pairs(kind)
    ids = [model.tokenizer.encode(text).ids for text in (TEXT, "A dog.")]
    for strategy in (tc.Greedy(6), tc.Beam(3, max_new_tokens=6)):
        assert handle.write(ids, strategy) == model.write(ids, strategy)
    if kind == "own":
        texts = ["The cat sat.", "The dog ran."]
        assert handle.translate(texts, tc.Greedy(8)) == model.translate(texts, tc.Greedy(8))


def test_what_is_wrong_with_a_text_is_said_as_it_is_here(pairs: Any) -> None:
    _, handle = pairs("bert")
    with pytest.raises(EmptyInputError):
        handle.trace("   ")
    with pytest.raises(TextTooLongError) as caught:
        handle.trace("cat " * 500)
    assert caught.value.limit == 128 and caught.value.n_tokens > 500
    with pytest.raises(InputError, match="has no decoder"):
        handle.decode(TEXT)
    with pytest.raises(InputError, match="no layer 9"):
        handle.trace(TEXT, interventions=[AblateHead("encoder", 9, 0)])
    with pytest.raises(NotInTraceError):
        handle.trace(TEXT).pattern("cross", layer=0)


def test_what_needs_the_weights_says_where_they_are(pairs: Any) -> None:
    _, handle = pairs("bert")
    with pytest.raises(InputError, match=r"they are at ray://127\.0\.0\.1:9/.*load the model here"):
        _ = handle.module


def test_ends_of_different_versions_do_not_talk(
    pairs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = pairs("bert")
    monkeypatch.setattr(handles, "VERSION", 99)
    with pytest.raises(ModelUnavailableError, match="same release at both ends"):
        served(model)
