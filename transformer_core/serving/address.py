"""Addresses of models on a cluster: ``ray://host:port/model``. No torch, no Ray."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transformer_core.errors import ModelUnavailableError

SCHEME = "ray://"
DEFAULT_PORT = 8000
"""Where Ray Serve's proxy listens unless told otherwise."""

ROUTE = "/models/"
"""Under this prefix of the proxy each model has its id as its path."""

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_ADDRESS = re.compile(
    r"ray://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>\d{1,5}))?(/(?P<model>.*))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Address:
    """Where a cluster's proxy listens, and the model that is meant.

    Attributes:
        host: A name or a number; in brackets where it is one of IPv6.
        port: Of the proxy.
        model_id: As the cluster's catalogue has it; empty in the address of a cluster.
    """

    host: str
    port: int
    model_id: str = ""

    @property
    def cluster(self) -> str:
        """The address without the model."""
        return f"{SCHEME}{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """What HTTP calls the cluster."""
        return f"http://{self.host}:{self.port}"

    @property
    def path(self) -> str:
        """The model's path at the proxy."""
        return route_of(self.model_id)

    def __str__(self) -> str:
        return f"{self.cluster}/{self.model_id}"


def is_address(name: str) -> bool:
    """Whether a name is meant as an address."""
    return name.startswith(SCHEME)


def route_of(model_id: str) -> str:
    """The path of a model at the proxy."""
    return ROUTE + model_id


def read_address(name: str, *, model_id: str | None = None) -> Address:
    """Read ``ray://host[:port][/model]``.

    Args:
        name: The address.
        model_id: The model, where the address names a cluster only.

    Raises:
        ModelUnavailableError: If it is none, or no model is named.
    """
    found = _ADDRESS.fullmatch(name)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 2**16:
        raise ModelUnavailableError(
            f"{name[:120]!r} is no address of a model: ray://host:port/model, such as "
            f"ray://127.0.0.1:{DEFAULT_PORT}/minilm."
        )
    wanted = (found["model"] or "").rstrip("/") if model_id is None else model_id
    if not is_model_id(wanted):
        raise ModelUnavailableError(
            f"{name[:120]!r} names no model: add its id, such as {SCHEME}{found['host']}:{port}"
            "/minilm."
        )
    return Address(found["host"], port, wanted)


def is_model_id(model_id: str) -> bool:
    """Whether a model of this name can be served: an id of the catalogue or of the hub."""
    return _MODEL_ID.fullmatch(model_id) is not None
