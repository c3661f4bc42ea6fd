"""Tiny tokenizers of every kind, made on the spot and the same each time.

Vocabularies whose trainers break ties by chance (WordPiece, Unigram) are written down instead.
"""

import json
import re
import string
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import sentencepiece
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    M2M100Tokenizer,
    MarianTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

CORPUS = (
    "The cat sat on the mat. The animal didn't cross the street because it was too tired.",
    "A quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "Attention is all you need: every query reads from the keys that it may see.",
    "Le chat est assis sur le tapis. L'animal n'a pas traversé la rue, il était fatigué.",
    "One two three four five six seven eight nine ten; unbelievable tokenization!",
)
LIMIT = 128


def word_piece() -> PreTrainedTokenizerBase:
    """A lower-casing WordPiece tokenizer, as BERT's."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [word.lower() for word in _words()]
    letters = sorted(set("".join(words)) | set(string.ascii_lowercase + string.punctuation))
    pieces = [f"##{part}" for part in [*letters, "ing", "ed", "ation", "at", "en"]]
    vocabulary = _numbered([*special, *letters, *pieces, *words])
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    _surround(tokenizer, "[CLS]", "[SEP]")
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True))
    return _wrap(tokenizer, **{f"{name}_token": token for name, token in names.items()})


def byte_level(
    *, start: str | None = None, end: str | None = None, pad: str = "<pad>"
) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer, as GPT-2's; ``start`` and ``end`` stand around a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", pad, "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    _surround(tokenizer, start, end)
    return _wrap(tokenizer, bos_token="<s>", eos_token="</s>", pad_token=pad, mask_token="<mask>")


def byte_fallback(*, start: str | None = "<s>") -> PreTrainedTokenizerBase:
    """A BPE tokenizer with ▁ marks that falls back to bytes such as ``<0xE2>``, as Llama 2's."""
    base = Tokenizer(models.BPE(unk_token="<unk>"))
    base.normalizer = _llama_marks()
    base.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=150, special_tokens=special, show_progress=False, max_token_length=8
    )
    base.train_from_iterator(CORPUS, trainer)
    trained = json.loads(base.to_str())["model"]
    in_order = sorted(trained["vocab"], key=trained["vocab"].__getitem__)
    in_order += [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [(left, right) for left, right in trained["merges"]]
    vocabulary = _numbered(in_order)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = _llama_marks()
    tokenizer.add_special_tokens(special)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    _surround(tokenizer, start, None)
    return _wrap(tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def unigram() -> PreTrainedTokenizerBase:
    """A Unigram tokenizer with ▁ marks and NFKC, as T5's and Pegasus'."""
    words = _words()
    letters = sorted(set("".join(words)) | set(string.ascii_letters + string.punctuation))
    pieces = ["▁", *letters, "at", "ed", "ing", "en", *(f"▁{word}" for word in words)]
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    scored += [(piece, -9.0 + min(len(piece), 5)) for piece in _numbered(pieces)]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    _surround(tokenizer, None, "</s>")
    return _wrap(tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def marian(folder: Path) -> PreTrainedTokenizerBase:
    """A Marian tokenizer: sentencepiece models of source and target, one vocabulary."""
    source = _sentence_piece(CORPUS[:3] + CORPUS[4:], folder / "source.spm", size=100)
    target = _sentence_piece(CORPUS[3:4] * 3, folder / "target.spm", size=40)
    tokens = _numbered(["</s>", "<unk>", *source, *target, "<pad>"])
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps(tokens))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        return _marian(folder, vocabulary)


def _marian(folder: Path, vocabulary: Path) -> PreTrainedTokenizerBase:
    return MarianTokenizer(
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        vocab=str(vocabulary),
        source_lang="en",
        target_lang="fr",
        model_max_length=LIMIT,
    )


def m2m_100(folder: Path) -> PreTrainedTokenizerBase:
    """An M2M-100 tokenizer: a text begins with the code of its language."""
    pieces = _sentence_piece(CORPUS, folder / "sentencepiece.bpe.model", size=120)
    tokens = _numbered(["<s>", "<pad>", "</s>", "<unk>", *pieces])
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps(tokens))
    return M2M100Tokenizer(
        vocab_file=str(vocabulary),
        spm_file=str(folder / "sentencepiece.bpe.model"),
        src_lang="en",
        tgt_lang="fr",
        model_max_length=LIMIT,
    )


def _words() -> list[str]:
    """Some words of the corpus; the others come in pieces."""
    every_second = sorted({word for text in CORPUS for word in re.findall(r"\w+", text)})[::2]
    return ["The", "cat", *every_second]


def _numbered(tokens: Iterable[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def _sentence_piece(texts: tuple[str, ...], path: Path, *, size: int) -> list[str]:
    """Train a sentencepiece model into a file; returns its pieces without the special ones."""
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts * 3),
            model_writer=file,
            vocab_size=size,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(index) for index in range(3, model.get_piece_size())]


def _llama_marks() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])


def _surround(tokenizer: Tokenizer, start: str | None, end: str | None) -> None:
    """Let special tokens stand before and after every text."""
    around = [token for token in (start, end) if token is not None]
    if not around:
        return
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*([start] if start else []), "$A", *([end] if end else [])],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in around],
    )


def _wrap(tokenizer: Tokenizer, **special: str | AddedToken) -> PreTrainedTokenizerBase:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LIMIT, **special)


TOKENIZERS: dict[str, Callable[[Path], PreTrainedTokenizerBase]] = {
    "word_piece": lambda folder: word_piece(),
    "byte_level": lambda folder: byte_level(),
    "byte_level_around": lambda folder: byte_level(start="<s>", end="</s>"),
    "byte_level_start": lambda folder: byte_level(start="</s>"),
    "byte_fallback": lambda folder: byte_fallback(),
    "unigram": lambda folder: unigram(),
    "marian": marian,
    "m2m_100": m2m_100,
}
