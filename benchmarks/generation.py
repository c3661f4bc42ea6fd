"""How fast our model writes: `python -m benchmarks.generation`, on a quiet machine.

The twin is a Marian model of the same shape with the same weights, written to by Transformers'
``generate``. Both write the same tokens, and as many. One torch thread, as in the app.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import sys
from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel

from benchmarks.capture import alternate
from benchmarks.report import Figure, machine, publish
from transformer_core.model import Transformer
from transformer_core.model.beam import BeamSettings, generate_beam
from transformer_core.model.convert import from_marian
from transformer_core.model.generation import generate_greedy, lay_out_for_decoding

N_SOURCE, N_WRITTEN, EOS = 16, 20, 2
BATCHES = (1, 4, 16, 64)


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=31, help="pairs of runs for each ratio")
    args = parser.parse_args()
    where = machine() | {"torch_threads": 1}
    torch.set_num_threads(1)
    theirs, ours = twins()
    figures = []
    for n in BATCHES:
        src = sources(n)
        assert generated(theirs, src, n_beams=1) == [
            list(h.ids) for h in generate_greedy(ours, src, None, max_new_tokens=N_WRITTEN)
        ]
        ratios = alternate(
            lambda s=src: generate_greedy(ours, s, None, max_new_tokens=N_WRITTEN),
            lambda s=src: generated(theirs, s, n_beams=1),
            args.runs,
        )
        name = f"our greedy ÷ MarianMTModel.generate, time, {n} × {N_WRITTEN} tokens"
        figures.append(Figure.of(name, ratios, bar=1 / 1.5 if n == 1 else None))
    src, settings = sources(1), BeamSettings(4, max_new_tokens=N_WRITTEN)
    ratios = alternate(
        lambda: generate_beam(ours, src, None, settings),
        lambda: generated(theirs, src, n_beams=4),
        args.runs,
    )
    figures.append(Figure.of("our 4 beams ÷ MarianMTModel.generate, time, 1 × 20 tokens", ratios))
    return publish("generation", figures, where)


def twins() -> tuple[Any, Transformer]:
    """Two models of the built-in translator's shape that never end by themselves."""
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=8192,
        d_model=256,
        encoder_layers=4,
        decoder_layers=3,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=1024,
        decoder_ffn_dim=1024,
        max_position_embeddings=256,
        activation_function="relu",
        scale_embedding=True,
        pad_token_id=0,
        decoder_start_token_id=0,
        eos_token_id=EOS,
        forced_eos_token_id=None,
    )
    theirs: Any = MarianMTModel(config).eval()
    theirs.final_logits_bias[0, EOS] = -1e4
    theirs.generation_config.bad_words_ids = [[config.pad_token_id]]
    ours = from_marian(config.to_dict(), theirs.state_dict())
    lay_out_for_decoding(ours)
    return theirs, ours


def sources(n: int) -> torch.Tensor:
    """So many sources of one length."""
    return torch.randint(3, 8192, (n, N_SOURCE), generator=torch.Generator().manual_seed(n))


def generated(model: Any, src: torch.Tensor, *, n_beams: int) -> list[list[int]]:
    """What Transformers writes, without the start token."""
    rows = model.generate(
        input_ids=src, num_beams=n_beams, do_sample=False, max_new_tokens=N_WRITTEN
    )
    written: list[list[int]] = rows[:, 1:].tolist()
    return written


if __name__ == "__main__":
    sys.exit(main())
