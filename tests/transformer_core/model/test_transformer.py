"""The whole encoder–decoder against torch's, its causality, its cache and its first weights."""

import pytest
import torch
from torch import nn

from tests.support.weights import (
    copy_decoder_layer,
    copy_encoder_layer,
    ids,
    padded,
    randomise,
    tiny_config,
)
from transformer_core.errors import ConfigError, InputError
from transformer_core.model import Transformer
from transformer_core.model.masks import causal_mask

NORMS = pytest.mark.parametrize("norm", ["pre", "post"])
POSITIONS = pytest.mark.parametrize(
    "positions", ["sinusoidal", "learned", "rotary", "alibi", "none"]
)


def model_of(**changes: object) -> Transformer:
    model = Transformer(tiny_config(**changes)).eval()
    randomise(model)
    return model


def torch_transformer(ours: Transformer) -> nn.Transformer:
    config = ours.config
    theirs = nn.Transformer(
        config.d_model,
        config.n_heads,
        config.n_encoder_layers,
        config.n_decoder_layers,
        config.d_ff,
        activation=config.activation,
        batch_first=True,
        norm_first=config.norm == "pre",
    ).eval()
    for i, layer in enumerate(ours.encoder.layers):
        copy_encoder_layer(layer, theirs.encoder.layers[i])
    for i, layer in enumerate(ours.decoder.layers):
        copy_decoder_layer(layer, theirs.decoder.layers[i])
    theirs.encoder.norm.load_state_dict(ours.encoder.norm.state_dict())  # type: ignore[union-attr]
    theirs.decoder.norm.load_state_dict(ours.decoder.norm.state_dict())  # type: ignore[union-attr]
    return theirs


@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested")
@NORMS
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "none"])
def test_the_whole_is_torchs_transformer(norm: str, positions: str) -> None:
    ours = model_of(norm=norm, positions=positions, has_final_norm=True)  # as torch's always has
    src, tgt, src_mask, tgt_mask = ids(3, 7), ids(3, 5, seed=1), padded(3, 7), padded(3, 5)
    embedding = ours.target_embedding
    expected = torch_transformer(ours)(
        ours.source_positions(embedding(src)),
        ours.target_positions(embedding(tgt)),
        tgt_mask=~causal_mask(5),
        src_key_padding_mask=~src_mask,
        tgt_key_padding_mask=~tgt_mask,
        memory_key_padding_mask=~src_mask,
    )
    memory = ours.encode(src, src_mask)
    found = ours.decode(tgt, memory, src_mask=src_mask, tgt_mask=tgt_mask)
    assert (found - expected)[tgt_mask].abs().max() <= 1e-5
    logits = ours(src, tgt, src_mask=src_mask, tgt_mask=tgt_mask)
    assert (logits - expected @ embedding.weight.T)[tgt_mask].abs().max() <= 1e-4


@NORMS
@POSITIONS
def test_a_cached_decode_is_the_uncached_one(norm: str, positions: str) -> None:
    model = model_of(norm=norm, positions=positions)
    src, tgt, src_mask = ids(3, 7), ids(3, 6, seed=1), padded(3, 7)
    memory = model.encode(src, src_mask)
    whole = model.decode(tgt, memory, src_mask=src_mask)
    cache = model.new_cache()
    steps = [
        model.decode(tgt[:, i : i + 1], memory, src_mask=src_mask, cache=cache) for i in range(6)
    ]
    assert cache.n_pos == 6
    assert (torch.cat(steps, dim=1) - whole).abs().max() <= 1e-5


def test_a_cache_outgrows_its_first_room() -> None:
    model = model_of(n_ctx=100)
    src, tgt = ids(1, 4), ids(1, 90, seed=1)
    memory = model.encode(src, None)
    cache = model.new_cache()
    steps = [
        model.decode(tgt[:, i : i + 10], memory, src_mask=None, cache=cache)
        for i in range(0, 90, 10)
    ]
    whole = model.decode(tgt, memory, src_mask=None)
    assert (torch.cat(steps, dim=1) - whole).abs().max() <= 1e-5


def test_rows_of_a_cache_can_be_chosen_and_repeated() -> None:
    model = model_of()
    src, tgt, src_mask = ids(3, 7), ids(3, 4, seed=1), padded(3, 7)
    memory = model.encode(src, src_mask)
    rows = torch.tensor([2, 0, 2])
    expected = model.decode(tgt[rows], memory[rows], src_mask=src_mask[rows])[:, 3:]
    cache = model.new_cache()
    cache.select(rows)  # an empty cache has no rows yet
    model.decode(tgt[:, :3], memory, src_mask=src_mask, cache=cache)
    cache.select(rows)
    found = model.decode(tgt[rows, 3:], memory[rows], src_mask=src_mask[rows], cache=cache)
    assert (found - expected).abs().max() <= 1e-5


def test_beams_of_one_source_keep_what_was_read_from_it() -> None:
    model = model_of()
    src, tgt = ids(1, 7).repeat(3, 1), ids(3, 4, seed=1)
    memory = model.encode(src, None)
    rows = torch.tensor([2, 2, 0])
    cache = model.new_cache()
    model.decode(tgt[:, :3], memory, src_mask=None, cache=cache)
    read = cache.layers[0].cross_attention.once(lambda: pytest.fail("computed twice"))
    cache.select(rows, same_sources=True)
    assert cache.layers[0].cross_attention.once(lambda: pytest.fail("computed twice")) is read
    found = model.decode(tgt[rows, 3:], memory, src_mask=None, cache=cache)
    expected = model.decode(tgt[rows], memory, src_mask=None)[:, 3:]
    assert (found - expected).abs().max() <= 1e-5


@POSITIONS
def test_a_future_token_cannot_change_a_past_logit(positions: str) -> None:
    model = model_of(positions=positions)
    src, tgt = ids(2, 7), ids(2, 6, seed=1)
    changed = tgt.clone()
    changed[:, 4] = 60 - changed[:, 4] + 3
    before = model(src, tgt, src_mask=None)
    after = model(src, changed, src_mask=None)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax(dim=(0, 2)).min() > 1e-3


@POSITIONS
def test_padding_changes_nothing(positions: str) -> None:
    model = model_of(positions=positions)
    src, tgt, src_mask, tgt_mask = ids(3, 7), ids(3, 5, seed=1), padded(3, 7), padded(3, 5)
    for mask in (tgt_mask, None):  # padding at the end is hidden by causality alone
        together = model(src, tgt, src_mask=src_mask, tgt_mask=mask)
        for i in range(3):
            n_src, n_tgt = 7 - i, 5 - i
            alone = model(src[i : i + 1, :n_src], tgt[i : i + 1, :n_tgt], src_mask=None)
            assert (together[i, :n_tgt] - alone[0]).abs().max() <= 1e-4


def test_without_positions_the_encoder_cannot_tell_an_order() -> None:
    src, order = ids(1, 7), torch.randperm(7, generator=torch.Generator().manual_seed(0))
    for positions, tells in [("none", False), ("sinusoidal", True), ("rotary", True)]:
        model = model_of(positions=positions)
        difference = model.encode(src[:, order], None) - model.encode(src, None)[:, order]
        assert (difference.abs().max() > 1e-2) == tells


def test_nothing_is_left_on_a_module_by_a_forward_pass() -> None:
    model = model_of()
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    model(ids(2, 7), ids(2, 5), src_mask=padded(2, 7))
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_embeddings_are_shared_and_tied_as_configured(shares: bool, tied: bool) -> None:
    model = model_of(shares_embeddings=shares, is_tied=tied, has_output_bias=True)
    large = [name for name, p in model.named_parameters() if p.shape == (61, 32)]
    assert len(large) == 3 - shares - tied
    hidden = torch.randn(1, 2, 32)
    matrix = model.target_embedding.weight if tied else model.unembedding.weight
    assert matrix is not None
    expected = hidden @ matrix.T + model.unembedding.bias
    assert (model.unembed(hidden) - expected).abs().max() <= 1e-5
    assert len(model.state_dict()) == len({p.data_ptr() for p in model.state_dict().values()})


def test_a_decoder_only_and_an_encoder_only_model_run() -> None:
    decoder = model_of(n_encoder_layers=0)
    hidden = decoder.decode(ids(2, 5), None, src_mask=None)
    assert decoder.unembed(hidden).shape == (2, 5, 61)
    assert not any("cross" in name for name in decoder.state_dict())
    with pytest.raises(ConfigError, match="decoder-only"):
        decoder.encode(ids(1, 2), None)
    encoder = model_of(n_decoder_layers=0)
    memory = encoder.encode(ids(2, 5), None)
    assert encoder.unembed(memory).shape == (2, 5, 61)
    with pytest.raises(ConfigError, match="encoder-only"):
        encoder.decode(ids(2, 5), memory, src_mask=None)


def test_learned_positions_end_and_computed_ones_go_on() -> None:
    longer = ids(1, 45)
    with pytest.raises(InputError, match="45 positions; this model learned 40"):
        model_of(positions="learned").encode(longer, None)
    for positions in ("sinusoidal", "rotary", "alibi", "none"):
        assert model_of(positions=positions).encode(longer, None).isfinite().all()


def test_first_weights_come_from_the_generator_and_give_calm_logits() -> None:
    config = tiny_config(vocab_size=2_000, d_model=64, dropout=0.0)
    first, again, other = (
        Transformer(config, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    assert not torch.equal(first.target_embedding.weight, other.target_embedding.weight)
    logits = first(ids(4, 9, vocab_size=2_000), ids(4, 9, vocab_size=2_000), src_mask=None)
    assert 0.5 < logits.std() < 2
    w_k, w_v = first.encoder.layers[0].self_attention.w_kv.weight.chunk(2)  # type: ignore[union-attr, operator]
    bound = (6 / (64 + 64)) ** 0.5  # Glorot's, for one 64 × 64 matrix
    for matrix in (w_k, w_v):
        assert 0.95 * bound < matrix.abs().max() <= bound
