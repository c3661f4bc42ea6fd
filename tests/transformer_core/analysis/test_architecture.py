"""What the blocks of the map give out is what the model's own modules gave out."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.tiny_translator import TEXTS
from transformer_core.analysis.architecture import block_outputs
from transformer_core.config import Norm, TransformerConfig
from transformer_core.errors import InputError
from transformer_core.model import Transformer
from transformer_core.models.catalogue import ModelCard
from transformer_core.tokenization.bpe import train_bpe
from transformer_core.tracing.scratch import ScratchModel

SUBLAYERS = {"self": "self_attention", "cross": "cross_attention", "ff": "feed_forward"}


def make(norm: Norm) -> ScratchModel:
    tokenizer = train_bpe(TEXTS * 4, vocab_size=300)
    config = TransformerConfig(
        tokenizer.vocab_size, 32, 4, 48, 2, 3, n_ctx=48, norm=norm, shares_embeddings=False
    )
    module = Transformer(config, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():  # biases and norms that do something
        for parameter in module.parameters():
            generator = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return ScratchModel(module, tokenizer, ModelCard("tiny", "tiny", "encoder–decoder", ""))


def watched(model: ScratchModel, source: str, target: str) -> tuple[dict[str, Tensor], Any]:
    """What every module gave out, noted by hooks on it while the model traced."""
    seen: dict[str, Tensor] = {}
    hooks = []

    def note(name: str) -> Any:
        return lambda _module, _args, out: seen.__setitem__(name, out[0].clone())

    for side in ("encoder", "decoder"):
        for i, layer in enumerate(getattr(model.module, side).layers):
            for short, name in SUBLAYERS.items():
                if not hasattr(layer, name):
                    continue
                residual = getattr(layer, f"{name}_residual")
                parts = {"block": getattr(layer, name), "norm": residual.norm, "out": residual}
                for part, module in parts.items():
                    hooks.append(module.register_forward_hook(note(f"{side}.{i}.{short}.{part}")))
        hooks.append(getattr(model.module, side).norm.register_forward_hook(note(f"{side}.norm")))
    hooks.append(model.module.unembedding.register_forward_hook(note("linear")))
    trace = model.trace(source, target)
    for hook in hooks:
        hook.remove()
    return seen, trace


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_every_block_is_what_its_module_gave_out(norm: Norm) -> None:
    model = make(norm)
    seen, trace = watched(model, "The cat sat.", "Le chat est assis.")
    found = block_outputs(model, trace)
    assert len(seen) == 2 * 2 * 3 + 3 * 3 * 3 + 2 + 1
    for name, expected in seen.items():
        assert found.outputs[name] == pytest.approx(expected, abs=2e-5), name
    assert found.max_error < 2e-5
    assert found.n_checks == 2 + 2 + 3 + 1


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_sum_is_what_came_in_and_what_is_written(norm: Norm) -> None:
    model = make(norm)
    trace = model.trace("The cat sat.", "Le chat est assis.")
    outputs = block_outputs(model, trace).outputs
    came_in = trace.resid("decoder", layer=0)
    for name in ("self", "cross", "ff"):
        total = outputs[f"decoder.1.{name}.add"]
        assert torch.equal(total, came_in + outputs[f"decoder.1.{name}.block"])
        came_in = outputs[f"decoder.1.{name}.out"]
    embedded = outputs["encoder.embedding"] + outputs["encoder.positions"]
    assert embedded == pytest.approx(trace.resid("encoder", layer=-1), abs=1e-6)
    assert outputs["softmax"].sum(dim=-1) == pytest.approx(torch.ones(len(trace.target or ())))


def test_a_wrong_weight_shows_in_the_error() -> None:
    model = make("pre")
    trace = model.trace("The cat sat.", "Le chat est assis.")
    assert trace.details is not None
    with torch.no_grad():
        model.module.encoder.layers[1].self_attention.w_o.bias += 0.5
    assert block_outputs(model, trace).max_error > 0.1


def test_a_model_that_is_none_of_our_own_is_refused() -> None:
    model = make("pre")
    trace = model.trace("The cat sat.", "Le chat est assis.")
    with pytest.raises(InputError, match="our own encoder–decoder"):
        block_outputs(object(), trace)
