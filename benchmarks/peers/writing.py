"""Writing text: our greedy search against `generate` and CTranslate2 on the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

import transformer_core as tc
from benchmarks.generation import N_WRITTEN, generated, sources, twins
from benchmarks.peers.rounds import Rounds, beside, peer
from benchmarks.report import Figure
from transformer_core.efficiency.quantization import quantized
from transformer_core.model.generation import generate_greedy

PAIRS = Path(__file__).resolve().parents[2] / "assets" / "evaluation" / "pairs.tsv"
N_SENTENCES, LIMIT = 32, 255
GOAL = 0.8
"""Tokens a second against those of CTranslate2 in float32, the better of ours."""

Rows = list[list[int]]
Write = Callable[[Rows], Rows]


def measured(rounds: Rounds) -> list[Figure]:
    """Everything of this module."""
    figures = []
    theirs, ours = twins()
    for n in (1, 16):
        src = sources(n)
        times = rounds.run(
            {
                "theirs": lambda s=src: generated(theirs, s, n_beams=1),
                "ours": lambda s=src: generate_greedy(ours, s, None, max_new_tokens=N_WRITTEN),
            }
        )
        what = f"MarianMTModel.generate ÷ our greedy, same weights, {n} × {N_WRITTEN} tokens, time"
        figures.append(beside(what, times["theirs"], times["ours"]))
    if peer("ctranslate2") is not None:
        figures += against_ctranslate2(rounds)
    return figures


def against_ctranslate2(rounds: Rounds) -> list[Figure]:
    """Tokens a second of each, one sentence at a time and sixteen at once."""
    model: Any = tc.load("en-fr-small")
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines if line.strip() and line[0] != "#"]
    ids = [list(model.tokenizer.encode(text).ids) for text in texts[:N_SENTENCES]]
    with tempfile.TemporaryDirectory() as name:
        writers = _writers(model, Path(name))
        written = {name: write(ids) for name, write in writers.items()}
        reference = written["CTranslate2 float32"]
        same = {
            name: sum(a == b for a, b in zip(rows, reference, strict=True))
            for name, rows in written.items()
        }
        assert same["ours float32"] == N_SENTENCES, same
        figures = []
        for batch, n in ((1, 8), (16, N_SENTENCES)):
            figures += _paces(rounds, writers, ids[:n], batch, same)
    return figures


def _paces(
    rounds: Rounds, writers: dict[str, Write], ids: Rows, batch: int, same: dict[str, int]
) -> list[Figure]:
    batches = [ids[at : at + batch] for at in range(0, len(ids), batch)]
    times = rounds.run(
        {name: lambda w=write: [w(rows) for rows in batches] for name, write in writers.items()}
    )
    n_tokens = sum(len(row) + 1 for row in writers["CTranslate2 float32"](ids))
    base = times["CTranslate2 float32"]
    best = min(("ours float32", "ours int8"), key=lambda name: median(times[name]))
    figures = []
    for name, taken in times.items():
        if name == "CTranslate2 float32":
            continue
        ratios = [one / other for one, other in zip(base, taken, strict=True)]
        pace, other = n_tokens / median(taken), n_tokens / median(base)
        what = (
            f"{name} ÷ CTranslate2 float32, en-fr-small, greedy, {batch} at once, tokens/s "
            f"({pace:,.0f} ÷ {other:,.0f}; {same[name]} of {N_SENTENCES} sentences the same)"
        )
        bar = GOAL if name == best else None
        figures.append(Figure.of(what, ratios, bar=bar, is_floor=True))
    return figures


def _writers(model: Any, folder: Path) -> dict[str, Write]:
    from benchmarks.peers.translator import convert

    convert(model.module, folder)
    translator = peer("ctranslate2").Translator
    small = quantized(model, "int8").model.module
    return {
        "ours float32": _ours(model.module),
        "ours int8": _ours(small),
        **{
            f"CTranslate2 {kind}": _theirs(
                translator(str(folder), compute_type=kind, intra_threads=1, inter_threads=1)
            )
            for kind in ("float32", "int8")
        },
    }


def _ours(module: Any) -> Write:
    def write(rows: Rows) -> Rows:
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        real = torch.tensor([[i < len(row) for i in range(longest)] for row in rows])
        mask = None if bool(real.all()) else real
        return [list(h.ids) for h in generate_greedy(module, ids, mask, max_new_tokens=LIMIT)]

    return write


def _theirs(translator: Any) -> Write:
    def write(rows: Rows) -> Rows:
        found = translator.translate_batch(
            [[str(index) for index in row] for row in rows],
            beam_size=1,
            max_decoding_length=LIMIT,
        )
        return [[int(token) for token in one.hypotheses[0]] for one in found]

    return write
