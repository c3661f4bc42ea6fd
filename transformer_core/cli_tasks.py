"""The commands ``translate`` and ``summarize``: a text a line in, a result a line out, in order."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.decoding.strategies import Strategy

TRANSLATOR = "en-fr-small"
SUMMARIZER = "smollm2"


def add_translate(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser("translate", help="translate a text, or each line of a file")
    verb.add_argument("text", nargs="?", help="a text (default: standard input, a text a line)")
    verb.add_argument("--model", default=TRANSLATOR, help=f"default: {TRANSLATOR}")
    verb.add_argument("--file", type=Path, help="UTF-8, a text a line")
    verb.add_argument("--beams", type=int, default=4, help="1 is greedy; default: 4")
    verb.add_argument("--length-penalty", type=float, default=1.0, help="of beam search")
    verb.add_argument("--max-new-tokens", type=int, help="tokens written at most for one part")
    verb.set_defaults(run=_translate)


def _translate(args: argparse.Namespace) -> int:
    from transformer_core.models.loading import load
    from transformer_core.tasks.translation import translate

    texts, strategy = read_texts(args.text, args.file), _strategy(args)
    model: Any = load(args.model)
    results = translate(model, texts, strategy, on_progress=_report)
    for result in results:
        sys.stdout.write(" ".join(result.text.split()) + "\n")
    for number, result in enumerate(results, 1):
        for note in result.notes:
            sys.stderr.write(f"line {number}: {note}\n")
    return 0


def add_summarize(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser("summarize", help="summarise a text, or each line of a file")
    verb.add_argument("text", nargs="?", help="a text (default: standard input, a text a line)")
    verb.add_argument("--model", default=SUMMARIZER, help=f"default: {SUMMARIZER}")
    verb.add_argument("--file", type=Path, help="UTF-8, a text a line")
    verb.add_argument("--min-length", type=int, default=30, help="least tokens (default: 30)")
    verb.add_argument("--max-length", type=int, default=130, help="most tokens (default: 130)")
    verb.set_defaults(run=_summarize)


def _summarize(args: argparse.Namespace) -> int:
    from transformer_core.models.loading import load
    from transformer_core.tasks.summarization import Length, summarize

    texts, length = read_texts(args.text, args.file), Length(args.min_length, args.max_length)
    model: Any = load(args.model)
    for number, text in enumerate(texts, 1):
        result = summarize(model, text, length)
        sys.stdout.write(" ".join(result.text.split()) + "\n")
        sys.stdout.flush()
        for note in result.notes:
            sys.stderr.write(f"line {number}: {note}\n")
        _report(number, len(texts))
    return 0


def read_texts(text: str | None, file: Path | None) -> list[str]:
    """Texts from an argument, a file or standard input; one a line unless given as the argument.

    Raises:
        InputError: If both are given, or a file cannot be read as UTF-8.
    """
    if text is not None and file is not None:
        raise InputError("Give a text or --file, not both.")
    if text is not None:
        return [text]
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file or 'Standard input'} is not UTF-8: {error}.") from error
    # Not splitlines: a text may hold other line separators of Unicode, which end no line of a file.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _strategy(args: argparse.Namespace) -> Strategy:
    from transformer_core.decoding.strategies import Beam, Greedy

    if args.beams == 1:
        return Greedy(max_new_tokens=args.max_new_tokens)
    return Beam(args.beams, args.length_penalty, args.max_new_tokens)


def _report(done: int, total: int) -> bool:
    if total > 1 and sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {total}" + ("\n" if done == total else ""))
    return True
