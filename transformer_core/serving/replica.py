"""One replica of one model, as Ray Serve runs it: HTTP around a :class:`Service`.

Only a process of the cluster imports this; the app never needs Ray.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from ray import serve
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse
from threadpoolctl import threadpool_limits

from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.serving.faults import error_to_bytes
from transformer_core.serving.service import STEPS, TRACE, Reply, Service
from transformer_core.serving.transport import MARK, MEDIA_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")
MAX_REQUEST = 64 * 2**20
"""Bytes of a request: a picture or a residual stream, not more."""

_MARKED = {MARK: "1"}
_log = logging.getLogger(__name__)


class Replica:
    """Answers requests about one model.

    Requests for traces that wait while another is computed go together into one forward pass.

    Args:
        model_id: What is loaded, from this machine alone.
        batch_size: Traces of one forward pass at most.
    """

    def __init__(self, model_id: str, batch_size: int) -> None:
        # Threads of one call would wait for each other on a machine with other replicas.
        torch.set_num_threads(1)
        threadpool_limits(1, user_api="blas")
        self._service = Service(load(model_id, allow_download=False))
        self._service.check()
        self._forwards = ThreadPoolExecutor(1, thread_name_prefix="forwards")
        batch: Any = self._traces
        batch.set_max_batch_size(batch_size)
        gc.collect()
        gc.freeze()

    async def __call__(self, request: Request) -> Response:
        """Answer one request; what is wrong with it is an answer, too."""
        verb = request.url.path.rsplit("/", 1)[-1]
        content = await request.body()
        try:
            if len(content) > MAX_REQUEST:
                raise InputError(f"A request has {MAX_REQUEST:,} bytes at most.")
            if verb == STEPS:
                frames = iterate_in_threadpool(self._service.steps(content))
                return StreamingResponse(frames, media_type=MEDIA_TYPE, headers=_MARKED)
            reply = await self._answer(verb, content)
        except InputError as error:
            reply = Reply(error_to_bytes(error), is_error=True)
        except Exception:  # noqa: BLE001  # a bug: it shows as one at the other end, and here
            _log.exception("A request for %r failed", verb[:40])
            said = b"a bug; the replica's log has it"
            return Response(said, HTTPStatus.INTERNAL_SERVER_ERROR, headers=_MARKED)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if reply.is_error else HTTPStatus.OK
        return Response(reply.content, status, headers=_MARKED, media_type=MEDIA_TYPE)

    async def check_health(self) -> None:
        """Run the model on next to nothing; a replica that cannot is replaced."""
        await asyncio.to_thread(self._service.check)

    async def _answer(self, verb: str, content: bytes) -> Reply:
        if verb == TRACE:
            reply: Reply = await self._traces(content)
            return reply
        return await asyncio.to_thread(self._service.answer, verb, content)

    # No waiting for company: what comes while a pass runs is the next batch.
    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0)
    async def _traces(self, contents: list[bytes]) -> list[Reply]:
        return await self._forward(lambda: self._service.traces(contents))

    async def _forward(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._forwards, work)
