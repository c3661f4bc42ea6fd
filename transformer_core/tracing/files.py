"""Traces as NPZ files: plain arrays and one JSON header, never a pickle."""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transformer_core.errors import FileFormatError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.trace import Provenance, Trace

FORMAT = "transformer-workbench-trace"
VERSION = 1
_TENSORS = ("q", "k", "mask", "bias", "v", "z")


def save_trace(trace: Trace, path: Path, *, details: bool) -> None:
    """Write a trace; the file appears whole or not at all."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    for site in trace.sites:
        layers = [
            trace.record(site, layer=i) if details else trace.light(site, i)
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
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def load_trace(path: Path) -> Trace:
    """Read a trace back.

    Raises:
        FileFormatError: If the file is missing, damaged, or no trace.
    """
    try:
        # Opened here: NumPy leaves a file that is no NPZ open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != FORMAT or header["version"] != VERSION:
            raise FileFormatError(f"{path.name} is no trace of version {VERSION}.")
        return _trace(header, arrays)
    except OSError as error:
        raise FileFormatError(f"{path.name} cannot be read as a trace: {error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path.name} is no trace: a trace is an NPZ file written by Trace.save."
        ) from error


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


def _trace(header: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Trace:
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if name != "header"}
    detailed = {
        site: tuple(_record(tensors, f"{site}/{i}", meta) for i, meta in enumerate(metas))
        for site, metas in header["records"].items()
    }
    streams = header["streams"]
    details = streams and Details(
        attention=detailed,
        resid=_streams(tensors, "resid", streams["resid"]),
        ff=_streams(tensors, "ff", streams["ff"]),
        logits=tensors.get("logits"),
    )
    return Trace(
        provenance=Provenance(**header["provenance"]),
        source=Tokens.from_dict(header["source"]),
        target=None if header["target"] is None else Tokens.from_dict(header["target"]),
        attention={site: tuple(r.light() for r in layers) for site, layers in detailed.items()},
        recompute=(lambda: details) if details else None,
        kept_logits=tensors.get("logits"),
        extra={"interventions": header["interventions"]},
    )


def _record(tensors: dict[str, Tensor], name: str, meta: dict[str, Any]) -> AttentionRecord:
    return AttentionRecord(
        **{field: tensors.get(f"{name}/{field}") for field in _TENSORS},  # type: ignore[arg-type]
        scaling=float(meta["scaling"]),
        is_causal=bool(meta["is_causal"]),
        overrides={head: tensors[f"{name}/override{head}"] for head in meta["overrides"]},
    )


def _streams(
    tensors: dict[str, Tensor], kind: str, counts: dict[str, int]
) -> dict[str, tuple[Tensor, ...]]:
    return {
        site: tuple(tensors[f"{kind}/{site}/{i}"] for i in range(n)) for site, n in counts.items()
    }
