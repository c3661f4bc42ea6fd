"""Our own Transformer's traces: against its plain forward pass and the other backend."""

import threading

import pytest
import torch
from torch import Tensor

from tests.support.letters import Card, Letters
from tests.support.tiny_marian import lively_marian
from tests.support.weights import randomise, tiny_config
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.errors import (
    ArchitectureError,
    ConfigError,
    InputError,
    NotInTraceError,
    TextTooLongError,
)
from transformer_core.model import Transformer
from transformer_core.model.convert import from_marian
from transformer_core.tracing.capture import ATTENTION_NAME
from transformer_core.tracing.huggingface import HuggingFaceModel
from transformer_core.tracing.interventions import (
    AblateHead,
    HideKey,
    InItem,
    Intervention,
    ReplacePattern,
    TopKKeys,
    ZeroValue,
)
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.tracing.trace import Trace

SOURCE, TARGET, OTHER = "a b c d e f g", "h i j k", "x y z"
SITES = ("encoder", "decoder", "cross")
POSITIONS = pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi"])


def model_of(**changes: object) -> ScratchModel:
    module = Transformer(tiny_config(**changes))
    randomise(module)
    return ScratchModel(module, Letters(), Card())  # type: ignore[arg-type]


def plain_logits(model: ScratchModel, trace: Trace) -> Tensor:
    assert trace.target is not None
    with torch.inference_mode():
        src, tgt = torch.tensor([trace.source.ids]), torch.tensor([trace.target.ids])
        logits: Tensor = model.module(src, tgt, src_mask=None)[0]
    return logits


def test_it_is_a_traceable_model() -> None:
    model = model_of()
    assert isinstance(model, TraceableModel)
    assert model.sites == SITES
    assert [model.n_layers(site) for site in SITES] == [2, 3, 3]
    assert (model.n_heads("cross"), model.n_ctx) == (4, 40)


@POSITIONS
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_patterns_times_values_are_the_modules_own_output(positions: str, norm: str) -> None:
    trace = model_of(positions=positions, norm=norm).trace(SOURCE, TARGET)
    assert trace.tokens == [*SOURCE.split(), "`"]
    assert trace.target_tokens == ["_", *TARGET.split()]
    for site in SITES:
        for layer in range(trace.n_layers(site)):
            record = trace.record(site, layer=layer)
            pattern = trace.pattern(site, layer=layer)
            assert pattern.shape == (
                4,
                len(trace.query_tokens(site)),
                len(trace.key_tokens(site)),
            )
            assert (pattern.sum(-1) - 1).abs().max() <= 1e-6
            assert record.z is not None
            for head in range(4):
                difference = pattern[head] @ record.values(head) - record.z[head]
                assert difference.abs().max() <= 1e-5
    causal = trace.pattern("decoder", layer=0)
    assert (causal.triu(1) == 0).all()


@POSITIONS
def test_logits_are_bit_identical_to_a_plain_forward_pass(positions: str) -> None:
    model = model_of(positions=positions)
    untouched = Transformer(model.module.config).eval()
    untouched.load_state_dict(model.module.state_dict())
    trace = model.trace(SOURCE, TARGET)
    assert trace.logits is not None
    assert torch.equal(trace.logits, plain_logits(model, trace))
    again = trace.details.logits
    assert again is not None
    assert torch.equal(again, trace.logits)
    with torch.inference_mode():
        src, tgt = torch.tensor([trace.source.ids]), torch.tensor([trace.target.ids])  # type: ignore[union-attr]
        hookless = untouched(src, tgt, src_mask=None)[0]
    assert (trace.logits - hookless).abs().max() <= 1e-5  # the matrix lies in memory another way


def test_the_residual_stream_is_the_sum_of_what_is_written_into_it() -> None:
    model = model_of(norm="pre")
    trace = model.trace(SOURCE, TARGET)
    layer_of = {"encoder": model.module.encoder.layers, "decoder": model.module.decoder.layers}
    for site, layers in layer_of.items():
        for index, layer in enumerate(layers):
            resid = trace.resid(site, layer=index - 1)
            written = trace.head_output(site, layer=index).sum(0) + layer.self_attention.w_o.bias
            resid = resid + written
            if site == "decoder":
                written = trace.head_output("cross", layer=index).sum(0)
                resid = resid + written + layer.cross_attention.w_o.bias
            resid = resid + layer.feed_forward.w_out(trace.ff(site, layer=index))
            assert (resid - trace.resid(site, layer=index)).abs().max() <= 1e-5
    hidden = model.module.decoder.norm(trace.resid("decoder", layer=2))
    assert trace.logits is not None
    assert (model.module.unembed(hidden[None])[0] - trace.logits).abs().max() <= 1e-4


def test_what_goes_into_the_first_layer_are_the_embeddings() -> None:
    model = model_of()
    trace = model.trace(SOURCE, TARGET)
    module = model.module
    embed = module.source_positions(module.target_embedding(torch.tensor([trace.source.ids])))
    assert torch.equal(trace.resid("encoder", layer=-1), embed[0])


@POSITIONS
def test_padding_does_not_show_in_a_trace(positions: str) -> None:
    model = model_of(positions=positions)
    batch = model.trace_batch([SOURCE, OTHER, "q"], [OTHER, TARGET, None])
    for trace in batch:
        alone = model.trace(trace.source, trace.target)
        assert trace.tokens == alone.tokens
        for site in SITES:
            for layer in range(trace.n_layers(site)):
                found = trace.pattern(site, layer=layer)
                assert (found - alone.pattern(site, layer=layer)).abs().max() <= 1e-5
            if site != "cross":
                stream = alone.resid(site, layer=1)
                assert (trace.resid(site, layer=1) - stream).abs().max() <= 1e-4
        assert trace.logits is not None
        assert (trace.logits - plain_logits(model, trace)).abs().max() <= 1e-4


def test_without_a_target_the_model_writes_one_first() -> None:
    model = model_of()
    trace = model.trace(SOURCE)
    assert trace.target is not None
    assert trace.logits is not None
    chosen = trace.logits[:, 2:].argmax(-1) + 2  # neither padding nor the start token
    assert trace.target.ids[0] == 1
    assert list(trace.target.ids[1:]) == chosen[:-1].tolist()
    ended = int(chosen[-1]) == 2
    assert ended or len(trace.target) == model.n_ctx


def changed(model: ScratchModel, *interventions: Intervention) -> Trace:
    return model.trace(SOURCE, TARGET, interventions=interventions)


def test_an_ablated_head_writes_nothing() -> None:
    model = model_of()
    before = model.trace(SOURCE, TARGET)
    after = changed(model, AblateHead("cross", 1, 2))
    z = after.record("cross", layer=1).z
    assert z is not None
    assert (z[2] == 0).all()
    assert (z[1] != 0).any()
    assert after.logits is not None
    assert not torch.equal(after.logits, before.logits)
    without = model.module.decoder.layers[1].cross_attention.w_o
    kept = without.weight.clone()
    without.weight[:, 16:24] = 0  # the head's columns of W_O
    by_hand = plain_logits(model, before)
    without.weight.copy_(kept)
    assert (after.logits - by_hand).abs().max() <= 1e-5
    assert torch.equal(model.trace(SOURCE, TARGET).logits, before.logits)  # type: ignore[arg-type]


def test_replacing_a_pattern_by_itself_changes_nothing_and_by_another_does() -> None:
    model = model_of()
    before = model.trace(SOURCE, TARGET)
    own = before.pattern("encoder", layer=0, head=1)
    same = changed(model, ReplacePattern("encoder", 0, 1, own))
    assert (same.logits - before.logits).abs().max() <= 1e-4  # type: ignore[operator]
    other = torch.eye(8).roll(1, dims=1)
    after = changed(model, ReplacePattern("encoder", 0, 1, other))
    assert torch.equal(after.pattern("encoder", layer=0, head=1), other)
    record = after.record("encoder", layer=0)
    assert record.z is not None
    assert torch.allclose(record.z[1], record.values(1).roll(-1, dims=0), atol=1e-6)
    assert (after.logits - before.logits).abs().max() > 1e-3  # type: ignore[operator]


def test_top_k_keeps_k_keys_everywhere() -> None:
    model = model_of()
    after = changed(model, TopKKeys(2))
    for site in SITES:
        for layer in range(after.n_layers(site)):
            assert (after.pattern(site, layer=layer) > 0).sum(-1).max() == 2


def test_a_zeroed_value_and_a_hidden_key_are_not_read() -> None:
    model = model_of()
    zeroed = changed(model, ZeroValue("encoder", 0, 3)).record("encoder", layer=0)
    assert zeroed.v is not None
    assert (zeroed.v[:, 3] == 0).all()
    hidden = changed(model, HideKey(3))
    for site in SITES:
        pattern = hidden.pattern(site, layer=0)
        others = [row for row in range(pattern.shape[1]) if site == "cross" or row != 3]
        assert (pattern[:, others, 3] == 0).all()
        assert (pattern.sum(-1) - 1).abs().max() <= 1e-6
    assert (hidden.pattern("decoder", layer=0).triu(1) == 0).all()


def test_each_copy_in_a_batch_gets_its_own_change() -> None:
    model = model_of()
    change = AblateHead("decoder", 0, 0)
    plain, ablated = model.trace_batch(
        [SOURCE, SOURCE], [TARGET, TARGET], interventions=[InItem(1, change)]
    )
    assert (plain.logits - model.trace(SOURCE, TARGET).logits).abs().max() <= 1e-4  # type: ignore[operator]
    assert (ablated.logits - changed(model, change).logits).abs().max() <= 1e-4  # type: ignore[operator]
    assert (ablated.interventions, plain.interventions) == ((change,), ())


def test_an_intervention_where_there_is_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no layer 9"):
        changed(model_of(), AblateHead("cross", 9, 0))


def test_two_threads_get_their_own_traces() -> None:
    model = model_of()
    expected = [model.trace(s, TARGET).pattern("cross", layer=1) for s in (SOURCE, OTHER)]
    wrong: list[int] = []

    def work(which: int) -> None:
        for _ in range(15):
            found = model.trace((SOURCE, OTHER)[which], TARGET).pattern("cross", layer=1)
            if found.shape != expected[which].shape or not torch.equal(found, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("stacks", "site"), [((2, 0), "encoder"), ((0, 2), "decoder")])
def test_a_single_stack_is_traced(stacks: tuple[int, int], site: str) -> None:
    model = model_of(n_encoder_layers=stacks[0], n_decoder_layers=stacks[1])
    traces = model.trace_batch([SOURCE, OTHER])
    alone = model.trace(OTHER)
    assert alone.sites == (site,)
    assert alone.target is None
    for trace, n_tokens in zip(traces, (8, 4), strict=True):
        assert trace.logits is not None
        assert trace.logits.shape == (n_tokens, 61)
    found = traces[1].pattern(site, layer=1)
    assert (found - alone.pattern(site, layer=1)).abs().max() <= 1e-5
    with pytest.raises(InputError, match="one stack"):
        model.trace(SOURCE, TARGET)
    with pytest.raises(ConfigError, match="cannot translate"):
        model.write([[3, 4]], Greedy())


def test_nothing_is_traced_of_nothing() -> None:
    assert model_of().trace_batch([]) == []


def test_texts_that_are_too_long_are_refused() -> None:
    model = model_of(n_ctx=5)
    for source, target, n in [("a b c d e", "a", 6), ("a", "a b c d e", 6)]:
        with pytest.raises(TextTooLongError, match=f"{n} tokens; this model reads 5"):
            model.trace(source, target)
    with pytest.raises(TextTooLongError):
        model.write([[3] * 6], Greedy())
    assert len(model.trace("a").target or ()) <= 5  # what is written fits, too


def test_writing_in_batches_keeps_the_order() -> None:
    model = model_of(is_tied=False, has_output_bias=True)
    rows = [model.tokenizer.encode(text).ids for text in (SOURCE, OTHER, "q")]
    for strategy in (
        Greedy(max_new_tokens=9),
        Greedy(max_new_tokens=9, repetition_penalty=1.5),
        Beam(3, max_new_tokens=9),
        Beam(3, length_penalty=0.0, max_new_tokens=9, early_stopping=True),
    ):
        together = model.write(rows, strategy)
        alone = [model.write([row], strategy)[0] for row in rows]
        assert [h.ids for h in together] == [h.ids for h in alone]
        assert len({h.ids for h in together}) > 1
    with pytest.raises(ConfigError, match="to sample, use decode"):
        model.write(rows, Sample())


def test_a_model_made_for_training_is_refused() -> None:
    module = Transformer(tiny_config())
    module.encoder.layers[1].self_attention.attention = torch.nn.Identity()  # type: ignore[union-attr]
    with pytest.raises(ArchitectureError, match="encoder attention of layer 1 is a Identity"):
        ScratchModel(module, Letters(), Card())  # type: ignore[arg-type]


@pytest.mark.parametrize("is_padded", [False, True])
def test_both_backends_see_the_same_in_the_same_weights(is_padded: bool) -> None:
    theirs = lively_marian()
    ours = from_marian(theirs.config.to_dict(), theirs.state_dict())
    theirs.set_attn_implementation(ATTENTION_NAME)
    letters = Letters(bos_id=60, eos_id=0)
    other = HuggingFaceModel(theirs, letters, Card())  # type: ignore[arg-type]
    model = ScratchModel(ours, letters, Card())  # type: ignore[arg-type]
    sources = [letters.from_ids([5, 9, 33, 12, 7, 0]), letters.from_ids([8, 0])]
    targets = [letters.from_ids([60, 4, 40]), letters.from_ids([60, 11, 12, 50, 3])]
    if not is_padded:
        sources, targets = sources[:1], targets[:1]
    for found, expected in zip(
        model.trace_batch(sources, targets), other.trace_batch(sources, targets), strict=True
    ):
        for site in SITES:
            assert found.n_layers(site) == expected.n_layers(site)
            for layer in range(found.n_layers(site)):
                pattern = expected.pattern(site, layer=layer)
                assert (found.pattern(site, layer=layer) - pattern).abs().max() <= 1e-5
                mine, yours = (t.record(site, layer=layer) for t in (found, expected))
                assert (mine.z - yours.z).abs().max() <= 1e-4  # type: ignore[operator]
                heads = expected.head_output(site, layer=layer)
                assert (found.head_output(site, layer=layer) - heads).abs().max() <= 1e-4
                if site != "cross":
                    stream = expected.resid(site, layer=layer)
                    assert (found.resid(site, layer=layer) - stream).abs().max() <= 1e-4
                    ff = expected.ff(site, layer=layer)
                    assert (found.ff(site, layer=layer) - ff).abs().max() <= 1e-4
        assert (found.logits - expected.logits).abs().max() <= 1e-4  # type: ignore[operator]


def test_a_trace_survives_its_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    trace = model_of(positions="alibi").trace(SOURCE, TARGET)
    trace.save(tmp_path / "t.npz")
    read = Trace.load(tmp_path / "t.npz")
    for site in SITES:
        difference = read.pattern(site, layer=1) - trace.pattern(site, layer=1)
        assert difference.abs().max() <= 1e-6
    with pytest.raises(NotInTraceError):
        read.head_output("cross", layer=0)
