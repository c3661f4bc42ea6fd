"""Our own tokenizer: one byte-level BPE for both languages, on the ``tokenizers`` library alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from transformer_core.errors import FileFormatError, InputError, TextTooLongError
from transformer_core.tokenization.alignment import align, trim, with_marks, word_ids
from transformer_core.tokenization.checks import check_text
from transformer_core.tokenization.pieces import Marks, piece_bytes, show_piece
from transformer_core.tokenization.tokens import Span, Tokens

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
SPECIALS = (PAD, BOS, EOS)
"""The special tokens; their ids are 0, 1 and 2."""

_WORDS = (
    r" ?(?i:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)['’](?=\p{L})"  # l'homme: l' + homme
    r"|['’](?i:s|t|re|ve|m|ll|d|hui)(?!\p{L})"  # don't: don + 't
    r"| ?[\p{L}\p{M}]+"
    r"| ?\p{N}"  # digits one by one, so that any number can be copied
    r"| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)


class BpeTokenizer:
    """A joint byte-level BPE whose tokens read as people read them.

    Every byte has a token, so no UTF-8 text holds anything unknown, and decoding what was encoded
    gives the text back, letter by letter, up to Unicode's canonical composition (NFC). A text is
    read as if a space stood in front, so that a word is the same token wherever it stands.

    Sources are encoded as ``text </s>``. A decoder reads ``<s> text`` and is taught ``text </s>``.

    Args:
        backend: A tokenizer as :func:`train_bpe` makes it; it is this object's own from now on.
        n_ctx: Tokens that its model reads at most; None where nothing limits it.
    """

    marks = Marks.BYTE_LEVEL

    def __init__(self, backend: Tokenizer, *, n_ctx: int | None = None) -> None:
        self.n_ctx = n_ctx
        self._backend = backend
        ids = {token: backend.token_to_id(token) for token in SPECIALS}
        if missing := [token for token, index in ids.items() if index is None]:
            raise FileFormatError(f"This tokenizer lacks the tokens {', '.join(missing)}.")
        self.pad_id, self.bos_id, self.eos_id = (int(ids[token] or 0) for token in SPECIALS)
        self._special_ids = frozenset((self.pad_id, self.bos_id, self.eos_id))

    @classmethod
    def load(cls, path: Path, *, n_ctx: int | None = None) -> BpeTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            FileFormatError: If the file cannot be read or is no tokenizer of this kind.
        """
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")), n_ctx=n_ctx)
        except FileFormatError:
            raise
        except Exception as error:  # the library raises plain Exception for what it cannot parse
            raise FileFormatError(f"{path} is no tokenizer that can be read: {error}") from error

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``, which :meth:`load` and Transformers read."""
        content = json.loads(self._backend.to_str())
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary, special tokens included."""
        return int(self._backend.get_vocab_size())

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens."""
        return self._special_ids

    def encode(self, text: str) -> Tokens:
        """Encode a text, with ``</s>`` behind it.

        Raises:
            EmptyInputError: If there is nothing but white space.
            TextTooLongError: If the text has more than ``n_ctx`` tokens; nothing is cut.
            InputError: If the text holds half of a surrogate pair.
        """
        check_text(text)
        encoding = self._backend.encode(text, add_special_tokens=False)
        ids = [*encoding.ids, self.eos_id]
        if self.n_ctx is not None and len(ids) > self.n_ctx:
            raise TextTooLongError(len(ids), self.n_ctx)
        spans: list[Span | None] = [
            None if start == end else trim(text, (start, end)) for start, end in encoding.offsets
        ]
        return self._readable(text, ids, [*with_marks(text, spans), None])

    def encode_target(self, text: str) -> Tokens:
        """Encode a text of the target side; both sides share one vocabulary and one way.

        Raises:
            EmptyInputError: As :meth:`encode`.
            TextTooLongError: As :meth:`encode`.
            InputError: As :meth:`encode`.
        """
        return self.encode(text)

    def encode_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode many texts in one go, without special tokens and without records; for training.

        Raises:
            EmptyInputError: As :meth:`encode`.
            InputError: If a text holds half of a surrogate pair.
        """
        for text in texts:
            check_text(text)
        encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [list(encoding.ids) for encoding in encodings]

    def from_ids(self, ids: Sequence[int]) -> Tokens:
        """Return the tokens of ids that a model wrote or a decoder reads, with their text.

        Raises:
            InputError: If an id is none of the vocabulary's.
        """
        wanted = [int(index) for index in ids]
        pieces = [self._piece(index) for index in wanted]
        text = self.decode(wanted)
        raw = [
            None if index in self._special_ids else piece_bytes(piece, self.marks)
            for index, piece in zip(wanted, pieces, strict=True)
        ]
        spans = [
            None if span is None else trim(text, span) for span in align(text, raw, self.marks)
        ]
        return self._readable(text, wanted, spans)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids, special tokens left out."""
        kept = [int(index) for index in ids if int(index) not in self._special_ids]
        return str(self._backend.decode(kept, skip_special_tokens=False))

    def show(self, index: int) -> str:
        """Return what one entry of the vocabulary shows.

        Raises:
            InputError: If the id is none of the vocabulary's.
        """
        piece = self._piece(index)
        return piece if index in self._special_ids else show_piece(piece, self.marks)

    def _piece(self, index: int) -> str:
        piece = self._backend.id_to_token(index) if 0 <= index < 2**32 else None
        if piece is None:
            raise InputError(f"Token ids run from 0 to {self.vocab_size - 1}: {index} is none.")
        return str(piece)

    def _readable(self, text: str, ids: list[int], spans: Sequence[Span | None]) -> Tokens:
        is_special = [index in self._special_ids for index in ids]
        return Tokens(
            text=text,
            ids=tuple(ids),
            display=tuple(self.show(index) for index in ids),
            is_special=tuple(is_special),
            spans=tuple(spans),
            word_ids=word_ids(text, spans, is_special),
        )


def train_bpe(texts: Iterable[str], *, vocab_size: int) -> BpeTokenizer:
    """Learn a vocabulary from texts of both languages (Sennrich et al. 2016; bytes: GPT-2, 2019).

    Args:
        texts: Sentences; give a sentence twice to let it count twice.
        vocab_size: Entries, the 3 special tokens and the 256 bytes included.

    Raises:
        InputError: If there is no room for the bytes.
    """
    least = len(SPECIALS) + 256
    if vocab_size < least:
        raise InputError(f"A vocabulary of bytes has at least {least} entries, not {vocab_size}.")
    backend = Tokenizer(models.BPE())
    # Exactly one space is put in front and, in decoding, taken away: nothing is lost.
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Prepend(" ")])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=24,
    )
    backend.train_from_iterator(texts, trainer)
    return BpeTokenizer(backend)
