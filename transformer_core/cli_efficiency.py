"""The commands ``prune``, ``quantize``, ``distill`` and ``bench``: cheaper models, measured."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.efficiency.comparison import Comparison
    from transformer_core.efficiency.evaluation import EvaluationSet
    from transformer_core.efficiency.variants import Variant

_MODEL = "en-fr-small"


def add_efficiency(verbs: Any) -> None:
    """Register the commands of this module."""
    _add_prune(verbs)
    _add_quantize(verbs)
    _add_distill(verbs)
    _add_bench(verbs)


def _add_prune(verbs: Any) -> None:
    prune = verbs.add_parser(
        "prune",
        help="take heads, layers or small weights out of a model and measure what that costs",
        description="Quality against what was taken out; heads go least important first, beside "
        "random orders.",
    )
    _add_common(prune)
    what = prune.add_mutually_exclusive_group(required=True)
    what.add_argument("--heads", type=int, help="number of attention heads to take out")
    what.add_argument("--weights", type=float, metavar="SHARE", help="share of small weights")
    what.add_argument("--layers", help="such as encoder:3,decoder:1; counted from 0")
    prune.add_argument("--by", choices=("gradient", "ablation", "surgeon"), default="gradient")
    prune.add_argument(
        "--again-after",
        type=int,
        default=0,
        metavar="N",
        dest="step",
        help="measure importance again after every N heads (default: once)",
    )
    prune.add_argument(
        "--refit", action="store_true", help="fit the other heads' output matrices anew"
    )
    prune.add_argument("--points", type=int, default=4, help="points of the curve; default: 4")
    prune.add_argument("--seeds", type=int, default=3, help="random orders; default: 3")
    prune.set_defaults(run=_prune)


def _add_quantize(verbs: Any) -> None:
    quantize = verbs.add_parser(
        "quantize",
        help="a model in fewer bits: size, speed and quality",
        description="Measure the model in int8 and bfloat16 beside the plain one, turn about.",
    )
    _add_common(quantize)
    quantize.add_argument("--precision", choices=("int8", "bfloat16", "both"), default="both")
    quantize.add_argument("--rounds", type=int, default=5, help="timed rounds; default: 5")
    quantize.set_defaults(run=_quantize)


def _add_distill(verbs: Any) -> None:
    distill = verbs.add_parser(
        "distill",
        help="teach a small student what a large model knows, and the same student alone",
        description="Train a student of at most a quarter of the teacher's parameters, from the "
        "teacher and, for comparison, from the data alone. A run that was broken off goes on.",
    )
    distill.add_argument("--teacher", default=_MODEL, help=f"default: {_MODEL}")
    distill.add_argument("--out", type=Path, required=True, help="folder of the students")
    distill.add_argument(
        "--data", action="append", required=True,
        metavar="NAME=FILE[,weight=W][,held_out=SHARE][,max_ratio=R]",
        help="as train takes it; students are scored on what is held out",
    )  # fmt: skip
    distill.add_argument("--steps", type=int, default=3000, help="default: 3000")
    distill.add_argument("--temperature", type=float, default=1.0, help="default: 1")
    distill.add_argument("--soft-share", type=float, default=0.7, help="of the loss, from 0 to 1")
    for name in ("d-model", "n-heads", "d-ff", "n-encoder-layers", "n-decoder-layers"):
        distill.add_argument(f"--{name}", type=int, help="of the student")
    distill.add_argument("--tokens", type=int, default=2048, help="tokens of a side of a batch")
    distill.add_argument("--peak-rate", type=float, default=2e-3)
    distill.add_argument("--warmup", type=int, default=500)
    distill.add_argument("--label-smoothing", type=float, default=0.1)
    distill.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    distill.add_argument("--seed", type=int, default=0)
    distill.add_argument("--only", choices=("distilled", "alone"), help="train this student only")
    distill.add_argument("--limit", type=int, help="sentences to score of each file")
    distill.add_argument("--json", action="store_true", help="print JSON")
    distill.set_defaults(run=_distill)


def _add_bench(verbs: Any) -> None:
    bench = verbs.add_parser(
        "bench",
        help="attention, cache, sparse attention and shared keys: time, memory and quality",
        description="Measure here and now: attention fused and step by step; the next token with a "
        "cache and without; sparse attention; fewer key-value heads.",
    )
    _add_common(bench)
    bench.add_argument("what", choices=("attention", "cache", "sparse", "kv-heads"))
    bench.add_argument("--max-length", type=int, default=4096, help="of attention and cache")
    bench.add_argument("--sparsity", type=float, action="append", help="top-k; may be repeated")
    bench.add_argument("--window", type=int, action="append", help="reach; may be repeated")
    bench.add_argument("--block", type=int, action="append", help="size; may be repeated")
    bench.add_argument("--first", type=int, default=0, help="first positions that all see")
    bench.add_argument("--kv-heads", type=int, action="append", help="heads to keep; repeatable")
    bench.add_argument("--rounds", type=int, default=5, help="timed rounds; default: 5")
    bench.set_defaults(run=_bench)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=_MODEL, help=f"default: {_MODEL}")
    parser.add_argument("--data", type=Path, help="source<TAB>reference; default: the shipped set")
    parser.add_argument("--held-out", type=float, metavar="SHARE", help="as evaluate takes it")
    parser.add_argument("--limit", type=int, default=500, help="sentences of --data; default: 500")
    parser.add_argument(
        "--calibration", type=int, default=64, help="pairs of --data to calibrate with; default: 64"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _prune(args: argparse.Namespace) -> int:
    from transformer_core.efficiency.cutting import without_layers
    from transformer_core.efficiency.magnitude import without_small_weights

    if args.heads is not None:
        return _prune_heads(args)
    model = _load(args.model)
    if args.weights is not None:
        pruned, method = without_small_weights(model, args.weights), "weights by magnitude"
    else:
        pruned, method = without_layers(model, _layers(args.layers)), "whole layers"
    return _print(_compared(method, [pruned], args), args)


def _prune_heads(args: argparse.Namespace) -> int:
    from transformer_core.efficiency.curves import Pruning, pruning_curve

    if args.points < 1 or args.seeds < 0 or args.step < 0:
        raise InputError("--points must be at least 1, --seeds and --again-after at least 0.")
    pruning = Pruning(
        args.heads, args.by, args.step, args.refit, args.points, tuple(range(args.seeds))
    )
    model, on = _load(args.model), _set(args)
    curve = pruning_curve(
        model, on, pruning, grew=lambda _, done, total: _say(f"{done} of {total} points")
    )
    if args.json:
        content = {"model": args.model, "texts": on.name, **curve.to_dict()}
        sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
        return 0
    whole = curve.plain
    assert whole is not None  # noqa: S101  (measured first)
    lines = [f"{on.name}; {whole.kind} of the plain model {whole.value:.2f}"]
    for n, quality in curve.chosen.items():
        others = [found[n].value for found in curve.random.values()]
        spread = f"   random {min(others):.2f} to {max(others):.2f}" if others else ""
        lines.append(f"{n:4} heads gone: {quality.value:.2f}{spread}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _quantize(args: argparse.Namespace) -> int:
    from transformer_core.efficiency.quantization import quantized

    both: Any = ("int8", "bfloat16") if args.precision == "both" else (args.precision,)
    model = _load(args.model)
    return _print(_compared("quantisation", [quantized(model, p) for p in both], args), args)


def _bench(args: argparse.Namespace) -> int:
    if args.what == "attention":
        return _bench_attention(args)
    if args.what == "cache":
        return _bench_cache(args)
    model = _load(args.model)
    if args.what == "kv-heads":
        from transformer_core.efficiency.key_values import with_fewer_kv_heads

        variants = [with_fewer_kv_heads(model, n) for n in args.kv_heads or [1]]
    else:
        from transformer_core.efficiency.sparse import sparse_variant

        variants = [sparse_variant(model, rule) for rule in _rules(args)]
    return _print(_compared(args.what, variants, args), args)


def _bench_attention(args: argparse.Namespace) -> int:
    from transformer_core.efficiency.attention_cost import LENGTHS, MAX_LENGTH, length_curve

    if not 1 <= args.max_length <= MAX_LENGTH:
        raise InputError(f"--max-length {args.max_length}: from 1 to {MAX_LENGTH:,}.")
    lengths = [n for n in LENGTHS if n <= args.max_length] or [args.max_length]
    points = length_curve(lengths=lengths, rounds=args.rounds)
    if args.json:
        sys.stdout.write(json.dumps([point.to_dict() for point in points]) + "\n")
        return 0
    for p in points:
        sys.stdout.write(
            f"{p.length:5} tokens: step by step {p.naive.median * 1e3:9.2f} ms, fused "
            f"{p.sdpa.median * 1e3:8.2f} ms ({p.ratio.median:.1f} ×); tensors "
            f"{p.naive_bytes / 1e6:8.1f} and {p.sdpa_bytes / 1e6:.1f} MB\n"
        )
    return 0


def _bench_cache(args: argparse.Namespace) -> int:
    from transformer_core.efficiency.key_values import LENGTHS, cache_curve

    lengths = [n for n in LENGTHS if n <= args.max_length] or [args.max_length]
    points = cache_curve(_load(args.model), lengths=lengths, rounds=args.rounds)
    if args.json:
        sys.stdout.write(json.dumps([point.to_dict() for point in points]) + "\n")
        return 0
    for p in points:
        sys.stdout.write(
            f"next token after {p.length:5}: with cache {p.with_cache.median * 1e3:8.2f} ms, "
            f"without {p.without.median * 1e3:8.2f} ms; cache {p.cache_bytes / 1e6:.2f} MB\n"
        )
    return 0


def _distill(args: argparse.Namespace) -> int:
    from transformer_core.cli_training import corpus_of
    from transformer_core.efficiency.distillation import Distillation
    from transformer_core.efficiency.students import ALONE, DISTILLED, Lesson, exam, teach
    from transformer_core.tracing.scratch import ScratchModel
    from transformer_core.training.recipe import Recipe
    from transformer_core.training.schedule import Schedule
    from transformer_core.training.session import stopping_on_signals

    names = ("d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers")
    recipe = Recipe(
        seed=args.seed, max_tokens=args.tokens, precision=args.precision,
        schedule=Schedule(peak=args.peak_rate, warmup=args.warmup),
        label_smoothing=args.label_smoothing,
    )  # fmt: skip
    lesson = Lesson(
        tuple(corpus_of(text) for text in args.data),
        {name: value for name in names if (value := getattr(args, name)) is not None},
        recipe,
        Distillation(args.temperature, args.soft_share),
        args.steps,
    )
    teacher = _load(args.teacher)
    if not isinstance(teacher, ScratchModel) or not teacher.is_encoder_decoder:
        raise InputError(f"{args.teacher} cannot teach here: it must be a translator of our own.")
    which = [args.only] if args.only else [DISTILLED, ALONE]

    def watch(name: str, step: Any) -> None:
        if step.step % 20 == 0:
            _say(f"{name} step {step.step:,} of {args.steps:,}  nll {step.nll:.3f}")

    with stopping_on_signals() as is_stopped:
        done = teach(teacher, lesson, args.out, which=which, watch=watch, should_stop=is_stopped)
    if len(done) < len(which):
        _say("Stopped; the same command goes on from here.")
        return 0
    scores = exam(teacher, done, lesson.corpora, limit=args.limit)
    return _print_exam(args, teacher, done, scores)


def _print_exam(args: argparse.Namespace, teacher: Any, students: Any, scores: Any) -> int:
    sizes = {
        name: sum(p.numel() for p in model.parameters())
        for name, model in {"teacher": teacher.module, **students}.items()
    }
    if args.json:
        content = {
            "teacher": args.teacher, "steps": args.steps, "temperature": args.temperature,
            "soft_share": args.soft_share, "parameters": sizes,
            "scores": {
                corpus: {name: one.to_dict() for name, one in found.items()}
                for corpus, found in scores.items()
            },
        }  # fmt: skip
        sys.stdout.write(json.dumps(content) + "\n")
        return 0
    for corpus, found in scores.items():
        for name, one in found.items():
            sys.stdout.write(
                f"{corpus}: {name:9} {sizes[name]:>10,} parameters  BLEU {one.bleu:.1f}  "
                f"chrF {one.chrf:.1f}\n"
            )
        if {"distilled", "alone"} <= found.keys():
            gain = found["distilled"].bleu - found["alone"].bleu
            sys.stdout.write(f"{corpus}: distilled − alone: BLEU {gain:+.1f}\n")
    return 0


def _compared(method: str, variants: list[Variant], args: argparse.Namespace) -> Comparison:
    from transformer_core.efficiency.comparison import compare
    from transformer_core.efficiency.variants import plain

    rounds = getattr(args, "rounds", 5)
    if rounds < 1:
        raise InputError(f"--rounds {rounds}: at least 1.")
    return compare(method, [plain(_load(args.model)), *variants], _set(args), rounds=rounds)


def _print(comparison: Comparison, args: argparse.Namespace) -> int:
    if args.json:
        sys.stdout.write(json.dumps(comparison.to_dict(), ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(
        f"{comparison.texts}; timed: {comparison.work}, {comparison.threads} threads\n"
    )
    for row in comparison.rows:
        t, quality = row.time_ratio, row.quality
        sys.stdout.write(
            f"{row.name:32} {quality.kind} {quality.value:.4g}  {row.tokens_per_second:,.0f} "
            f"tokens/s  time × {t.median:.2f} ({t.low:.2f}–{t.high:.2f})  "
            f"{row.size_bytes / 1e6:.1f} MB\n"
        )
    for row in comparison.rows[1:]:
        sys.stdout.write(f"{row.name}: {comparison.remark(row)}\n")
    return 0


def _rules(args: argparse.Namespace) -> list[Any]:
    from transformer_core.tracing.sparsity import Blocks, TopShare, Window

    rules: list[Any] = [TopShare(sparsity) for sparsity in args.sparsity or []]
    rules += [Window(reach, args.first) for reach in args.window or []]
    rules += [Blocks(size, args.first) for size in args.block or []]
    return rules or [TopShare(0.5)]


def _layers(text: str) -> list[tuple[str, int]]:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return [(stack.strip(), int(layer)) for stack, layer in pairs]
    except ValueError as error:
        raise InputError(f"--layers {text}: write encoder:3,decoder:1 ({error}).") from error


_loaded: dict[str, Any] = {}


def _load(name: str) -> Any:
    from transformer_core.models.loading import load

    if name not in _loaded:
        _loaded[name] = load(name)
    return _loaded[name]


def _set(args: argparse.Namespace) -> EvaluationSet:
    from transformer_core.efficiency.evaluation import from_file, shipped

    if args.data is None:
        return shipped()
    return from_file(
        args.data, held_out=args.held_out, limit=args.limit, n_calibration=args.calibration
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
