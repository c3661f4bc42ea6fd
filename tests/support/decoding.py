"""Decoding by Transformers' own ``generate``, to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache, GenerationConfig

from transformer_core.decoding.strategies import Beam, Sample, Strategy


@contextmanager
def settings(model: Any, **options: Any) -> Iterator[None]:
    """Give a model other generation settings for a while."""
    before = model.module.generation_config
    changed = GenerationConfig.from_dict({**before.to_dict(), **options})
    model.module.generation_config = changed
    try:
        yield
    finally:
        model.module.generation_config = before


def generated(model: Any, text: str, strategy: Strategy, **options: Any) -> Any:
    """What ``generate`` returns, for the same settings."""
    how: dict[str, Any] = {
        "num_beams": 1,
        "do_sample": False,
        "max_new_tokens": strategy.max_new_tokens,
        "repetition_penalty": float(strategy.repetition_penalty),
    }
    if isinstance(strategy, Beam):
        how |= {
            "num_beams": strategy.n_beams,
            "length_penalty": float(strategy.length_penalty),
            "early_stopping": strategy.early_stopping,
        }
    if isinstance(strategy, Sample):
        how |= {
            "do_sample": True,
            "temperature": float(strategy.temperature),
            "top_k": strategy.top_k or 0,
            "top_p": 1.0 if strategy.top_p is None else strategy.top_p,
            "min_p": strategy.min_p,
        }
    cache: Any = DynamicCache()
    if model.is_encoder_decoder:
        # Its own choice of a cache counts the encoder's layers for the decoder's (T5).
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    ids = torch.tensor([model.tokenizer.encode(text).ids])
    return model.module.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        cache=cache,
        return_dict_in_generate=True,
        output_scores=True,
        **how,
        **options,
    )


def new_ids(model: Any, text: str, output: Any) -> list[int]:
    """Only the tokens that were written."""
    n_prompt = 1 if model.is_encoder_decoder else len(model.tokenizer.encode(text).ids)
    ids: list[int] = output.sequences[0, n_prompt:].tolist()
    return ids
