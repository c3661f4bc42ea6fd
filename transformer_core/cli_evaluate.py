"""The command ``evaluate``: translations scored against their references."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.training.data import Reference

_MODEL = "en-fr-small"


def add_evaluate(verbs: Any) -> None:
    """Register the command."""
    verb = verbs.add_parser(
        "evaluate",
        help="BLEU and chrF of a translator, by sacrebleu",
        description="Translate the sources of a file and score the results. Rows with the same "
        "source are references of one sentence.",
    )
    verb.add_argument("--model", default=_MODEL, help=f"default: {_MODEL}")
    verb.add_argument("--data", type=Path, required=True, help="source<TAB>reference, .tsv(.xz)")
    verb.add_argument(
        "--held-out",
        type=float,
        metavar="SHARE",
        help="only the sentences that train's held_out=SHARE keeps from a run",
    )
    verb.add_argument("--max-ratio", type=float, help="leave out pairs, as train's max_ratio does")
    verb.add_argument("--limit", type=int, help="only the first sentences")
    verb.add_argument("--beams", type=int, default=4, help="1 is greedy; default: 4")
    verb.add_argument("--length-penalty", type=float, default=1.0, help="of beam search")
    verb.add_argument("--hypotheses", type=Path, help="score this file's lines, load no model")
    verb.add_argument("--out", type=Path, help="write the translations there, one a line")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from transformer_core.training.validation import score

    references = _references(args)
    if args.hypotheses is not None:
        translations = _lines(args.hypotheses)
    else:
        translations = _translations(args, [reference.source for reference in references])
    if args.out is not None:
        lines = [" ".join(text.split()) + "\n" for text in translations]
        args.out.write_text("".join(lines), encoding="utf-8")
    scores = score(translations, [reference.targets for reference in references])
    if args.json:
        sys.stdout.write(json.dumps(scores.to_dict()) + "\n")
        return 0
    sys.stdout.write(
        f"{scores.n_sentences:,} sentences, up to {scores.n_references} references each\n"
        f"BLEU {scores.bleu:.1f}  {scores.bleu_signature}\n"
        f"chrF {scores.chrf:.1f}  {scores.chrf_signature}\n"
    )
    return 0


def _references(args: argparse.Namespace) -> list[Reference]:
    from transformer_core.training.data import (
        ReadingReport,
        group_references,
        is_held_out,
        read_pairs,
        without_noise,
    )

    report = ReadingReport(str(args.data))
    pairs = read_pairs(args.data, report, allow_extra_columns=True)
    if args.max_ratio is not None:
        pairs = without_noise(pairs, report, max_ratio=args.max_ratio)
    if args.held_out is not None:
        pairs = (pair for pair in pairs if is_held_out(pair.source, args.held_out))
    references = group_references(pairs)
    sys.stderr.write("".join(f"{line}\n" for line in [str(report), *report.named]))
    return references[: args.limit]


def _translations(args: argparse.Namespace, sources: list[str]) -> list[str]:
    from transformer_core.decoding.strategies import Beam, Greedy
    from transformer_core.models.loading import load
    from transformer_core.tasks.translation import translate

    model: Any = load(args.model)
    if not hasattr(model, "write"):
        raise InputError(f"{args.model} does not translate; {_MODEL} does.")
    strategy = (
        Greedy()
        if args.beams == 1
        else Beam(n_beams=args.beams, length_penalty=args.length_penalty)
    )
    return [result.text for result in translate(model, sources, strategy)]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1}).") from error
