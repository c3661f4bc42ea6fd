"""What a Hugging Face model's own settings (``generation_config``) ask of the texts it writes."""

from __future__ import annotations

from typing import Any

from transformer_core.errors import InputError
from transformer_core.tracing.stepping import Constraints

ROOM_WITHOUT_LIMIT = 1024
"""Tokens written at most where neither the model nor its settings set a limit."""

_NOT_DONE = {
    "sequence_bias": None,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "exponential_decay_length_penalty": None,
    "guidance_scale": 1.0,
}
"""Settings that change a model's texts and are not applied here, with what switches them off."""


def constraints_of(settings: Any, n_prompt: int) -> Constraints:
    """What a model's generation settings ask of its texts, as ``generate`` understands them.

    Args:
        settings: The model's ``generation_config``. How tokens are chosen (beams, temperature,
            penalties) is the strategy's to say, not theirs.
        n_prompt: Tokens that the decoder reads first; lengths in the settings count them in.
    """
    end_ids = frozenset(_ids(settings.eos_token_id))
    alone = [[index] for index in end_ids]  # Transformers does not count these as bad words
    n_least = max(settings.min_new_tokens or 0, (settings.min_length or 0) - n_prompt)
    n_most = settings.max_new_tokens
    if n_most is None and settings.max_length is not None and settings.max_length > n_prompt:
        n_most = settings.max_length - n_prompt
    return Constraints(
        end_ids=end_ids,
        banned=(
            *(tuple(run) for run in settings.bad_words_ids or () if run not in alone),
            *((index,) for index in settings.suppress_tokens or ()),
        ),
        banned_first=frozenset(settings.begin_suppress_tokens or ()),
        forced_first=settings.forced_bos_token_id,
        forced_last=_ids(settings.forced_eos_token_id),
        min_new_tokens=n_least,
        max_new_tokens=n_most,
        no_repeat_ngram=settings.no_repeat_ngram_size or 0,
    )


def _ids(value: int | list[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def start_id(module: Any) -> int:
    """What the decoder of an encoder–decoder reads first."""
    settings, config = module.generation_config, module.config
    candidates = (
        settings.decoder_start_token_id,
        config.decoder_start_token_id,
        settings.bos_token_id,
    )
    start = next((int(i) for i in candidates if i is not None), None)
    if start is None:
        raise InputError(
            "The model does not say which token its decoder reads first (decoder_start_token_id), "
            "so it cannot write."
        )
    return start


def notes_of(settings: Any) -> tuple[str, ...]:
    """What the settings ask for that is not done here, in words."""
    return tuple(
        f"The model's settings ask for {name} = {getattr(settings, name)!r}; that is not done here."
        for name, off in _NOT_DONE.items()
        if getattr(settings, name, None) not in (None, off)
    )


def room_for(n_ctx: int | None, n_prompt: int) -> int:
    """How many tokens can be written after a prompt.

    Raises:
        InputError: If the prompt fills the model.
    """
    if n_ctx is None:
        return ROOM_WITHOUT_LIMIT
    if n_prompt >= n_ctx:
        raise InputError(
            f"The text fills all {n_ctx:,} positions of the model, which leaves no room to write. "
            "Shorten it."
        )
    return n_ctx - n_prompt
