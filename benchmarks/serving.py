"""What a cluster costs and gains: `python -m benchmarks.serving`, on a quiet machine, two minutes.

Everything runs on this machine: Ray Serve with ``minilm``, and the clients in this process. Each
text is another, so that nothing could be remembered.
"""

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.browser import WORDS
from benchmarks.report import Figure, machine, publish
from tests.support.replicas import kill_outright, replicas
from transformer_core.models.loading import load
from transformer_core.serving.cluster import ClusterOptions, start, stop

MODEL = "minilm"
PORT = 8649
CONCURRENT = 32


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    where = machine()
    texts = new_texts()
    local = load(MODEL)
    options = ClusterOptions(port=args.port, max_replicas=1)
    figures = []
    try:
        start([MODEL], options)
        remote = load(f"ray://127.0.0.1:{args.port}/{MODEL}")
        figures += overhead(local, remote, texts, args.runs)
        batched = throughput(remote, texts, args.requests)
        start([MODEL], ClusterOptions(port=args.port, max_replicas=1, batch_size=1))
        single = throughput(remote, texts, args.requests)
        figures += [
            Figure(f"traces/s, {CONCURRENT} at once, 16 tokens, batched", batched, unit="/s"),
            Figure(f"traces/s, {CONCURRENT} at once, 16 tokens, one by one", single, unit="/s"),
            Figure("one by one ÷ batched, traces/s", single / batched),
        ]
        start([MODEL], ClusterOptions(port=args.port, min_replicas=2, max_replicas=2))
        figures += killed(remote, texts, args.requests)
    finally:
        stop(options)
    return publish("serving", figures, where)


def new_texts() -> Iterator[str]:
    """Words in an order that did not come before."""
    for numbers in itertools.permutations(range(len(WORDS)), 8):
        yield " ".join(WORDS[i] for i in numbers)


def long_text(model: Any, texts: Iterator[str], n_tokens: int) -> str:
    """A text of exactly so many tokens."""
    words = " ".join(itertools.islice(texts, 40)).split()
    for n_words in range(1, len(words)):
        text = " ".join(words[:n_words])
        if len(model.tokenizer.encode(text)) >= n_tokens:
            return text
    raise ValueError(f"These words make no text of {n_tokens} tokens.")


def overhead(local: Any, remote: Any, texts: Iterator[str], n_runs: int) -> list[Figure]:
    """Milliseconds that a trace of 128 tokens takes longer by way of the cluster."""
    here, there, more = [], [], []
    for run in range(n_runs + 5):
        text = long_text(local, texts, 128)
        times = []
        for model in (local, remote):
            began = time.perf_counter()
            model.trace(text)
            times.append(1e3 * (time.perf_counter() - began))
        if run >= 5:  # the first ones warm up
            here.append(times[0])
            there.append(times[1])
            more.append(times[1] - times[0])
    return [
        Figure.of("trace here, 128 tokens", here, unit="ms"),
        Figure.of("trace by way of the cluster, 128 tokens", there, unit="ms"),
        Figure.of("overhead of a trace, 128 tokens", more, bar=15, unit="ms"),
    ]


def throughput(remote: Any, texts: Iterator[str], n_requests: int) -> float:
    """Traces a second that this many at once get."""
    batch = list(itertools.islice(texts, n_requests))
    with ThreadPoolExecutor(CONCURRENT) as pool:
        list(pool.map(remote.trace, batch[:CONCURRENT]))
        began = time.perf_counter()
        list(pool.map(remote.trace, batch))
        return n_requests / (time.perf_counter() - began)


def killed(remote: Any, texts: Iterator[str], n_requests: int) -> list[Figure]:
    """Requests that are lost when one of two replicas is killed while they run."""
    batch = list(itertools.islice(texts, n_requests))
    killer = threading.Timer(0.5, lambda: kill_outright(replicas(MODEL)[0]))
    killer.start()
    slowest = 0.0

    def one(text: str) -> bool:
        nonlocal slowest
        began = time.perf_counter()
        try:
            is_right = remote.trace(text).text == text
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a lost request)
            print(f"lost: {error!r}", file=sys.stderr)
            return False
        slowest = max(slowest, time.perf_counter() - began)
        return is_right

    with ThreadPoolExecutor(CONCURRENT) as pool:
        n_lost = sum(not ok for ok in pool.map(one, batch))
    killer.join()
    return [
        Figure(f"replica killed under {n_requests} requests: lost", n_lost, bar=0, unit=""),
        Figure("replica killed: the slowest request", slowest, unit="s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
