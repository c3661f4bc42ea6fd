"""The command ``train digits``: make ``digits-vit`` anew."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer_core.training.digits import Epoch


def add_digits(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "digits",
        help="train digits-vit, a vision model, on scikit-learn's digits",
        description="Train digits-vit on four fifths of scikit-learn's digits and write its "
        "folder, with its accuracy on the fifth that was held out. Prints the facts as JSON.",
    )
    action.add_argument("--out", type=Path, required=True, help="the model's folder")
    action.add_argument("--epochs", type=int, help="default: those of the shipped model")
    action.add_argument("--seed", type=int, default=0, help="of split, weights and order")
    action.set_defaults(run=_digits)


def _digits(args: argparse.Namespace) -> int:
    import torch

    from transformer_core.training.digits import DigitsRecipe, train

    # One thread adds in the same order every time, and is no slower at this size.
    torch.set_num_threads(1)
    chosen = {} if args.epochs is None else {"n_epochs": args.epochs}
    facts = train(DigitsRecipe(seed=args.seed, **chosen), args.out, on_epoch=_say)
    sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    return 0


def _say(epoch: Epoch) -> None:
    is_last = epoch.number == epoch.n_epochs
    if sys.stderr.isatty():
        end = "\n" if is_last else ""
        sys.stderr.write(f"\repoch {epoch.number} of {epoch.n_epochs}  loss {epoch.loss:.3f}{end}")
    elif is_last or epoch.number % 10 == 0:
        sys.stderr.write(f"epoch {epoch.number} of {epoch.n_epochs}  loss {epoch.loss:.3f}\n")
    sys.stderr.flush()
