"""Time and memory until every tensor of one text is there, side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers

import transformer_core as tc
from benchmarks.capture import kept_by
from benchmarks.peers import gpt2_shape
from benchmarks.peers.rounds import Action, Rounds, beside, mebibytes, peer
from benchmarks.report import Figure
from transformer_core.models.packages import MINILM

LENGTHS = (16, 128, 512)
TIME_BARS = {16: 1.4, 512: 1.15}
MEMORY_BAR, MINILM_BAR = 8, 1.4
OURS = "transformer_core"
Run = Callable[[int], object]
HOLDS = {
    OURS: "q, k and the residual stream of every layer; patterns are drawn from them when looked "
    "at; of up to 64 tokens v and z, too; no logits (they come when asked for)",
    f"{OURS}, patterns": "the same, and all patterns drawn",
    f"{OURS}, logits": "the same as the first, and the logits of all positions",
    "TransformerLens": "the full cache of run_with_cache: all of q, k, v, z, scores, patterns, "
    "streams, norms and activations; it computes the logits of all positions, too, and cannot "
    "leave them out",
    "nnsight": "fused q·k·v projections, patterns (eager attention), hidden states; no logits",
    "Hugging Face eager": "patterns and hidden states; no q, no k; no logits",
}


def contenders() -> dict[str, Run]:
    """Who runs, by name; each takes the number of tokens."""
    folder = gpt2_shape.folder()
    model: Any = tc.load(folder)
    trace = partial(model.trace, keep_resid=True, keep_logits=False)
    found: dict[str, Run] = {
        OURS: lambda n: trace(gpt2_shape.text_of(n)),
        f"{OURS}, patterns": lambda n: _drawn(trace(gpt2_shape.text_of(n))),
        f"{OURS}, logits": lambda n: model.trace(gpt2_shape.text_of(n), keep_resid=True),
    }
    eager = _twin(transformers.GPT2Model, folder)
    options = {"output_attentions": True, "output_hidden_states": True, "use_cache": False}
    found["Hugging Face eager"] = lambda n: eager(gpt2_shape.ids_of(n), **options)
    if peer("transformer_lens") is not None:
        bridge = _bridge(folder)
        found["TransformerLens"] = lambda n: bridge.run_with_cache(gpt2_shape.ids_of(n))[1]
    if peer("nnsight") is not None:
        watched = peer("nnsight").NNsight(_twin(transformers.GPT2Model, folder))
        found["nnsight"] = lambda n: _saved(watched, gpt2_shape.ids_of(n))
    return found


@torch.no_grad()
def measured(rounds: Rounds, lengths: tuple[int, ...] = LENGTHS) -> list[Figure]:
    """Everything of this module."""
    figures, runs = [], contenders()
    for n in lengths:
        # Logits of 512 positions are never kept by ours: they would be a comparison of nothing.
        names = [name for name in runs if n <= 128 or not name.endswith("logits")]
        actions: dict[str, Action] = {name: partial(runs[name], n) for name in names}
        times = rounds.run(actions)
        for name in names[1:]:
            bar = TIME_BARS.get(n) if name == "TransformerLens" else None
            what = f"{name} ÷ {OURS}, GPT-2 shape, {n} tokens, time"
            figures.append(beside(what, times[name], times[OURS], bar=bar))
    figures += memory(runs, lengths[-1])
    return [*figures, minilm(rounds)]


def memory(runs: dict[str, Run], n: int) -> list[Figure]:
    """Bytes of tensors that each result keeps alive, shared memory counted once."""
    kept = {name: kept_by(partial(run, n))[0] for name, run in runs.items()}
    ours = kept[OURS]
    return [
        Figure(
            f"{name} ÷ {OURS}, GPT-2 shape, {n} tokens, memory kept "
            f"({mebibytes(size)} ÷ {mebibytes(ours)})",
            size / ours,
            MEMORY_BAR if name == "TransformerLens" else None,
            is_floor=True,
        )
        for name, size in kept.items()
        if name != OURS and not name.endswith("logits")
    ]


def minilm(rounds: Rounds) -> Figure:
    """Transformers' own way to attention on a model that comes with the app."""
    ours: Any = tc.load("minilm")
    eager = _twin(type(ours.module), MINILM.checked_folder())
    text = " ".join(["cat", "sat"] * 255)
    ids = torch.tensor([ours.tokenizer.encode(text).ids])
    assert ids.shape[1] == 512
    times = rounds.run(
        {"theirs": lambda: eager(ids, output_attentions=True), "ours": lambda: ours.trace(text)}
    )
    what = "Hugging Face eager with attentions ÷ ours (text to trace), minilm, 512 tokens, time"
    return beside(what, times["theirs"], times["ours"], bar=MINILM_BAR)


def _drawn(trace: Any) -> Any:
    site = trace.sites[0]
    return trace, [trace.pattern(site, layer=i) for i in range(trace.n_layers(site))]


def _twin(kind: Any, folder: Any) -> Any:
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


def _bridge(folder: Any) -> Any:
    from transformer_lens.model_bridge.sources._bridge_builder import (  # type: ignore[import-not-found, unused-ignore]
        build_bridge_from_module,
    )

    model = _twin(transformers.GPT2LMHeadModel, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kind = type(model).__name__
    return build_bridge_from_module(model, kind, hf_config=model.config, tokenizer=tokenizer)


def _saved(model: Any, ids: Any) -> Any:
    """Every layer's projections, pattern and hidden state, by nnsight."""
    kept = []
    with model.trace(ids, output_attentions=True, use_cache=False):
        for layer in model.h:
            kept.append(layer.attn.c_attn.output.save())
            kept.append(layer.attn.output[1].save())
            kept.append(layer.output.save())
    return kept
