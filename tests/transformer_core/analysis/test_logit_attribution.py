"""The parts add up to the logit, and each is what a computation by hand gives."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.tiny_models import TEXT_KINDS, make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.analysis import logit_attribution
from transformer_core.analysis.frozen_norm import freeze
from transformer_core.analysis.logit_attribution import MEAN, attribute
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.models.loading import load
from transformer_core.tracing.parts import Part, watch_parts

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def tiny(kind: str, folder: Path) -> Any:
    path = folder / kind
    return load(str(make_translator(path) if kind == "ours" else make_tiny(kind, path)))


@pytest.mark.parametrize("kind", [*TEXT_KINDS, "ours"])
def test_the_parts_sum_to_the_logit(kind: str, folder: Path) -> None:
    model = tiny(kind, folder)
    trace = model.trace(TEXT)
    logits = trace.logits
    for position in (0, len(logits) - 1):
        found = attribute(model, trace, position)
        for token in range(0, logits.shape[1], 7):
            total = float(found.contributions(token).sum())
            assert total == pytest.approx(float(logits[position, token]), abs=1e-4)
            assert found.is_proven(token)


def test_gpt2s_parts_are_those_of_a_computation_by_hand(folder: Path) -> None:
    model = tiny("gpt2", folder)
    trace = model.trace(TEXT)
    gpt, token, p = model.module.transformer, 5, 3
    norm = gpt.ln_f
    x = trace.resid("decoder", layer=1)[p]
    scale = (x.var(unbiased=False) + norm.eps).sqrt()

    def by_hand(vector: torch.Tensor) -> float:
        centred = vector - vector.mean()
        return float((centred / scale * norm.weight) @ model.module.lm_head.weight[token])

    found = attribute(model, trace, p)
    given = dict(
        zip([w.name for w in found.writers], found.contributions(token).tolist(), strict=True)
    )
    ff = trace.ff("decoder", layer=1)[p] @ gpt.h[1].mlp.c_proj.weight
    expected = {
        "token embedding": by_hand(gpt.wte.weight[trace.source.ids[p]]),
        "positions": by_hand(gpt.wpe.weight[p]),
        "L0 H2": by_hand(trace.head_output("decoder", layer=0)[2, p]),
        "L1 feed-forward": by_hand(ff),
        "final norm bias": float(norm.bias @ model.module.lm_head.weight[token]),
    }
    for name, value in expected.items():
        assert given[name] == pytest.approx(value, abs=1e-5), name


def test_a_post_norm_block_goes_through_the_norms_behind_it(folder: Path) -> None:
    model = tiny("marian", folder)
    trace = model.trace(TEXT)
    layer, token, p = model.module.model.decoder.layers[2], 5, 1
    cross = trace.head_output("cross", layer=2)[1, p]
    parts = watch_parts(model, trace, layers={("decoder", 2)})
    vector = cross
    for norm in (layer.encoder_attn_layer_norm, layer.final_layer_norm):
        read = next(part.entering for part in parts.noted if part.module is norm)[p]
        scale = (read.var(unbiased=False) + norm.eps).sqrt()
        vector = (vector - vector.mean()) / scale * norm.weight
    found = attribute(model, trace, p)
    index = [w.name for w in found.writers].index("L2 cross H1")
    expected = float(vector @ model.module.lm_head.weight[token])
    assert float(found.contributions(token)[index]) == pytest.approx(expected, abs=1e-5)
    assert "norms on the way are held" in found.notes[0]


@pytest.mark.parametrize(("kind", "stack"), [("bert", "encoder"), ("marian", "decoder")])
def test_the_token_and_the_rest_of_the_embedding_are_told_apart(
    kind: str, stack: str, folder: Path
) -> None:
    model = tiny(kind, folder)
    trace = model.trace(TEXT)
    found = attribute(model, trace, 2)
    names = [w.name for w in found.writers]
    module = model.module
    if kind == "bert":
        assert names[:2] == ["token embedding", "positions and token type"]
        embeddings = module.bert.embeddings
        norm = embeddings.LayerNorm
        token = embeddings.word_embeddings.weight[trace.source.ids[2]]
        rest = embeddings.position_embeddings.weight[2] + embeddings.token_type_embeddings.weight[0]
        torch.testing.assert_close(norm(token + rest), trace.resid(stack, layer=-1)[2])
        # The two as the first layer would read them, were nothing else done to them.
        parts = watch_parts(model, trace, position=2)
        frozen = freeze(next(part for part in parts.noted if part.module is norm))
        two = frozen.apply(torch.stack([token, rest]).double())
        whole = two.sum(0) + norm.bias.double()
        torch.testing.assert_close(whole.float(), trace.resid(stack, layer=-1)[2])
    else:
        assert names[:2] == ["token embedding", "positions"]
        assert trace.target is not None
        table = module.model.decoder.embed_positions.weight
        token = module.model.shared.weight[trace.target.ids[2]]
        first = trace.resid(stack, layer=-1)[2]
        torch.testing.assert_close(first, token + table[2])


def test_two_tokens_and_the_mean_are_compared_part_by_part(folder: Path) -> None:
    model = tiny("bart", folder)  # its head has a bias for each token
    trace = model.trace(TEXT)
    found, logits = attribute(model, trace, 1), trace.logits[1].double()
    both = found.contributions(7, 9)
    torch.testing.assert_close(both, found.contributions(7) - found.contributions(9))
    assert float(both.sum()) == pytest.approx(float(logits[7] - logits[9]), abs=1e-4)
    over_mean = float(found.contributions(7, MEAN).sum())
    assert over_mean == pytest.approx(float(logits[7] - logits.mean()), abs=1e-4)
    assert found.is_proven(7, 9)
    assert found.is_proven(7, MEAN)
    every = torch.stack([found.contributions(i) for i in range(len(logits))])
    torch.testing.assert_close(found.contributions(7) - every.mean(0), found.contributions(7, MEAN))


def test_the_heads_own_non_linearity_is_said(folder: Path) -> None:
    notes = attribute(tiny("bert", folder), tiny("bert", folder).trace(TEXT), 1).notes
    assert any("non-linearity of its own" in note for note in notes)
    assert len(attribute(tiny("gpt2", folder), tiny("gpt2", folder).trace(TEXT), 1).notes) == 1


def test_a_model_without_logits_says_which_have_them(tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    model: Any = load(str(folder))
    model.module.get_output_embeddings = lambda: None
    with pytest.raises(NotInTraceError, match=r"no output logits.*en-fr-small and smollm2"):
        attribute(model, model.trace(TEXT), 0)


def test_positions_and_tokens_out_of_range_are_refused(folder: Path) -> None:
    model = tiny("gpt2", folder)
    trace = model.trace(TEXT)
    with pytest.raises(InputError, match=r"Positions run from 0 to \d+, not 99"):
        attribute(model, trace, 99)
    with pytest.raises(InputError, match="Token ids run from 0"):
        attribute(model, trace, 0).contributions(10**6)


def test_a_sum_that_does_not_hold_is_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("gpt2", folder)
    halved = logit_attribution.weight_of
    monkeypatch.setattr(logit_attribution, "weight_of", lambda part: halved(part) * 0.5)
    with pytest.raises(NotInTraceError, match="off by"):
        attribute(model, model.trace(TEXT), 0)


def test_a_norm_that_is_none_is_not_taken_for_one() -> None:
    class OddNorm(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.tanh()

    x = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    part = Part("odd", OddNorm(), "norm", None, "", x, x.tanh())
    with pytest.raises(NotInTraceError, match="neither LayerNorm nor RMSNorm"):
        freeze(part)


@pytest.mark.parametrize("norm", [nn.LayerNorm(16), nn.RMSNorm(16)])
def test_a_frozen_norm_is_the_norm_itself(norm: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator)
    x = torch.randn(1, 16, generator=generator)
    y = norm(x).detach()
    frozen = freeze(Part("norm", norm, "norm", None, "", x, y))
    bias = 0 if frozen.bias is None else frozen.bias
    torch.testing.assert_close(frozen.apply(x.double()) + bias, y.double(), rtol=1e-6, atol=1e-6)
