"""A tiny random translator of our own, saved as a folder like the one that ships."""

from pathlib import Path

import torch

from transformer_core.config import Norm, TransformerConfig
from transformer_core.model import Transformer
from transformer_core.models.scratch import save_model
from transformer_core.tokenization.bpe import train_bpe

TEXTS = ["The cat sat on the mat. The dog ran.", "Le chat est assis sur le tapis. Le chien court."]


def make_translator(folder: Path, *, n_ctx: int = 48, norm: Norm = "pre") -> Path:
    """Save it; its translations are random but always the same."""
    tokenizer = train_bpe(TEXTS * 4, vocab_size=300)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        n_heads=4,
        d_ff=48,
        n_encoder_layers=2,
        n_decoder_layers=2,
        n_ctx=n_ctx,
        norm=norm,
    )
    model = Transformer(config, generator=torch.Generator().manual_seed(1))
    save_model(folder, model, tokenizer)
    return folder
