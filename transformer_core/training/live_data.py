"""From settings to a run on the disk that is ready to go: pairs, vocabulary, model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformer_core.errors import CheckpointError, ConfigError, DataError
from transformer_core.tokenization.bpe import BpeTokenizer, train_bpe
from transformer_core.tokenization.characters import train_characters
from transformer_core.tokenization.tokens import Tokens
from transformer_core.training.corpus import CorpusSpec
from transformer_core.training.data import Pair
from transformer_core.training.exam import Exam, Examiner
from transformer_core.training.live_settings import N_PAIRS, LiveSettings
from transformer_core.training.own_pairs import split
from transformer_core.training.run import Forcing, Plan, Run, resume_run, start_run
from transformer_core.training.toy_tasks import make_pairs, task_named

TRAIN, UNSEEN = "train.tsv", "unseen.json"
_LONGEST_EXAMPLE = 24
"""Tokens of the example that is filmed, where there is one so short."""
_MEASURED = 2_000


@dataclass(frozen=True)
class Example:
    """The pair that is filmed.

    Attributes:
        source: What the encoder reads.
        target: What the decoder reads.
        label_ids: What it is taught.
    """

    source: Tokens
    target: Tokens
    label_ids: tuple[int, ...]


@dataclass
class Prepared:
    """A run with what it is watched by.

    Attributes:
        run: The run, at the step of its last checkpoint.
        examiner: Tries the model on unseen pairs.
        example: The pair that is filmed.
        max_steps: Step at which it ends.
        notes: What was left out, in words.
        parts: The soft and the hard loss of the last step, where a teacher is listened to.
        teacher: What the teacher makes of the unseen pairs.
    """

    run: Run
    examiner: Examiner
    example: Example
    max_steps: int
    notes: tuple[str, ...] = ()
    parts: Callable[[], tuple[float, float]] | None = None
    teacher: Exam | None = None


@dataclass(frozen=True)
class Taught:
    """What a run with a teacher brings.

    Attributes:
        tokenizer: The teacher's.
        forcing: Makes the loss.
    """

    tokenizer: BpeTokenizer
    forcing: Forcing


def begin(
    folder: Path,
    settings: LiveSettings,
    own: Sequence[Pair] = (),
    taught: Taught | None = None,
) -> Prepared:
    """Begin a run in a new folder.

    Args:
        folder: Where the run is kept.
        settings: What a person set.
        own: Pairs of one's own, where the task is that.
        taught: What a teacher brings, if there is one.

    Raises:
        DataError: If nothing is left to learn from.
        ConfigError: If settings contradict each other.
    """
    if settings.is_distilled and taught is None:
        raise ConfigError(f"{settings.title}: this server has no teacher for it.")
    seen, unseen = _pairs(settings, own)
    tokenizer = _tokenizer(settings, seen) if taught is None else taught.tokenizer
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{pair.source}\t{pair.target}\n" for pair in seen)
    (folder / TRAIN).write_text(rows, encoding="utf-8")
    records = [[pair.source, pair.target] for pair in unseen]
    (folder / UNSEEN).write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    settings.save(folder)
    plan = Plan(
        (CorpusSpec(settings.title, folder / TRAIN),),
        settings.shape,
        tokenizer.vocab_size,
        settings.recipe(_longest(tokenizer, seen, settings.n_ctx)),
    )
    forcing = None if taught is None else taught.forcing
    run = start_run(folder, plan, tokenizer=tokenizer, forcing=forcing)
    return _watched(run, settings, unseen)


def go_on(folder: Path, taught: Taught | None = None) -> Prepared:
    """Go on with a run from its last checkpoint.

    Args:
        folder: Where it is kept.
        taught: What a teacher brings, if there is one.

    Raises:
        CheckpointError: If it has none, or something is missing.
    """
    settings = LiveSettings.load(folder)
    try:
        records = json.loads((folder / UNSEEN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder.name} lacks its unseen pairs: {error}") from error
    unseen = [Pair(source, target, line) for line, (source, target) in enumerate(records, 1)]
    forcing = None if taught is None else taught.forcing
    return _watched(resume_run(folder, forcing=forcing), settings, unseen)


def _pairs(settings: LiveSettings, own: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    if not settings.is_toy:
        if not own:
            raise DataError("There are no pairs yet: upload a TSV, or paste rows.")
        return split(own)
    task = task_named(settings.task)
    return make_pairs(task, size=settings.size, n_pairs=N_PAIRS, seed=settings.seed)


def _tokenizer(settings: LiveSettings, seen: Sequence[Pair]) -> BpeTokenizer:
    texts = [text for pair in seen for text in (pair.source, pair.target)]
    if settings.level == "bpe":
        return train_bpe(texts, vocab_size=settings.vocab_size)
    return train_characters(texts)


def _longest(tokenizer: BpeTokenizer, seen: Sequence[Pair], n_ctx: int) -> int:
    """Tokens of the longest side that is learnt from, with its special token.

    Only the texts of most characters are encoded to find it.
    """
    texts = sorted((text for pair in seen for text in (pair.source, pair.target)), key=len)
    measured = [*texts[-_MEASURED:], *texts[:1]]
    lengths = [len(row) + 1 for row in tokenizer.encode_ids(measured)]
    fitting = [length for length in lengths if length <= n_ctx]
    if not fitting:
        raise DataError(f"Every pair is longer than the {n_ctx} tokens that the model reads.")
    return max(fitting)


def _watched(run: Run, settings: LiveSettings, unseen: Sequence[Pair]) -> Prepared:
    pairs = run.trainer.pairs
    notes = []
    if pairs.n_too_long:
        notes.append(
            f"{pairs.n_too_long:,} pairs are longer than {settings.n_ctx} tokens and are left out."
        )
    is_prose = settings.is_distilled
    examiner = Examiner(unseen, run.tokenizer, settings.n_ctx, is_prose=is_prose)
    if not examiner.pairs:
        raise DataError(f"Every unseen pair is longer than {settings.n_ctx} tokens.")
    example = _example(run.tokenizer, examiner.pairs)
    return Prepared(run, examiner, example, settings.max_steps, tuple(notes))


def _example(tokenizer: BpeTokenizer, pairs: Sequence[Pair]) -> Example:
    """The longest unseen pair of at most 24 tokens a side; of longer ones only, the shortest."""
    lengths = {
        index: max(len(source), len(target)) + 1
        for index, (source, target) in enumerate(
            zip(
                tokenizer.encode_ids([pair.source for pair in pairs]),
                tokenizer.encode_ids([pair.target for pair in pairs]),
                strict=True,
            )
        )
    }
    short = [index for index, length in lengths.items() if length <= _LONGEST_EXAMPLE]
    best = max(short, key=lengths.__getitem__) if short else min(lengths, key=lengths.__getitem__)
    labels = tokenizer.encode_target(pairs[best].target).ids
    target = tokenizer.from_ids([tokenizer.bos_id, *labels[:-1]])
    return Example(tokenizer.encode(pairs[best].source), target, tuple(labels))
