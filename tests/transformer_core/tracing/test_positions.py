"""Positions are found in every architecture, and a forward pass does without them when asked."""

from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from tests.support.weights import randomise
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.model import Transformer
from transformer_core.model.positional import RotaryPositions
from transformer_core.models.loading import load
from transformer_core.tracing.interventions import InItem, WithoutPositions
from transformer_core.tracing.positions import find_positions, watch_positions
from transformer_core.tracing.seat import Layout, Seat, capturing

TEXT = "the cat sat on the mat"
AWAY = [WithoutPositions()]
KINDS = {
    "bert": "learned",
    "roberta": "learned",
    "gpt2": "learned",
    "opt": "learned",
    "bart": "learned",
    "marian": "sinusoidal",
    "m2m_100": "sinusoidal",
    "llama": "rotary",
    "gemma3": "rotary",
    "gpt_neox": "rotary",
    "t5": "relative",
}


@pytest.mark.parametrize(("architecture", "kind"), KINDS.items())
def test_positions_are_found_and_taken_away_in_every_architecture(
    tmp_path: Path, architecture: str, kind: str
) -> None:
    model = load(str(make_tiny(architecture, tmp_path)))
    assert {part.kind for part in model.positions} == {kind}  # type: ignore[attr-defined]
    trace = model.trace(TEXT)
    away = model.trace(trace.source, trace.target, interventions=AWAY)
    again = model.trace(trace.source, trace.target)
    site = trace.sites[0]
    scores = trace.attn_scores(site, layer=0)
    finite = scores.isfinite()
    assert float((away.attn_scores(site, layer=0) - scores)[finite].abs().max()) > 1e-3
    assert torch.equal(again.attn_scores(site, layer=0), scores)  # nothing stays away


@pytest.mark.parametrize("architecture", ["bert", "marian", "t5"])
def test_without_positions_an_encoder_cannot_tell_orders_apart(
    tmp_path: Path, architecture: str
) -> None:
    model = load(str(make_tiny(architecture, tmp_path)))
    tokens = model.tokenizer.encode(TEXT)
    target = model.trace(tokens).target
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(2))
    shuffled = model.tokenizer.from_ids([tokens.ids[i] for i in order])

    def out(read: object, interventions: list[WithoutPositions]) -> torch.Tensor:
        trace = model.trace(read, target, interventions=interventions)
        return trace.resid("encoder", layer=trace.n_layers("encoder") - 1)

    torch.testing.assert_close(out(shuffled, AWAY), out(tokens, AWAY)[order], atol=2e-5, rtol=1e-4)
    assert float((out(shuffled, []) - out(tokens, [])[order]).abs().max()) > 1e-2


def test_without_positions_equals_a_table_of_zeros(tmp_path: Path) -> None:
    folder = str(make_tiny("bert", tmp_path))
    model, other = load(folder), load(folder)
    other.module.bert.embeddings.position_embeddings.weight.zero_()  # type: ignore[attr-defined]
    torch.testing.assert_close(
        model.trace(TEXT, interventions=AWAY).logits, other.trace(TEXT).logits
    )


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi"])
def test_our_own_model_without_positions_equals_one_built_without(positions: str) -> None:
    from tests.support.weights import tiny_config

    model = Transformer(tiny_config(positions=positions))
    plain = Transformer(tiny_config(positions="none"))
    randomise(model)
    plain.load_state_dict(
        {name: tensor for name, tensor in model.state_dict().items() if "positions" not in name}
    )
    model.eval(), plain.eval()
    parts = find_positions(model)
    assert {part.kind for part in parts} == {positions}
    watch_positions(parts)
    src, tgt = torch.arange(3, 12)[None], torch.arange(5, 10)[None]
    with torch.no_grad(), capturing(Seat(Layout((), {}, {}), tuple(AWAY))):
        ours = model(src, tgt, src_mask=None)
    with torch.no_grad():
        expected, usual = plain(src, tgt, src_mask=None), model(src, tgt, src_mask=None)
    torch.testing.assert_close(ours, expected)
    assert float((usual - expected).abs().max()) > 1e-2


def test_a_table_begins_at_position_0(tmp_path: Path) -> None:
    for architecture, offset in (("bert", 0), ("bart", 2), ("roberta", 3), ("marian", 0)):
        model = load(str(make_tiny(architecture, tmp_path / architecture)))
        part = model.positions[0]  # type: ignore[attr-defined]
        assert part.offset == offset, architecture
        assert len(part.table) == part.module.weight.shape[0] - offset  # type: ignore[union-attr]
    with pytest.raises(NotInTraceError, match="no table"):
        _ = find_positions(RotaryPositions(8))[0].table


def test_taking_away_what_is_shared_or_not_there_is_refused(tmp_path: Path) -> None:
    model = load(str(make_tiny("bert", tmp_path)))
    with pytest.raises(InputError, match="shared by a batch"):
        model.trace(TEXT, interventions=[InItem(0, WithoutPositions())])
    model.positions = ()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="in no module of its own"):
        model.trace(TEXT, interventions=AWAY)
