"""What looking at every step of decoding costs: `python -m benchmarks.decoding`.

``generate`` runs on the same weights, loaded as Transformers loads them: plain SDPA, no hooks. All
three write the same tokens, and as many. One torch thread, as in the app; on a quiet machine.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import copy
import sys
from typing import Any

import torch

import transformer_core as tc
from benchmarks.capture import alternate
from benchmarks.report import Figure, machine, publish
from transformer_core.tracing.stepping import Constraints

TEXT = "The Transformer model has revolutionized natural language processing. It"
N_WRITTEN = 48


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="pairs of runs for each ratio")
    args = parser.parse_args()
    where = machine() | {"torch_threads": 1}
    torch.set_num_threads(1)
    model: Any = tc.load("smollm2")
    twin = twin_of(model)
    assert written(model) == written(model, is_recording=False) == generated(model, twin)
    what = f"smollm2, {N_WRITTEN} tokens, time"
    figures = [
        Figure.of(
            f"steps recorded ÷ not recorded, {what}",
            alternate(
                lambda: written(model), lambda: written(model, is_recording=False), args.runs
            ),
            bar=1 / 0.9,
        ),
        Figure.of(
            f"steps recorded ÷ generate with cache, {what}",
            alternate(lambda: written(model), lambda: generated(model, twin), args.runs),
            bar=1.0,
        ),
    ]
    return publish("decoding", figures, where)


def twin_of(model: Any) -> Any:
    """The same weights as Transformers uses them by itself."""
    module = model.module
    config = copy.deepcopy(module.config)
    twin = type(module)._from_config(config, attn_implementation="sdpa").eval()
    twin.load_state_dict(module.state_dict())
    twin.generation_config = module.generation_config
    return twin


def written(model: Any, *, is_recording: bool = True) -> list[int]:
    """The tokens that our decoding writes, never ending by itself; steps are kept until then."""
    strategy = tc.Greedy(max_new_tokens=N_WRITTEN)
    free = Constraints()
    steps = list(model.decode(TEXT, strategy, constraints=free, is_recording=is_recording))
    return [step.token_id for step in steps]


def generated(model: Any, twin: Any) -> list[int]:
    """The tokens that ``generate`` writes."""
    ids = torch.tensor([model.tokenizer.encode(TEXT).ids])
    n = {"max_new_tokens": N_WRITTEN, "min_new_tokens": N_WRITTEN}
    output = twin.generate(ids, do_sample=False, num_beams=1, eos_token_id=None, **n)
    tokens: list[int] = output[0, ids.shape[1] :].tolist()
    return tokens


if __name__ == "__main__":
    sys.exit(main())
