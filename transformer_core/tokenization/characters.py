"""A vocabulary of characters: what a task of symbols is read with, one token for each."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from transformer_core.tokenization.bpe import SPECIALS, BpeTokenizer

MAX_CHARACTERS = 2_000
"""Characters beyond ASCII that get a token of their own, the most frequent ones."""
_N_BYTES = 256
_MAX_MERGES = 3  # those of a character of four bytes


def train_characters(texts: Iterable[str]) -> BpeTokenizer:
    """Learn a vocabulary in which every character of some texts is one token.

    It is a byte-level BPE whose merges stay within a character. So nothing is unknown to it: a
    character that the texts do not hold is read as its bytes. Nothing is put in front of a text.
    """
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(SPECIALS) + _N_BYTES + _MAX_MERGES * MAX_CHARACTERS,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # A character of ASCII is one byte, which has its token already.
    backend.train_from_iterator((text for text in texts if not text.isascii()), trainer)
    return BpeTokenizer(backend)
