"""Starting and stopping the models on Ray Serve, one application and deployment each."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformer_core.errors import ConfigError, ModelUnavailableError
from transformer_core.models.catalogue import find_card, models
from transformer_core.serving.address import DEFAULT_PORT, is_model_id, route_of
from transformer_core.settings import settings, variable

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
_STORE_BYTES = 512 * 2**20
_IN_HAND = 32
_SWITCHES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}


@dataclass(frozen=True)
class ClusterOptions:
    """How models are served.

    Attributes:
        host: Where the proxy listens; only loopback or a private network is safe.
        port: Of the proxy.
        min_replicas, max_replicas: Of each model; between them the load decides.
        batch_size: Traces of one forward pass at most.
        join: The address of a Ray cluster that runs, or ``auto``; None: one is started here, which
            listens on loopback alone and ends with this process.
    """

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    min_replicas: int = 1
    max_replicas: int = 2
    batch_size: int = 16
    join: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that contradict each other.

        Raises:
            ConfigError: If there are some.
        """
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise ConfigError(
                f"{self.min_replicas} to {self.max_replicas} replicas of a model cannot be: at "
                "least 1, and the second number not below the first."
            )
        if not 0 < self.port < 2**16:
            raise ConfigError(f"There is no port {self.port}; ports run from 1 to 65535.")


def models_to_serve(wanted: Sequence[str]) -> list[str]:
    """The models that were asked for, checked; all of the catalogue that are here if none was.

    Raises:
        ModelUnavailableError: If one is not here, or its name cannot be part of an address.
    """
    for name in wanted:
        if not is_model_id(name):
            raise ModelUnavailableError(
                f"{name[:120]!r} cannot be served: give ids of the catalogue or the hub, such as "
                "minilm."
            )
        card = find_card(name)
        if card is not None and not card.is_available:
            raise ModelUnavailableError(f"{name} is not here. Get it: {card.how_to_get}")
    return [*dict.fromkeys(wanted)] or [c.id for c in models() if c.is_available and not c.hub_id]


def start(model_ids: Sequence[str], options: ClusterOptions) -> None:
    """Serve models; returns when each has a replica that answers.

    Raises:
        ModelUnavailableError: If Ray is not installed, or a model does not come up.
    """
    if find_spec("ray") is None:
        raise ModelUnavailableError(
            "Serving needs Ray, which is not installed: pip install -r requirements-serve.txt"
        )
    _prepare(options)
    import ray
    from ray import serve

    _connect(ray, len(model_ids) * options.max_replicas, options.join)
    serve.start(
        proxy_location="HeadOnly" if options.join is None else "EveryNode",
        http_options={"host": options.host, "port": options.port, "request_timeout_s": None},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    try:
        serve.run_many([_target(serve, name, options) for name in model_ids])
    except RuntimeError as error:
        raise ModelUnavailableError(
            f"The models did not come up: {' '.join(str(error).split())[:500]}"
        ) from error


def stop(options: ClusterOptions) -> None:
    """Stop what :func:`start` started; a cluster that was joined goes on without the models."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return  # it did not come so far
    if options.join is not None:
        import_module("ray.serve").shutdown()
    ray.shutdown()  # processes that this one started go with it


def _prepare(options: ClusterOptions) -> None:
    """What Ray reads from the environment when it is imported."""
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if options.join is None and "RAY_AUTH_MODE" not in os.environ:
        # Ray's own ports, which run what they are sent, listen on every network of the machine:
        # without this secret, which dies with the cluster, they refuse.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _connect(ray: Any, n_replicas: int, join: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if join is not None:
        try:
            ray.init(address=join, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ModelUnavailableError(
                f"No Ray cluster answers at {join}: start one there with `ray start --head`. "
                f"({' '.join(str(error).split())[:200]})"
            ) from error
        return
    ray.init(
        # A replica computes in one thread and is idle most of the time: CPUs are counted by
        # replicas, so that all models fit on a small machine.
        num_cpus=max(n_replicas, os.cpu_count() or 1),
        include_dashboard=False,
        object_store_memory=_STORE_BYTES,
        _node_ip_address=LOOPBACK,
        ignore_reinit_error=True,
        **quiet,
    )


def _target(serve: Any, model_id: str, options: ClusterOptions) -> Any:
    from transformer_core.serving.replica import Replica

    deployment = serve.deployment(Replica).options(
        name=model_id.replace("/", "--"),
        autoscaling_config={
            "min_replicas": options.min_replicas,
            "max_replicas": options.max_replicas,
            "initial_replicas": options.min_replicas,
            "target_ongoing_requests": max(1, options.batch_size // 4),
            "upscale_delay_s": 5,
            "downscale_delay_s": 120,
        },
        # What waits in a replica goes on at once; a proxy that finds none free asks ever less.
        max_ongoing_requests=max(_IN_HAND, 2 * options.batch_size),
        max_queued_requests=settings().queue_length * 8,
        health_check_period_s=10,
        health_check_timeout_s=60,
        graceful_shutdown_timeout_s=5,
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": _environment()}},
    )
    application = deployment.bind(model_id, options.batch_size)
    return serve.RunTarget(
        application, name=model_id.replace("/", "--"), route_prefix=route_of(model_id)
    )


def _environment() -> dict[str, str]:
    """What a replica's process needs before it imports torch."""
    return {
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(ROOT),
        # A replica holds its model itself; it must not ask the cluster that it is part of.
        variable("ray_address"): "",
    }
