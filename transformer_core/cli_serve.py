"""``python -m transformer_core serve``: the models on Ray Serve, and the app beside them."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from transformer_core.errors import InputError
from transformer_core.serving.address import DEFAULT_PORT, SCHEME
from transformer_core.serving.cluster import LOOPBACK, ClusterOptions, models_to_serve, start, stop
from transformer_core.settings import settings, variable

_ROOT = Path(__file__).resolve().parents[1]
_GRACE_S = 10.0


def add_serve(verbs: Any) -> None:
    """Add the verb."""
    serve = verbs.add_parser(
        "serve",
        help="serve models to this and other machines",
        description="Hold models on Ray Serve until Ctrl-C; tc.load and the app open them by their "
        "address. Needs requirements-serve.txt. The address asks nobody who they are: bind it to "
        "loopback or a private network.",
    )
    serve.add_argument(
        "models", nargs="*", help="ids (default: the catalogue's that are on this machine)"
    )
    serve.add_argument("--host", default=LOOPBACK, help=f"where to listen (default {LOOPBACK})")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}")
    serve.add_argument(
        "--replicas", default="1:2", metavar="MIN:MAX", help="of each model (default 1:2)"
    )
    serve.add_argument("--join", help="a Ray cluster that runs, or auto (default: start one here)")
    serve.add_argument("--app", action="store_true", help="run the app, too, with these models")
    serve.add_argument("--app-port", type=int, default=8501, help="of the app (default 8501)")
    serve.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    options = ClusterOptions(
        host=args.host,
        port=args.port,
        **_replicas(args.replicas),
        batch_size=settings().batch_size,
        join=args.join,
    )
    model_ids = models_to_serve(args.models)
    # A shell starts what runs beside it deaf to Ctrl-C.
    before = {end: signal.signal(end, _end) for end in (signal.SIGINT, signal.SIGTERM)}
    host = LOOPBACK if options.host in ("", "0.0.0.0", "::") else options.host  # noqa: S104
    cluster = f"{SCHEME}{host}:{options.port}"
    sys.stderr.write(f"Starting {len(model_ids)} models; this takes some twenty seconds.\n")
    app: subprocess.Popen[bytes] | None = None
    try:
        start(model_ids, options)
        sys.stdout.writelines(f"{cluster}/{model_id}\n" for model_id in model_ids)
        sys.stdout.flush()
        if not args.app:
            threading.Event().wait()
        app = _start_app(cluster, args.app_port)
        return app.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for end in before:  # a second Ctrl-C leaves nothing behind either
            signal.signal(end, signal.SIG_IGN)
        if app is not None:
            _stop_app(app)
        stop(options)
        for end, handler in before.items():
            signal.signal(end, handler)


def _replicas(text: str) -> dict[str, int]:
    low, _, high = text.partition(":")
    try:
        return {"min_replicas": int(low), "max_replicas": int(high or low)}
    except ValueError as error:
        raise InputError(
            f"--replicas is {text[:40]!r}; it must be MIN:MAX, such as 1:2."
        ) from error


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _start_app(cluster: str, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {variable("ray_address"): cluster, "OMP_WAIT_POLICY": "passive"}
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):  # the app needs no Ray, so none of its secrets
        environment.pop(name, None)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    return subprocess.Popen(command, cwd=_ROOT, env=environment)  # noqa: S603


def _stop_app(app: subprocess.Popen[bytes]) -> None:
    app.terminate()
    try:
        app.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        app.kill()
        app.wait()
