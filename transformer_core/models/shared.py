"""Models and traces that all sessions of a server share: loaded once, computed in one queue."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError
from transformer_core.keeping import ByteCache
from transformer_core.models.allocator import give_memory_back
from transformer_core.queueing import Ask, InferenceQueue, Limits, Ticket
from transformer_core.weighing import Blocks, weigh, weigh_module

if TYPE_CHECKING:
    from transformer_core.models.cache import Progress
    from transformer_core.settings import Settings
    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace

Load = Callable[[str, "Progress"], "TraceableModel"]

ABSENCE = 120.0
"""Seconds for which a model that nobody uses any more stays: a page that is loaded anew is another
session, and the model would have to be loaded again for it."""


@dataclass(frozen=True)
class Wanted:
    """What is to be traced.

    Attributes:
        model: By which model.
        key: Where the trace is kept.
        source: Tokens that the model, or its encoder, reads; for a vision model an image.
        target: What the decoder of an encoder–decoder reads; None lets it write first.
    """

    model: TraceableModel
    key: Hashable
    source: Tokens | Any
    target: str | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens of both sides, about; 1 for a picture."""
        if self.model.card.reads != "text":
            return 1
        return len(self.source) + (0 if self.target is None else 1 + len(self.target) // 4)


class Shared:
    """The models and traces of one server, within the memory that its settings allow.

    Args:
        load: Loads a model.
        settings: How much is kept, and how many may wait.
        absence: Seconds for which the models of a session that left stay.
        clock: Tells seconds.
    """

    def __init__(
        self,
        load: Load,
        settings: Settings,
        *,
        absence: float = ABSENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.absence = absence
        self._load = load
        self._clock = clock
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")
        self._loading: dict[str, Future[TraceableModel]] = {}
        self._progress: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._left: dict[Hashable, float] = {}  # sessions that ended, and when
        self.models = ByteCache[Any](
            settings.model_cache_megabytes * 2**20, _weigh_model, on_drop=self._forget
        )
        self.kept = ByteCache[Any](
            settings.trace_cache_megabytes * 2**20, self._weigh, mark=_has_details
        )
        self.queue = InferenceQueue[Wanted, Any](
            self._compute,
            Limits(settings.queue_length, settings.queue_window_ms / 1000, settings.batch_size),
        )

    # -- models -----------------------------------------------------------------------------

    def is_loaded(self, model_id: str) -> bool:
        """Whether a model is there, or failed to load; begins to load it if neither."""
        return self.models.peek(model_id) is not None or self._future(model_id).done()

    def progress_of(self, model_id: str) -> tuple[str, float]:
        """What is being done to load a model, and which share of that is done."""
        return self._progress.get(model_id, ("Loading", 0.0))

    def model_of(self, model_id: str, user: Hashable = None) -> Any:
        """A model, loaded once for everybody.

        Raises:
            ModelUnavailableError: If it cannot be loaded; the next call tries again.
        """
        if user is not None and self._left:
            with self._lock:
                self._left.pop(user, None)  # a connection that broke is there again
        found = self.models.get(model_id, user)
        if found is not None:
            return found
        future = self._future(model_id)
        try:
            model = future.result()
        finally:
            with self._lock:
                if self._loading.get(model_id) is future:
                    del self._loading[model_id]
        self.models.use(model_id, user)
        return model

    def _future(self, model_id: str) -> Future[TraceableModel]:
        with self._lock:
            if model_id not in self._loading:
                self._progress[model_id] = ("Waiting for another model", 0.0)
                self._loading[model_id] = self._loader.submit(self._loaded, model_id)
            return self._loading[model_id]

    def _loaded(self, model_id: str) -> TraceableModel:
        found: TraceableModel | None = self.models.peek(model_id)
        if found is not None:
            return found

        def report(message: str, share: float) -> None:
            self._progress[model_id] = (message, share)

        report("Loading PyTorch", 0.0)
        model = self._load(model_id, report)
        self.models.put(model_id, model)
        with self._lock:  # found in the cache from now on
            self._loading.pop(model_id, None)
        # What was just loaded stays: without this every full collection walks through it.
        gc.collect()
        gc.freeze()
        return model

    def _forget(self, model_id: Hashable) -> None:
        """Let go of what a model that went has computed: each trace can run it, so holds it."""
        self.kept.drop(lambda key: is_about(key, model_id))
        # Loading froze the heap; what a model's parts refer to in circles is freed only so.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        give_memory_back()

    # -- traces -----------------------------------------------------------------------------

    def trace(
        self, model_id: str, source: Any, target: str | None = None, *, session: Hashable = None
    ) -> Trace | Ticket[Trace]:
        """A trace that is kept, or a place in the queue for it.

        Args:
            model_id: By which model; it is loaded if it is not there.
            source: A text.
            target: What the decoder of an encoder–decoder reads; None lets it write first.
            session: Who asks; None for nobody in particular, who is never superseded.

        Raises:
            InputError: If the text cannot be used.
            QueueFullError: If too many wait.
            ModelUnavailableError: If the model cannot be loaded.
        """
        key = ("trace", model_id, source, target)
        found: Trace | None = self.kept.get(key, session)
        if found is not None:
            return found
        model = self.model_of(model_id, session)
        # Read before it waits: what cannot be used is said at once, and its length is known.
        wanted = Wanted(model, key, *_read(model, source, target))
        asker = object() if session is None else session
        has_to_write = "cross" in model.sites and target is None
        group = (model, has_to_write)  # nobody waits for what only another has to have written
        is_alone = model.card.reads != "text"
        return self.queue.submit(
            Ask(asker, group, key, wanted, size=wanted.n_tokens, is_alone=is_alone)
        )

    def use(self, model_id: str, source: Any, target: str | None, session: Hashable) -> None:
        """Note that a session looks at a trace that came out of the queue."""
        self.kept.use(("trace", model_id, source, target), session)

    def _compute(self, _group: Hashable, wanted: list[Wanted]) -> list[Trace]:
        """Trace a batch; what was kept meanwhile is not computed again."""
        model: Any = wanted[0].model
        kept: dict[Hashable, Any] = {one.key: self.kept.peek(one.key) for one in wanted}
        missing = [one for one in wanted if kept[one.key] is None]
        if missing:
            sources, targets = [w.source for w in missing], [w.target for w in missing]
            traces = model.trace_many(sources, targets)
            for one, trace in zip(missing, traces, strict=True):
                kept[one.key] = trace
                self.kept.put(one.key, trace)
        return [kept[one.key] for one in wanted]

    def _weigh(self, value: Any) -> Blocks:
        """What a value keeps alive beside the models, whose weights it may refer to."""
        blocks = weigh(value)
        return {block: size for block, size in blocks.items() if not self.models.holds(block)}

    # -- sessions ---------------------------------------------------------------------------

    def leave(self, session: Hashable) -> None:
        """A session has ended: what only it looked at goes, its models a little later."""
        self.kept.release(session)
        with self._lock:
            self._left[session] = self._clock()
            is_first = len(self._left) == 1
        if is_first:
            self._look_later(self.absence)

    def let_go(self) -> None:
        """Let go of the models of those who left long ago, and look again later for the others."""
        now = self._clock()
        with self._lock:
            gone = [who for who, when in self._left.items() if now - when >= self.absence]
            for session in gone:
                del self._left[session]
            oldest = min(self._left.values(), default=None)
        for session in gone:
            self.models.release(session)
        if oldest is not None:
            self._look_later(oldest + self.absence - now)

    def close(self) -> None:
        """Compute nothing more, load nothing more, keep nothing."""
        self.queue.close(wait=False)
        self._loader.shutdown(wait=False, cancel_futures=True)
        self.models.drop()
        self.kept.drop()

    def _look_later(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self.let_go)
        timer.daemon = True
        timer.start()


def is_about(key: Hashable, model_id: Hashable) -> bool:
    """Whether a key names a model, at any depth."""
    if isinstance(key, tuple):
        return any(is_about(part, model_id) for part in key)
    return key == model_id


def _read(model: Any, source: Any, target: str | None) -> tuple[Any, str | None]:
    """What is read: a text's tokens; a picture as it is.

    Raises:
        InputError: If it cannot be used.
    """
    if model.card.reads != "text":
        return source, None
    if target is not None and "cross" not in model.sites:
        raise InputError(f"{model.card.name} has no decoder of its own: give it one text.")
    return model.tokenizer.encode(source), target


def _has_details(value: Any) -> bool:
    return bool(getattr(value, "is_detailed", False))


def _weigh_model(model: Any) -> Blocks:
    """A model's weights; one that is on another machine has none here."""
    try:
        return weigh_module(model.module)
    except InputError:
        return {}
