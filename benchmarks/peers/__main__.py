"""Measure, print, save: `python -m benchmarks.peers`, on a quiet machine, in five minutes."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import sys

import torch

from benchmarks.peers import tensors, writing
from benchmarks.peers.rounds import CLOCKS, Rounds, absent, versions
from benchmarks.report import machine, publish

PARTS = ("tensors", "writing", "pages")


def main() -> int:
    """Everything, or the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: where others use the machine, too"
    )
    parser.add_argument("--whole", action="store_true", help="BertViz at 512 tokens, too")
    args = parser.parse_args()
    rounds = Rounds(args.rounds, args.clock)
    where = machine() | {"torch_threads": 1, "clock": args.clock, **versions()}
    where["not_measured"] = absent() or "none"
    torch.set_num_threads(1)
    figures = []
    parts = args.parts or PARTS
    if "tensors" in parts:
        figures += tensors.measured(rounds)
    if "writing" in parts:
        figures += writing.measured(rounds)
    if "pages" in parts:
        from benchmarks.peers import pages

        figures += pages.measured(rounds, is_whole=args.whole)
    name = "peers" if len(parts) == len(PARTS) else "peers-part"
    return publish(name, figures, where, tensors.HOLDS)


if __name__ == "__main__":
    sys.exit(main())
