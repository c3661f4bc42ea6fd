"""The commands: ``python -m transformer_core VERB``. Results on stdout, progress on stderr."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from transformer_core.cli_efficiency import add_efficiency
from transformer_core.cli_evaluate import add_evaluate
from transformer_core.cli_generate import add_generate
from transformer_core.cli_serve import add_serve
from transformer_core.cli_tasks import add_summarize, add_translate
from transformer_core.cli_training import add_training
from transformer_core.errors import InputError, TransformerCoreError

SUFFIXES = (".json", ".npz", ".html", ".svg", ".png")
_DRAWN = {".html", ".svg", ".png"}


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command; the usage is a ``--help`` away."""

    def error(self, message: str) -> NoReturn:
        """End with 2."""
        self.exit(2, f"{' '.join(message.split())} ({self.prog} --help says what can be given)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 and one line on stderr for bad input."""
    parser = _Parser(prog="python -m transformer_core", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("models", help="list the models that are known by name")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=_models)
    _add_attend(verbs)
    add_generate(verbs)
    add_translate(verbs)
    add_summarize(verbs)
    add_training(verbs)
    add_evaluate(verbs)
    add_efficiency(verbs)
    add_serve(verbs)
    limits = verbs.add_parser("settings", help="list the limits of a server, as they are here")
    limits.set_defaults(run=_settings)
    painting = verbs.add_parser("first-paint", help="make again what the app shows while it loads")
    painting.set_defaults(run=_first_paint)
    args = parser.parse_args(argv)
    try:
        result: int = args.run(args)
    except TransformerCoreError as error:
        return _bad_input(str(error))
    except OSError as error:
        if error.strerror is None or isinstance(error, BrokenPipeError):
            raise
        where = error.filename or getattr(args, "out", None) or "A file cannot be written"
        return _bad_input(f"{where}: {error.strerror}.")
    return result


def _bad_input(message: str) -> int:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # over a progress line that did not end
    sys.stderr.write(f"{clear}{' '.join(message.split())}\n")
    return 2


def _add_attend(verbs: Any) -> None:
    attend = verbs.add_parser(
        "attend",
        help="the attention patterns of a text",
        description="Print the attention patterns of a text as JSON, or write them to a file.",
        epilog="The Attention page opens what is printed, as it does NPZ files: the module "
        "transformer_core.tracing.imports says what such a file may hold.",
    )
    attend.add_argument("model", help="catalogue id, local folder or hub id")
    attend.add_argument("text", help="a text; for a vision model the path of a picture")
    attend.add_argument("--target", help="what the decoder reads (default: decoded greedily)")
    attend.add_argument("--site", help="encoder, decoder or cross (default: the model's first)")
    attend.add_argument("--layer", type=int, help="counted from 0 (default: all)")
    attend.add_argument("--head", type=int, help="counted from 0 (default: all)")
    attend.add_argument("--out", type=Path, help=f"a file: {', '.join(SUFFIXES)}")
    attend.set_defaults(run=_attend)


def _first_paint(_: argparse.Namespace) -> int:
    from transformer_core.figures import first_paint, home
    from transformer_core.models.loading import load

    first_paint.save(load(first_paint.MODEL, progress=_report))
    paths = (first_paint.FILE, *home.save(load(home.MODEL, progress=_report)))
    sys.stdout.writelines(f"{path}\n" for path in paths)
    return 0


def _models(args: argparse.Namespace) -> int:
    from transformer_core.models.catalogue import megabytes, models

    cards = models()
    if args.json:
        sys.stdout.write(json.dumps([asdict(card) for card in cards], ensure_ascii=False) + "\n")
        return 0
    for card in cards:
        state = "available" if card.is_available else f"get it: {card.how_to_get}"
        size = megabytes(card.size_bytes)
        sys.stdout.write(f"{card.id:28} {card.family:15} {card.task:20} {size:>12}  {state}\n")
    return 0


def _settings(_: argparse.Namespace) -> int:
    from transformer_core.settings import Settings, settings, variable

    here = settings()
    for name, field in Settings.model_fields.items():
        value = getattr(here, name)
        shown = ",".join(value) if isinstance(value, tuple) else "" if value is None else value
        sys.stdout.write(f"{variable(name)}={shown}\n    {field.description}\n")
    return 0


def _attend(args: argparse.Namespace) -> int:
    if args.out is not None and args.out.suffix not in SUFFIXES:
        raise InputError(f"{args.out}: the file must end in {', '.join(SUFFIXES)}.")
    from transformer_core.models.loading import load

    trace = load(args.model, progress=_report).trace(args.text, args.target)
    site = args.site or trace.sites[0]
    if args.out is not None and args.out.suffix == ".npz":
        trace.save(args.out)
        return 0
    if args.out is not None and args.out.suffix in _DRAWN:
        args.out.write_bytes(_drawn(trace, site, args))
        return 0
    layers = range(trace.n_layers(site)) if args.layer is None else [args.layer]
    patterns = [trace.pattern(site, layer=i, head=args.head).tolist() for i in layers]
    result = json.dumps(
        {
            "model": trace.model_id,
            "tokens": trace.tokens,
            "target_tokens": trace.target_tokens,
            "site": site,
            "layer": args.layer,
            "head": args.head,
            "pattern": patterns if args.layer is None else patterns[0],
        },
        ensure_ascii=False,
    )
    if args.out is None:
        sys.stdout.write(result + "\n")
    else:
        args.out.write_text(result, encoding="utf-8")
    return 0


def _drawn(trace: Any, site: str, args: argparse.Namespace) -> bytes:
    """One head's map, or all heads where neither layer nor head is said, as a file's bytes."""
    from transformer_core.figures import html, static
    from transformer_core.figures.views import Place, all_heads, heat_map

    if (args.layer is None) != (args.head is None):
        raise InputError(
            "A picture shows one head (give --layer and --head) or all (give neither)."
        )
    if args.layer is None:
        payload = all_heads(trace, site)
    else:
        payload = heat_map(trace, Place(site, args.layer, args.head))
    if args.out.suffix == ".png":
        return static.to_png(payload)
    text = static.to_svg(payload) if args.out.suffix == ".svg" else html.to_html(payload)
    return text.encode("utf-8")


def _report(message: str, share: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{message} {share:4.0%} " + ("\n" if share >= 1 else ""))
