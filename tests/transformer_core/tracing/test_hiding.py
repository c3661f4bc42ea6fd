"""Hiding a key, held against what Hugging Face's own attention mask does to it."""

from pathlib import Path

import pytest
import torch
import transformers

from tests.support.tiny_models import make_tiny
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.tracing.interventions import HideKey, InItem
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."
KINDS = ["bert", "gpt2", "llama", "gemma3"]


def eager(folder: Path, kind: type = transformers.AutoModel) -> transformers.PreTrainedModel:
    model: transformers.PreTrainedModel = kind.from_pretrained(folder, attn_implementation="eager")
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_key_is_one_that_an_attention_mask_leaves_out(kind: str, tmp_path: Path) -> None:
    folder = make_tiny(kind, tmp_path / kind)
    model, position = load(folder), 2
    trace = model.trace(TEXT, interventions=[HideKey(position)])
    site = trace.sites[0]
    ids = torch.tensor([trace.source.ids])
    mask = torch.ones_like(ids)
    mask[0, position] = 0
    with torch.no_grad():
        expected = eager(folder)(ids, attention_mask=mask, output_hidden_states=True)
    others = [i for i in range(ids.shape[1]) if i != position]
    before_last = expected.hidden_states[-2][0]  # the last comes after the final norm
    ours = trace.resid(site, layer=trace.n_layers(site) - 2)
    assert torch.allclose(ours[others], before_last[others], atol=1e-5)
    plain = model.trace(TEXT).resid(site, layer=trace.n_layers(site) - 2)
    assert not torch.allclose(plain[others], before_last[others], atol=1e-3)


def test_a_source_token_is_hidden_from_encoder_and_decoder(tmp_path: Path) -> None:
    folder = make_tiny("marian", tmp_path / "marian")
    model, position = load(folder), 1
    plain = model.trace(TEXT, TEXT)
    changes = [HideKey(position, "encoder"), HideKey(position, "cross")]
    trace = model.trace(TEXT, plain.target, interventions=changes)
    assert trace.target is not None
    ids, read = torch.tensor([trace.source.ids]), torch.tensor([trace.target.ids])
    mask = torch.ones_like(ids)
    mask[0, position] = 0
    with torch.no_grad():
        expected = eager(folder, transformers.AutoModelForSeq2SeqLM)(
            ids, attention_mask=mask, decoder_input_ids=read
        )
    assert torch.allclose(trace.logits, expected.logits[0], atol=1e-4)  # type: ignore[arg-type]
    assert bool((trace.pattern("cross", layer=0)[..., position] == 0).all())


@pytest.mark.parametrize("kind", [*KINDS, "t5"])
def test_nobody_but_itself_reads_a_hidden_key(kind: str, tmp_path: Path) -> None:
    model = load(make_tiny(kind, tmp_path / kind))
    target = TEXT if kind == "t5" else None
    trace = model.trace(TEXT, target, interventions=[HideKey(1, model.sites[0])])
    for layer in range(trace.n_layers(model.sites[0])):
        pattern = trace.pattern(model.sites[0], layer=layer)
        others = torch.arange(pattern.shape[-1]) != 1
        assert bool((pattern[:, others, 1] == 0).all())
        assert bool((pattern[:, 1, 1] > 0).all())
        assert torch.allclose(pattern.sum(-1), torch.ones(pattern.shape[:2]), atol=1e-5)


def test_each_copy_in_a_batch_hides_its_own(tmp_path: Path) -> None:
    model = load(make_tiny("llama", tmp_path / "llama"))

    def stream(trace: Trace) -> torch.Tensor:
        return trace.resid("decoder", layer=1)

    alone = [stream(model.trace(TEXT, interventions=[HideKey(j)])) for j in (0, 3)]
    both = model.trace_batch(
        [TEXT, TEXT], interventions=[InItem(0, HideKey(0)), InItem(1, HideKey(3))]
    )
    for trace, expected in zip(both, alone, strict=True):
        assert torch.allclose(stream(trace), expected, atol=1e-5)


def test_a_key_that_is_not_there_cannot_be_hidden(tmp_path: Path) -> None:
    model = load(make_tiny("bert", tmp_path / "bert"))
    with pytest.raises(InputError, match="no key 99"):
        model.trace(TEXT, interventions=[HideKey(99)])
