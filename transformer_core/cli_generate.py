"""The command ``generate``: a model writes a text; with ``--json`` one line tells one step."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.strategies import Strategy

MAX_NEW_TOKENS = 100

_OPTIONS: dict[str, tuple[type, str, str]] = {
    # option: type, strategy ("" for all), what it does
    "repetition_penalty": (float, "", "above 1: tokens of the text so far become less likely"),
    "temperature": (float, "sample", "below 1 sharpens the distribution, above 1 flattens it"),
    "top_k": (int, "sample", "draw among the k most probable tokens"),
    "top_p": (float, "sample", "draw among the most probable tokens that make up p"),
    "min_p": (float, "sample", "draw among tokens with this share of the best one's probability"),
    "seed": (int, "sample", "the same seed writes the same text (default: 0)"),
    "n_beams": (int, "beam", "hypotheses kept alive (default: 4)"),
    "length_penalty": (float, "beam", "total ÷ length ** penalty is the score (default: 1)"),
}


def add_generate(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "generate",
        help="go on with a prompt, or translate, token by token",
        description="Write a text. With --json, one line tells one step: its token, candidates, "
        "probabilities, and why candidates were cut. Of a beam search, the best text's steps.",
    )
    verb.add_argument("model", help="catalogue id, local folder or hub id")
    verb.add_argument("text", help="the prompt; for an encoder–decoder what it reads")
    verb.add_argument("--strategy", choices=("greedy", "beam", "sample"), default="greedy")
    verb.add_argument(
        "--max-new-tokens",
        type=int,
        default=MAX_NEW_TOKENS,
        help=f"tokens written at most (default: {MAX_NEW_TOKENS})",
    )
    for name, (kind, strategy, what) in _OPTIONS.items():
        only = f"with --strategy {strategy}: " if strategy else ""
        verb.add_argument(f"--{name.replace('_', '-')}", type=kind, help=only + what)
    verb.add_argument("--prefix", default="", help="what the written text begins with")
    verb.add_argument("--json", action="store_true", help="one JSON object a step")
    verb.add_argument("--candidates", type=int, default=5, help="with --json: how many a step")
    verb.set_defaults(run=_generate)


def _generate(args: argparse.Namespace) -> int:
    strategy = _strategy(args)
    if args.candidates < 0:
        raise InputError(f"--candidates is {args.candidates}; it must be at least 0.")
    from transformer_core.models.loading import load

    model: Any = load(args.model)
    decoding = model.decode(args.text, strategy, target_prefix=args.prefix, is_recording=args.json)
    for note in decoding.notes:
        sys.stderr.write(f"{note}\n")
    for step in decoding:
        if args.json:
            line = json.dumps(step_record(step, args.candidates), ensure_ascii=False)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    if not args.json:
        sys.stdout.write(f"{decoding.text}\n")
    if decoding.ended == "limit":
        sys.stderr.write(f"The text was cut after {len(decoding.token_ids)} tokens.\n")
    return 0


def _strategy(args: argparse.Namespace) -> Strategy:
    from transformer_core.decoding.strategies import Beam, Greedy, Sample

    chosen: dict[str, Any] = {"max_new_tokens": args.max_new_tokens}
    for name, (_, strategy, _) in _OPTIONS.items():
        value = getattr(args, name)
        if value is None:
            continue
        if strategy not in ("", args.strategy):
            raise InputError(
                f"--{name.replace('_', '-')} belongs to --strategy {strategy}, "
                f"not to {args.strategy}."
            )
        chosen[name] = value
    classes: dict[str, type[Strategy]] = {"greedy": Greedy, "beam": Beam, "sample": Sample}
    return classes[args.strategy](**chosen)


def step_record(step: DecodingStep, n_candidates: int) -> dict[str, Any]:
    """A step as plain values.

    Args:
        step: One that was recorded.
        n_candidates: How many of the best to list, beside the one that was written.
    """
    distribution = step.distribution()
    candidates = distribution.candidates(n_candidates)
    tail = distribution.tail(candidates)
    return {
        "index": step.index,
        "token_id": step.token_id,
        "token": step.token,
        "text": step.text,
        "log_prob": step.log_prob,
        "cumulative_log_prob": step.cumulative_log_prob,
        "is_forced": step.is_forced,
        "ended": step.ended,
        "seconds": step.seconds,
        "cache": {"n_pos": step.cache.n_pos, "nbytes": step.cache.nbytes},
        "candidates": [
            {
                "token_id": c.token_id,
                "token": c.token,
                "logit": c.logit,
                "probability": c.probability,
                "chosen_probability": c.chosen_probability,
                "cut": c.cut.reason or None,
            }
            for c in candidates
        ],
        "beyond": {
            "n_tokens": tail.n_tokens,
            "probability": tail.probability,
            "chosen_probability": tail.chosen_probability,
        },
    }
