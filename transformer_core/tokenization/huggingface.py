"""Hugging Face tokenizers behind the project's protocol."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from transformer_core.errors import EmptyInputError, InputError, TextTooLongError
from transformer_core.tokenization.alignment import align, trim, with_marks, word_ids
from transformer_core.tokenization.checks import check_text
from transformer_core.tokenization.pieces import Marks, piece_bytes, show_piece
from transformer_core.tokenization.tokens import Span, Tokens

_MAX_ID = 2**31 - 1  # what every tokenizer library can be asked for


@dataclass(frozen=True)
class _Encoded:
    """What a tokenizer says of a text, before it is made readable."""

    ids: list[int]
    is_special: list[bool]
    spans: list[Span | None]


class HuggingFaceTokenizer:
    """A Transformers tokenizer whose tokens read as people read them.

    Fast tokenizers say where each token stands. For those written in Python alone (Marian, M2M-100)
    the pieces are looked for in the text one after the other, as :func:`alignment.align` tells.
    Nothing is truncated or padded. Safe to use from several threads.

    Args:
        tokenizer: The tokenizer; it is this object's own from now on.
        n_ctx: Tokens that its model reads at most; None where nothing limits it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, n_ctx: int | None = None) -> None:
        self.n_ctx = n_ctx
        self.marks = find_marks(tokenizer)
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # for the tokenizers in Python, which keep state
        self._for_targets = _target_side(tokenizer)
        for side in {id(t): t for t in (tokenizer, self._for_targets)}.values():
            if side.is_fast:
                _backend(side).no_truncation()
                _backend(side).no_padding()
        unknown = tokenizer.unk_token_id
        self._special_ids = {index for index in tokenizer.all_special_ids if index != unknown}
        self._special_ids |= set(getattr(tokenizer, "lang_code_to_id", {}).values())

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary, added tokens included."""
        return len(self._tokenizer)

    @property
    def hf(self) -> PreTrainedTokenizerBase:
        """The tokenizer inside, for what this class does not offer."""
        return self._tokenizer

    def encode(self, text: str) -> Tokens:
        """Encode a text, with the model's special tokens.

        Raises:
            EmptyInputError: If there is nothing but white space, or nothing the tokenizer knows.
            TextTooLongError: If the text has more than ``n_ctx`` tokens; nothing is cut.
            InputError: If the text holds half of a surrogate pair.
        """
        return self._encode(text, self._tokenizer)

    def encode_target(self, text: str) -> Tokens:
        """Encode a text of the target side: its own sentencepiece model or language code.

        Where a model has one vocabulary and one way for both sides, this is :meth:`encode`.

        Raises:
            EmptyInputError: As :meth:`encode`.
            TextTooLongError: As :meth:`encode`.
            InputError: As :meth:`encode`.
        """
        return self._encode(text, self._for_targets)

    def from_ids(self, ids: Sequence[int]) -> Tokens:
        """Return the tokens of ids that a model wrote or a decoder reads, with their text.

        Raises:
            InputError: If an id is none of the vocabulary's.
        """
        pieces = [self._piece(int(index)) for index in ids]
        is_special = [int(index) in self._special_ids for index in ids]
        text = self.decode(ids)
        raw = [
            None if special else piece_bytes(piece, self.marks)
            for piece, special in zip(pieces, is_special, strict=True)
        ]
        # The text is made of these very pieces: nothing of it was normalised on the way.
        spans = align(text, raw, Marks.BYTE_LEVEL)
        return self._readable(text, _Encoded([int(index) for index in ids], is_special, spans))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids, special tokens left out."""
        kept = [int(index) for index in ids if int(index) not in self._special_ids]
        with self._lock:
            text = self._tokenizer.decode(
                kept, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return str(text)

    def show(self, index: int) -> str:
        """Return what one entry of the vocabulary shows.

        Raises:
            InputError: If the id is none of the vocabulary's.
        """
        piece = self._piece(index)
        return piece if index in self._special_ids else show_piece(piece, self.marks)

    def _piece(self, index: int) -> str:
        if not 0 <= index <= _MAX_ID:
            raise InputError(f"Token ids run from 0 to {_MAX_ID:,}: {index} is none.")
        # A model may have more rows than its tokenizer has tokens: such an id has no piece.
        try:
            piece = self._tokenizer.convert_ids_to_tokens(index)
        except IndexError:  # Marian's looks in its sentencepiece model, too
            piece = None
        return piece if isinstance(piece, str) else f"<{index}>"

    def _encode(self, text: str, tokenizer: PreTrainedTokenizerBase) -> Tokens:
        check_text(text)
        encoded = self._encode_fast(text, tokenizer) if tokenizer.is_fast else None
        if encoded is None:
            with self._lock:
                encoded = self._encode_slow(text, tokenizer)
        if all(encoded.is_special):
            raise EmptyInputError(
                "This text holds nothing that the model's tokenizer can read: type some words."
            )
        return self._readable(text, encoded)

    def _encode_fast(self, text: str, tokenizer: PreTrainedTokenizerBase) -> _Encoded:
        # Not through the wrapper: it sets truncation on an object that other threads are using.
        encoding = _backend(tokenizer).encode(text)
        self._check_length(len(encoding))
        is_special = [bool(flag) for flag in encoding.special_tokens_mask]
        spans: list[Span | None] = [
            None if special or start == end else (start, end)
            for (start, end), special in zip(encoding.offsets, is_special, strict=True)
        ]
        return _Encoded(list(encoding.ids), is_special, with_marks(text, spans))

    def _encode_slow(self, text: str, tokenizer: PreTrainedTokenizerBase) -> _Encoded:
        pieces: list[str] = tokenizer.tokenize(text)
        inner = [int(tokenizer.convert_tokens_to_ids(piece)) for piece in pieces]  # type: ignore[arg-type]
        ids = tokenizer.build_inputs_with_special_tokens(inner)
        self._check_length(len(ids))
        n_before = _find(ids, inner)
        spans = align(text, [piece_bytes(piece, self.marks) for piece in pieces], self.marks)
        n_after = len(ids) - n_before - len(inner)
        return _Encoded(
            ids=ids,
            is_special=[True] * n_before + [False] * len(inner) + [True] * n_after,
            spans=[*[None] * n_before, *spans, *[None] * n_after],
        )

    def _check_length(self, n_tokens: int) -> None:
        if self.n_ctx is not None and n_tokens > self.n_ctx:
            raise TextTooLongError(n_tokens, self.n_ctx)

    def _readable(self, text: str, encoded: _Encoded) -> Tokens:
        spans = tuple(None if span is None else trim(text, span) for span in encoded.spans)
        return Tokens(
            text=text,
            ids=tuple(encoded.ids),
            display=tuple(
                self._piece(index) if special else self.show(index)
                for index, special in zip(encoded.ids, encoded.is_special, strict=True)
            ),
            is_special=tuple(encoded.is_special),
            spans=spans,
            word_ids=word_ids(text, spans, encoded.is_special),
        )


def find_marks(tokenizer: PreTrainedTokenizerBase) -> Marks:
    """Tell how a tokenizer's vocabulary writes spaces and joints."""
    if not tokenizer.is_fast:
        return (
            Marks.WORD_PIECE if hasattr(tokenizer, "wordpiece_tokenizer") else Marks.SENTENCE_PIECE
        )
    backend = _backend(tokenizer)
    if type(backend.model).__name__ == "WordPiece":
        return Marks.WORD_PIECE
    parts = (backend.decoder, backend.pre_tokenizer)
    if any(part is not None and b'"ByteLevel"' in part.__getstate__() for part in parts):
        return Marks.BYTE_LEVEL
    return Marks.SENTENCE_PIECE


def _backend(tokenizer: PreTrainedTokenizerBase) -> Any:
    """The Rust tokenizer inside a fast one."""
    return tokenizer.backend_tokenizer


def _target_side(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer for the target's texts: the same one, unless the class knows two sides."""
    if not hasattr(tokenizer, "_switch_to_target_mode"):
        return tokenizer
    with warnings.catch_warnings():
        # Marian would like its punctuation normalised by a package that it can do without.
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        target = copy.deepcopy(tokenizer)
    target._switch_to_target_mode()
    return target


def _find(ids: Sequence[int], inner: Sequence[int]) -> int:
    """How many special tokens stand before the text's own."""
    for start in range(len(ids) - len(inner) + 1):
        if list(ids[start : start + len(inner)]) == list(inner):
            return start
    raise InputError("This tokenizer changes tokens when it adds the special ones.")
