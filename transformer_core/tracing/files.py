"""Traces as NPZ files: plain arrays and one JSON header, never a pickle."""

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transformer_core.errors import FileFormatError, InputError, StorageError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing import vision
from transformer_core.tracing.archives import Arrays, read_arrays
from transformer_core.tracing.checks import check_record
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.trace import SITES, Provenance, Trace

FORMAT = "transformer-workbench-trace"
VERSION = 1
HEADER = "header"
_TENSORS = ("q", "k", "mask", "bias", "v", "z")


def save_trace(trace: Trace, path: Path, *, details: bool) -> None:
    """Write a trace; the file appears whole or not at all.

    Raises:
        StorageError: If there is no room or no permission for it.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    for site in trace.sites:
        layers = [
            trace.record(site, layer=i) if details else trace.light(site, i).light()
            for i in range(trace.n_layers(site))
        ]
        records[site] = [_put_record(arrays, f"{site}/{i}", r) for i, r in enumerate(layers)]
    resid = _put_details(arrays, trace.details) if details else None
    if trace.logits is not None if details else trace.kept_logits is not None:
        _put(arrays, "logits", trace.logits)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "provenance": asdict(trace.provenance),
        "source": trace.source.to_dict(),
        "target": None if trace.target is None else trace.target.to_dict(),
        "interventions": [str(i) for i in trace.interventions],
        "records": records,
        "streams": resid,
    }
    header |= vision.put(arrays, trace)
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    _write(path, arrays)


def _write(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Make room on the disk, choose "
            "another folder, or save without details."
        ) from error


def load_trace(path: Path) -> Trace:
    """Read a trace back.

    Raises:
        FileFormatError: If the file is missing, damaged, or no trace.
    """
    try:
        with path.open("rb") as file:
            arrays = read_arrays(file, path.name)
    except OSError as error:
        raise FileFormatError(f"{path.name} cannot be read as a trace: {error}.") from error
    return trace_of(arrays, path.name)


def trace_of(arrays: Arrays, name: str) -> Trace:
    """Make a trace of the arrays of its file.

    Raises:
        FileFormatError: If they are no trace, or contradict each other.
    """
    try:
        header = json.loads(arrays[HEADER].tobytes())
        if header["format"] != FORMAT or header["version"] != VERSION:
            raise FileFormatError(f"{name} is no trace of version {VERSION}.")
        json.dumps(header, ensure_ascii=False).encode()  # half a surrogate pair ends here
        return _trace(header, arrays)
    except (
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise FileFormatError(
            f"{name} is no trace: a trace is an NPZ file written by Trace.save."
        ) from error
    except InputError as error:
        raise FileFormatError(f"{name} is a damaged trace: {error}") from error


def _put(arrays: dict[str, np.ndarray[Any, Any]], name: str, tensor: Tensor | None) -> None:
    if tensor is not None:
        kept = tensor if tensor.dtype == torch.bool else tensor.float()
        arrays[name] = kept.detach().cpu().numpy()


def _put_record(
    arrays: dict[str, np.ndarray[Any, Any]], name: str, record: AttentionRecord
) -> dict[str, Any]:
    for field in _TENSORS:
        _put(arrays, f"{name}/{field}", getattr(record, field))
    for head, pattern in record.overrides.items():
        _put(arrays, f"{name}/override{head}", pattern)
    return {
        "scaling": record.scaling,
        "is_causal": record.is_causal,
        "overrides": list(record.overrides),
    }


def _put_details(arrays: dict[str, np.ndarray[Any, Any]], details: Details) -> dict[str, Any]:
    streams: dict[str, Any] = {"resid": {}, "ff": {}}
    for kind, by_site in (("resid", details.resid), ("ff", details.ff)):
        for site, layers in by_site.items():
            streams[kind][site] = len(layers)
            for i, tensor in enumerate(layers):
                _put(arrays, f"{kind}/{site}/{i}", tensor)
    return streams


def _trace(header: dict[str, Any], arrays: Arrays) -> Trace:
    own = {HEADER, vision.KEY}
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if name not in own}
    bare = Trace(
        provenance=Provenance(**header["provenance"]),
        source=Tokens.from_dict(header["source"]),
        target=None if header["target"] is None else Tokens.from_dict(header["target"]),
        attention={},
        extra={"interventions": header["interventions"], **vision.taken(arrays, header)},
    )
    detailed = {
        site: _records(tensors, bare, site, metas) for site, metas in header["records"].items()
    }
    if not detailed:
        raise InputError("it holds no attention.")
    streams = header["streams"]
    details = streams and Details(
        attention=detailed,
        resid=_streams(tensors, "resid", streams["resid"]),
        ff=_streams(tensors, "ff", streams["ff"]),
        logits=tensors.get("logits"),
    )
    return replace(
        bare,
        attention={site: tuple(r.light() for r in layers) for site, layers in detailed.items()},
        recompute=(lambda: details) if details else None,
        kept_logits=tensors.get("logits"),
    )


def _records(
    tensors: dict[str, Tensor], trace: Trace, site: str, metas: list[dict[str, Any]]
) -> tuple[AttentionRecord, ...]:
    """The layers of a site, once they fit its tokens."""
    if site not in SITES or (site == "cross" and trace.target is None):
        raise InputError(f"it has the site {site!r}.")
    n_tokens = len(trace.query_tokens(site)), len(trace.key_tokens(site))
    layers = tuple(
        _record(tensors, (site, layer), meta, n_tokens) for layer, meta in enumerate(metas)
    )
    if len({layer.n_heads for layer in layers}) != 1:
        raise InputError(f"its layers at {site!r} differ in heads, or there are none.")
    return layers


def _record(
    tensors: dict[str, Tensor],
    place: tuple[str, int],
    meta: dict[str, Any],
    n_tokens: tuple[int, int],
) -> AttentionRecord:
    name = f"{place[0]}/{place[1]}"
    fields = {field: tensors.get(f"{name}/{field}") for field in _TENSORS}
    scaling = float(meta["scaling"])
    overrides = {int(head): tensors[f"{name}/override{head}"] for head in meta["overrides"]}
    check_record(fields, overrides=overrides, scaling=scaling, n_tokens=n_tokens, where=name)
    return AttentionRecord(
        **fields,  # type: ignore[arg-type]
        scaling=scaling,
        is_causal=bool(meta["is_causal"]),
        overrides=overrides,
    )


def _streams(
    tensors: dict[str, Tensor], kind: str, counts: dict[str, int]
) -> dict[str, tuple[Tensor, ...]]:
    streams = {
        site: tuple(tensors[f"{kind}/{site}/{i}"] for i in range(n)) for site, n in counts.items()
    }
    for site, layers in streams.items():
        if any(tensor.ndim != 2 or not tensor.is_floating_point() for tensor in layers):
            raise InputError(f"{kind} at {site!r} is not a row of numbers a token.")
    return streams
