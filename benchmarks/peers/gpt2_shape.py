"""A model of GPT-2's shape with random weights, saved once as all tools read it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

FOLDER = Path(__file__).resolve().parents[2] / "build" / "gpt2-shape"
END = "<|endoftext|>"


def folder() -> Path:
    """Where it lies; it is made first if need be."""
    if not (FOLDER / "tokenizer.json").is_file():
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config())
        model.save_pretrained(FOLDER)
        _tokenizer(model.config.vocab_size).save_pretrained(FOLDER)
    return FOLDER


def text_of(n_tokens: int) -> str:
    """A text of so many tokens: in this model every word is one."""
    draw = random.Random(n_tokens)
    return " ".join(f"w{draw.randrange(50_000)}" for _ in range(n_tokens))


def ids_of(n_tokens: int) -> Any:
    """The same as token ids [1 pos]."""
    return torch.tensor([[int(word[1:]) for word in text_of(n_tokens).split()]])


def _tokenizer(vocab_size: int) -> Any:
    vocabulary = {f"w{index}": index for index in range(vocab_size - 1)} | {END: vocab_size - 1}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=END))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        eos_token=END,
        bos_token=END,
        unk_token=END,
        model_max_length=1024,
    )
