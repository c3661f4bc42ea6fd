"""Requests to a cluster's proxy, repeated where a replica is lost on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError

from transformer_core.errors import (
    BusyError,
    FileFormatError,
    ModelUnavailableError,
)
from transformer_core.serving.address import ROUTE, Address
from transformer_core.serving.faults import error_from_bytes
from transformer_core.serving.packets import Frames

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

MARK = "x-transformer-workbench"
"""A header of every answer that a replica gave itself; the proxy's own have none."""

MEDIA_TYPE = "application/octet-stream"
CONNECT_S, READ_S = 3.0, 300.0
PATIENCE_S = 60.0
"""How long a request is repeated while no replica answers: a new one takes some ten seconds."""

MAX_LOST = 6
"""Replicas that may be lost over one request; it may be what they die of."""

_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
_POOL_SIZE = 32


class LostError(Exception):
    """Whoever was to answer is gone; the request may be repeated. Never leaves this package."""


@lru_cache(maxsize=8)
def _pool(url: str) -> urllib3.HTTPConnectionPool:
    """Connections to a cluster, kept open and shared by all threads."""
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    return urllib3.connection_from_url(url, maxsize=_POOL_SIZE, timeout=timeout, retries=False)


class Line:
    """A line to one model on a cluster; safe to use from several threads.

    Args:
        address: Where it is.
        patience_s: How long to go on while nobody answers.
    """

    def __init__(self, address: Address, *, patience_s: float = PATIENCE_S) -> None:
        self.address = address
        self.patience_s = patience_s
        self._pool = _pool(address.url)

    def ask(self, verb: str, content: bytes, *, patience_s: float | None = None) -> bytes:
        """Ask for something and wait for the whole answer.

        Raises:
            TransformerCoreError: What the model itself says is wrong.
            ModelUnavailableError: If the cluster is not there, or does not serve the model.
            BusyError: If it takes no more requests.
        """
        patience = Patience(self.address, patience_s or self.patience_s)
        while True:
            try:
                return self._asked(verb, content)
            except LostError as lost:
                patience.wait(lost)

    def stream(self, verb: str, content: bytes) -> Iterator[bytes]:
        """Ask for something that comes frame by frame; close the iterator to end it early.

        Raises:
            LostError: If it breaks off; what came until then holds.
            TransformerCoreError: As :meth:`ask`.
        """
        response = self._sent(verb, content, is_whole=False)
        try:
            self._check(response, lambda: response.read(decode_content=False))
            frames = Frames()
            for chunk in response.stream(2**16, decode_content=False):
                yield from frames.add(chunk)
            if not frames.is_between:
                raise LostError("the stream broke off")
        except (HTTPError, OSError, FileFormatError) as error:
            raise LostError(str(error)) from error
        finally:
            response.close()

    def _asked(self, verb: str, content: bytes) -> bytes:
        response = self._sent(verb, content, is_whole=True)
        self._check(response, lambda: response.data)
        return response.data

    def _sent(self, verb: str, content: bytes, *, is_whole: bool) -> BaseHTTPResponse:
        try:
            return self._pool.urlopen(
                "POST",
                f"{self.address.path}/{verb}",
                body=content,
                headers={"content-type": MEDIA_TYPE, "accept-encoding": "identity"},
                preload_content=is_whole,
                redirect=False,
            )
        except NewConnectionError as error:
            raise AbsentError(str(error)) from error
        except (HTTPError, OSError) as error:
            raise LostError(str(error)) from error

    def _check(self, response: BaseHTTPResponse, content: Callable[[], bytes]) -> None:
        """Raise what an answer that is none says."""
        is_own = MARK in response.headers
        if response.status == HTTPStatus.OK and is_own:
            return
        said = content()
        if is_own:
            error = error_from_bytes(said)
            if error is not None:
                raise error
            raise RuntimeError(f"{self.address}: the replica failed: {said[:200]!r}")
        if response.status == HTTPStatus.NOT_FOUND:
            raise ModelUnavailableError(self._not_served())
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise FullError(said[:200].decode("utf-8", "replace"))
        raise LostError(f"the proxy answered {response.status}")

    def _not_served(self) -> str:
        cluster = self.address.cluster
        served = ", ".join(served_models(self.address)) or "no model"
        return (
            f"{cluster} does not serve {self.address.model_id!r}; it serves {served}. Start it "
            f"there: python -m transformer_core serve {self.address.model_id}"
        )


class AbsentError(LostError):
    """Nobody listens there."""


class FullError(LostError):
    """The cluster takes no more requests now."""


class Patience:
    """How long, and over how many lost replicas, one request is repeated.

    Args:
        address: Whom it goes to.
        seconds: How long.
    """

    def __init__(self, address: Address, seconds: float) -> None:
        self._address = address
        self._end = time.monotonic() + seconds
        self._n_lost = 0

    def wait(self, lost: LostError) -> None:
        """Wait a little before the next try.

        Raises:
            ModelUnavailableError: If it is in vain.
            BusyError: If the cluster was full all the time.
        """
        pause = _PAUSES[min(self._n_lost, len(_PAUSES) - 1)]
        self._n_lost += 1
        is_dying = self._n_lost > MAX_LOST and not isinstance(lost, AbsentError | FullError)
        if is_dying or time.monotonic() + pause > self._end:
            self._give_up(lost)
        time.sleep(pause)

    def _give_up(self, lost: LostError) -> NoReturn:
        cluster = self._address.cluster
        if isinstance(lost, FullError):
            raise BusyError(
                f"{cluster} is busy: it has as many requests as it takes. Try again in a moment."
            ) from lost
        if isinstance(lost, AbsentError):
            raise ModelUnavailableError(
                f"No cluster answers at {cluster}. Start one there (make serve, or python -m "
                "transformer_core serve), give the right address, or take the setting "
                "TRANSFORMER_WORKBENCH_RAY_ADDRESS away to load models here."
            ) from lost
        raise ModelUnavailableError(
            f"{self._address} did not answer after {self._n_lost} tries ({lost}). Its replicas "
            "stop or are not ready; the cluster's log says why."
        ) from lost


def served_models(address: Address, *, is_strict: bool = False) -> list[str]:
    """The ids of the models that a cluster serves.

    Args:
        address: Of the cluster, or any model of it.
        is_strict: Whether to say so if it does not answer.

    Raises:
        ModelUnavailableError: If it does not answer.
    """
    try:
        response = _pool(address.url).urlopen("GET", "/-/routes", redirect=False)
        routes = json.loads(response.data)
        return sorted(r.removeprefix(ROUTE) for r in routes if r.startswith(ROUTE))
    except (HTTPError, OSError, ValueError, AttributeError, TypeError) as error:
        if is_strict:
            Patience(address, 0).wait(AbsentError(str(error)))
        return []
