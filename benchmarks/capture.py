"""What capturing attention costs: `python -m benchmarks.capture`, on a quiet machine.

Every ratio comes from pairs of runs that alternate, in an order drawn anew for each pair, so that a
machine that slows down slows both. One torch thread, as in the app.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import gc
import random
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import transformer_core as tc
from benchmarks.report import Figure, machine, publish
from transformer_core.models.packages import MINILM
from transformer_core.tracing.capture import Capture, capturing

LENGTHS = (16, 128, 512)
Action = Callable[[], object]


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=31, help="pairs of runs for each ratio")
    args = parser.parse_args()
    where = machine() | {"torch_threads": 1}
    torch.set_num_threads(1)
    model: Any = tc.load("minilm")
    figures = [*speed(model, args.runs), memory(model), smollm2_memory()]
    return publish("capture", figures, where)


@torch.inference_mode()
def speed(model: Any, runs: int) -> list[Figure]:
    """Traced forward passes against plain ones, and a pattern against a forward pass."""
    folder = MINILM.checked_folder()
    sdpa, eager = (
        type(model.module).from_pretrained(folder, attn_implementation=name).eval()
        for name in ("sdpa", "eager")
    )
    figures = []
    for length in LENGTHS:
        ids = {"input_ids": torch.tensor([model.tokenizer.encode(text_of(length)).ids])}
        assert ids["input_ids"].shape[1] == length
        ratios = alternate(lambda i=ids: traced(model, i), lambda i=ids: sdpa(**i), runs)
        name = f"traced forward ÷ plain SDPA forward, minilm, {length} tokens"
        figures.append(Figure.of(name, ratios, bar=1.05))
        ratios = alternate(lambda n=length: model.trace(text_of(n)), lambda i=ids: sdpa(**i), runs)
        name = f"trace(text), tokens included ÷ plain SDPA forward, {length} tokens"
        figures.append(Figure.of(name, ratios))
    ratios = alternate(
        lambda: traced(model, ids), lambda: eager(**ids, output_attentions=True), runs
    )
    figures.append(
        Figure.of("traced forward ÷ eager with output_attentions, 512 tokens", ratios, bar=0.75)
    )
    trace = model.trace(text_of(512))
    shares = alternate(
        lambda: trace.pattern("encoder", layer=3, head=1), lambda: traced(model, ids), runs
    )
    percent = [100 * share for share in shares]
    figures.append(
        Figure.of("one head's pattern from a trace ÷ forward, 512 tokens", percent, bar=1, unit="%")
    )
    return figures


def traced(model: Any, inputs: dict[str, Any]) -> Capture:
    """One forward pass with the light capture."""
    with capturing(Capture(model.layout)) as capture:
        model.module(**inputs)
    return capture


def memory(model: Any) -> Figure:
    """What a trace keeps alive, against all of the maps that eager attention returns."""
    kept, trace = kept_by(lambda: model.trace(text_of(512)))
    heads = sum(model.n_heads(site) * model.n_layers(site) for site in model.sites)
    maps = heads * 512 * 512 * 4
    assert len(trace.tokens) == 512
    what = f"memory kept by the trace ÷ all eager maps ({mib(kept)} of {mib(maps)}), 512 tokens"
    return Figure(what, kept / maps, 1 / 7)


def smollm2_memory() -> Figure:
    """What a long trace keeps alive."""
    model: Any = tc.load("smollm2")
    text = " cat" * 2048
    kept, trace = kept_by(lambda: model.trace(text))
    assert len(trace.tokens) == 2048
    return Figure("memory kept by the trace, smollm2, 2,048 tokens", kept / 1e6, 200, "MB")


def text_of(length: int) -> str:
    """A text of so many tokens, special ones included."""
    return " ".join(["cat", "sat"] * (length // 2 - 1))


def alternate(one: Action, other: Action, runs: int) -> list[float]:
    """Ratios of the times of two actions, run in turn."""
    order = random.Random(0)
    ratios = []
    for action in (one, other, one, other):
        action()
    for _ in range(runs):
        times = {}
        pair = [("one", one), ("other", other)]
        order.shuffle(pair)
        for name, action in pair:
            start = time.perf_counter()
            result = action()
            times[name] = time.perf_counter() - start
            del result
        ratios.append(times["one"] / times["other"])
    return ratios


def kept_by(make: Callable[[], Any]) -> tuple[int, Any]:
    """Bytes of tensors that are alive because of what ``make`` returns, and that."""
    before = live_storages()
    made = make()
    after = live_storages()
    return sum(size for place, size in after.items() if place not in before), made


def live_storages() -> dict[int, int]:
    """Address and size of every tensor's memory in this process."""
    gc.collect()
    storages = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # looking at an object may wake a deprecated attribute
        for thing in gc.get_objects():
            if isinstance(thing, torch.Tensor):
                storage = thing.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return storages


def mib(n_bytes: int) -> str:
    """A size as people read it."""
    return f"{n_bytes / 2**20:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main())
