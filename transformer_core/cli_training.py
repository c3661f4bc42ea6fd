"""The commands ``train`` and ``evaluate``."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer_core.cli_digits import add_digits
from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.training.corpus import CorpusSpec
    from transformer_core.training.run import Plan, Run
    from transformer_core.training.session import Progress, Timing

_SHAPE = ("d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers", "n_ctx", "dropout")


def add_training(verbs: Any) -> None:
    """Register the commands of this module."""
    train = verbs.add_parser("train", help="train a translator, or the digits' vision model")
    actions = train.add_subparsers(dest="action", required=True)
    start = actions.add_parser("start", help="begin a run")
    _add_run_folder(start)
    _add_plan(start)
    _add_timing(start)
    start.set_defaults(run=_start)
    resume = actions.add_parser("resume", help="go on with a run from its last checkpoint")
    _add_run_folder(resume)
    _add_timing(resume)
    resume.set_defaults(run=_resume)
    export = actions.add_parser("export", help="write a run's model as a folder that can be loaded")
    _add_run_folder(export)
    export.add_argument("--out", type=Path, required=True, help="the model's folder")
    export.add_argument("--average", type=int, default=1, help="last checkpoints to average")
    export.set_defaults(run=_export)
    learning = actions.add_parser(
        "learning", help="keep what a run looked at while it learnt: attention, loss and scores"
    )
    _add_run_folder(learning)
    learning.add_argument("--out", type=Path, required=True, help="a file.npz")
    learning.add_argument("--name", default="training", help="what to call the run")
    learning.add_argument("--moments", type=int, default=16, help="steps to keep at most")
    learning.set_defaults(run=_learning)
    add_digits(actions)


def _add_run_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="the run's folder")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="NAME=FILE[,weight=W][,held_out=SHARE][,max_ratio=R]",
        help="a .tsv or .tsv.xz of source<TAB>target; may be given several times",
    )
    parser.add_argument("--init-from", help="a model's folder whose weights to begin from")
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--n-heads", type=int, default=8)
    parser.add_argument("--d-ff", type=int, default=1024)
    parser.add_argument("--n-encoder-layers", type=int, default=4)
    parser.add_argument("--n-decoder-layers", type=int, default=3)
    parser.add_argument("--n-ctx", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens of a side of a batch")
    parser.add_argument("--schedule", choices=("trapezoid", "inverse-sqrt"), default="trapezoid")
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--seed", type=int, default=0)


def _add_timing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--save-every", type=float, default=5, help="minutes")
    parser.add_argument("--validate-every", type=float, default=15, help="minutes; 0 never")
    parser.add_argument("--keep", type=int, default=6, help="checkpoints to keep")
    parser.add_argument("--note-every", type=int, default=20, help="steps between curve points")
    parser.add_argument("--max-steps", type=int, help="stop after this step")
    parser.add_argument(
        "--until", type=_clock, help="HH:MM at which the run should end, its decay done"
    )
    parser.add_argument(
        "--decay-steps", type=int, help="steps of the decay (with --until; else it begins now)"
    )


def _clock(text: str) -> float:
    """The next time at which a clock shows this, in seconds since 1970."""
    try:
        wanted = datetime.time.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of day such as 23:40") from error
    now = datetime.datetime.now().astimezone()
    then = now.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
    return (then if then > now else then + datetime.timedelta(days=1)).timestamp()


def corpus_of(text: str) -> CorpusSpec:
    """Read what ``--data`` was given.

    Raises:
        InputError: If it is not of the form that its help says.
    """
    from transformer_core.training.corpus import CorpusSpec

    name, is_named, rest = text.partition("=")
    path, *options = rest.split(",")
    try:
        if not is_named or not path:
            raise ValueError("NAME=FILE is missing")
        values = {key: float(value) for key, value in (each.split("=") for each in options)}
        return CorpusSpec(name, Path(path), **values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"--data {text}: write NAME=FILE[,weight=W][,held_out=SHARE][,max_ratio=R] ({error})."
        ) from error


def _plan(args: argparse.Namespace) -> Plan:
    from transformer_core.training.recipe import Recipe
    from transformer_core.training.run import Plan
    from transformer_core.training.schedule import Schedule

    recipe = Recipe(
        seed=args.seed,
        max_tokens=args.tokens,
        schedule=Schedule(args.schedule, peak=args.peak_rate, warmup=args.warmup),
        label_smoothing=args.label_smoothing,
        weight_decay=args.weight_decay,
        precision=args.precision,
    )
    shape = {name: getattr(args, name) for name in _SHAPE}
    corpora = tuple(corpus_of(text) for text in args.data)
    return Plan(corpora, shape, args.vocab_size, recipe, args.init_from)


def _timing(args: argparse.Namespace) -> Timing:
    from transformer_core.training.session import Timing

    return Timing(
        save_every=args.save_every * 60,
        note_every=args.note_every,
        validate_every=args.validate_every * 60 or None,
        keep=args.keep,
        until=args.until,
        decay_steps=args.decay_steps,
        max_steps=args.max_steps,
    )


def _start(args: argparse.Namespace) -> int:
    from transformer_core.training.engine import choose_engine
    from transformer_core.training.run import start_run

    run = start_run(args.folder, _plan(args), engine=choose_engine())
    return _train(run, args)


def _resume(args: argparse.Namespace) -> int:
    from transformer_core.training.engine import choose_engine
    from transformer_core.training.run import resume_run

    return _train(resume_run(args.folder, engine=choose_engine()), args)


def _train(run: Run, args: argparse.Namespace) -> int:
    from transformer_core.training.session import keep_going, stopping_on_signals

    if args.decay_steps is not None and args.until is None:
        run.trainer.begin_decay(args.decay_steps)
    for corpus in run.corpora:
        _say(run, f"{corpus.report}; {len(corpus.validation):,} sentences held out")
        for bad in corpus.report.named:
            _say(run, f"  {bad}")
    _say(
        run,
        f"{len(run.trainer.pairs):,} pairs ({run.trainer.pairs.n_too_long:,} too long left out), "
        f"{sum(p.numel() for p in run.trainer.model.parameters()):,} parameters, "
        f"from step {run.trainer.step:,}",
    )
    timing = _timing(args)
    with stopping_on_signals() as is_stopped:
        for progress in keep_going(run, timing, is_stopped=is_stopped):
            if progress.step.step % timing.note_every == 0 or progress.scores or progress.trouble:
                _say(run, _line(progress))
    sys.stdout.write(f"{run.folder}\n" if run.is_writer else "")
    return 0


def _export(args: argparse.Namespace) -> int:
    from transformer_core.training.export import export_run

    for path in export_run(args.folder, args.out, n_checkpoints=args.average):
        sys.stdout.write(f"{path}\n")
    return 0


def _learning(args: argparse.Namespace) -> int:
    from transformer_core.training.learning import Moment
    from transformer_core.training.moments import look_back

    def say(moment: Moment) -> None:
        scores = "  ".join(
            f"{name}: BLEU {moment.bleu[name]:.1f} nll {moment.nll[name]:.3f}"
            for name in moment.bleu
        )
        sys.stderr.write(f"step {moment.step:,}  {scores}\n")

    record = look_back(args.folder, name=args.name, n_moments=args.moments, on_moment=say)
    record.save(args.out)
    sys.stdout.write(f"{args.out}\n")
    return 0


def _line(progress: Progress) -> str:
    step = progress.step
    left = progress.seconds_left
    parts = [
        f"step {step.step:,}",
        f"epoch {step.epoch + step.epoch_done:.2f}",
        f"loss {progress.loss:.3f}",
        f"nll {progress.nll:.3f}",
        f"rate {step.rate:.2e}",
        f"{progress.tokens_per_second:,.0f} tokens/s",
        "no end set" if left is None else f"{left / 60:.0f} min left",
    ]
    parts += [f"{name}: BLEU {s.bleu:.1f} chrF {s.chrf:.1f}" for name, s in progress.scores.items()]
    if progress.trouble is not None:
        parts.append(str(progress.trouble))
    return "  ".join(parts)


def _say(run: Run, line: str) -> None:
    if run.is_writer:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
