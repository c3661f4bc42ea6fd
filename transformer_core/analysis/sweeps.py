"""A sweep over all heads in the background: shared, watched, stopped when nobody looks any more."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.analysis.ablation import Head, sweep
from transformer_core.errors import TransformerCoreError
from transformer_core.tracing.interventions import AblationMode
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

PATIENCE = 10.0
"""Seconds for which a sweep goes on after somebody last looked at it."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes:
        n_done: Heads that are known.
        n_heads: All heads.
        is_running: Whether it goes on, or waits for another sweep to end.
        error: Why it could not go on; empty if nothing went wrong.
    """

    n_done: int
    n_heads: int
    is_running: bool
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every head is known."""
        return self.n_done == self.n_heads


class HeadSweep:
    """Measures every head of a site once, for all who ask.

    The work begins when the first watches and goes on while somebody does; what is known stays, and
    the next who watches takes up the rest. Sweeps run one after the other.

    Args:
        model: The model of the trace.
        plain: The untouched model's trace.
        site: Whose heads.
        mode: How each is switched off.
        clock: Tells seconds.
    """

    def __init__(
        self,
        model: TraceableModel,
        plain: Trace,
        site: str,
        mode: AblationMode,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = (model, plain, site, mode)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Head, float] = {}
        self._shape = (plain.n_layers(site), plain.n_heads(site))
        self._watchers: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._error = ""

    @property
    def importance(self) -> Float[Tensor, "layer head"]:
        """Effect of each head alone; NaN where it is not known yet."""
        sizes = torch.full(self._shape, torch.nan)
        with self._lock:
            for head, size in self._known.items():
                sizes[head] = size
        return sizes

    @property
    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            n_heads = self._shape[0] * self._shape[1]
            return Progress(len(self._known), n_heads, self._thread is not None, self._error)

    def watch(self, who: str) -> Progress:
        """Say that somebody waits for the result; begins or goes on with the work."""
        with self._lock:
            self._watchers[who] = self._clock()
            is_complete = len(self._known) == self._shape[0] * self._shape[1]
            if self._thread is None and not is_complete and not self._error:
                self._thread = threading.Thread(target=self._run, name="head-sweep", daemon=True)
                self._thread.start()
        return self.progress

    def leave(self, who: str) -> None:
        """Say that somebody waits no more; the last one stops the work after its present batch."""
        with self._lock:
            self._watchers.pop(who, None)

    def _run(self) -> None:
        model, plain, site, mode = self._work
        error = "The sweep broke off; the log says why."
        try:
            with _one_at_a_time:
                torch.set_num_threads(1)
                for found in sweep(model, plain, site, mode=mode, done=set(self._known)):
                    with self._lock:
                        self._known.update(found)
                        if not self._is_watched():
                            break
            error = ""
        except TransformerCoreError as raised:
            error = str(raised)
        finally:
            with self._lock:
                self._thread, self._error = None, error

    def _is_watched(self) -> bool:
        now = self._clock()
        return any(now - seen < PATIENCE for seen in self._watchers.values())
