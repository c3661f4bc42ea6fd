"""Bytes by blocks of memory: what is shared is seen to be shared, and models do not count."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.support.tiny_models import make_tiny
from transformer_core.models.loading import load
from transformer_core.weighing import weigh, weigh_module


@dataclass
class Holder:
    """What pages keep: tensors in containers, and the model that made them."""

    one: torch.Tensor
    many: dict[str, Any]
    model: nn.Module


def tensors(blocks: dict[Any, int]) -> int:
    return sum(size for block, size in blocks.items() if block[0] in ("storage", "array"))


def test_a_view_counts_as_the_storage_that_it_keeps_alive_and_once() -> None:
    large = torch.zeros(1000)
    assert tensors(weigh((large[:10], large[10:20]))) == 4000
    array = np.zeros(1000)
    assert tensors(weigh([array[:10], array])) == 8000


def test_containers_are_looked_into_and_models_are_not() -> None:
    held = Holder(torch.zeros(10), {"a": [torch.zeros(5)], "b": "text"}, nn.Linear(100, 100))
    circle: list[Any] = [held]
    circle.append(circle)
    assert tensors(weigh(circle)) == 60


def test_tied_weights_count_once() -> None:
    first, second = nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False)
    second.weight = first.weight
    assert sum(weigh_module(nn.ModuleList([first, second])).values()) == 400


def test_a_trace_weighs_what_it_keeps_and_grows_with_its_details(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path)))
    trace = model.trace("The cat sat on the mat.")
    assert tensors(weigh(trace)) == trace.nbytes
    before = weigh(trace)
    assert not trace.is_detailed
    details = trace.details
    assert trace.is_detailed
    after = weigh(trace)
    assert set(before) <= set(after)
    added = [t for site in details.ff for t in (*details.ff[site], *details.resid[site])]
    assert tensors(after) - tensors(before) >= sum(t.nbytes for t in added)
    weights = weigh_module(model.module)
    assert not {block for block in after if block in weights}
