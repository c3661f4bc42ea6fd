"""Feed-forward activations, held against the modules' own."""

from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.models.loading import load


@pytest.mark.parametrize("kind", ["opt", "bert", "llama"])
def test_activations_are_what_the_second_matrix_reads(kind: str, tmp_path: Path) -> None:
    """OPT gives its feed-forward the positions of all inputs in one row; others keep the batch."""
    make_tiny(kind, tmp_path)
    model = load(tmp_path)
    name = {"opt": "fc2", "bert": "output.dense", "llama": "down_proj"}[kind]
    seen: list[torch.Tensor] = []
    second = [
        m for n, m in model.module.named_modules() if n.endswith(name) and "attention" not in n
    ]

    traces = model.trace_batch(["the cat sat", "a dog"])
    handles = [
        m.register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten(0, -2)))
        for m in second
    ]
    activations = [[trace.ff(trace.sites[0], layer=i) for i in range(2)] for trace in traces]
    for handle in handles:
        handle.remove()
    n_positions = [len(trace.tokens) for trace in traces]
    longest = max(n_positions)
    for item, layers in enumerate(activations):
        for layer, found in enumerate(layers):
            rows = slice(item * longest, item * longest + n_positions[item])
            assert torch.equal(found, seen[layer][rows])
