"""Traces, their details and the readings of a step as messages, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from transformer_core.errors import FileFormatError
from transformer_core.serving.packets import Packet
from transformer_core.serving.values import (
    from_plain,
    to_plain,
    tokens_from_plain,
    tokens_to_plain,
)
from transformer_core.tracing.history import Noted
from transformer_core.tracing.interventions import Change
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.stepping import Reading
from transformer_core.tracing.trace import Trace
from transformer_core.tracing.vision import KEY as VISION
from transformer_core.tracing.vision import Seen

MAX_SENT_LOGITS = 2**18
"""Bytes of logits that a trace takes along; larger ones are sent when somebody asks for them."""

_TENSORS = ("q", "k", "mask", "bias", "v", "z")


def put_trace(trace: Trace, packet: Packet) -> dict[str, Any]:
    """A trace's light capture, for a header; its tensors go into the packet."""
    logits, following = trace.kept_logits, trace.kept_next
    if logits is not None and logits.numel() * logits.element_size() > MAX_SENT_LOGITS:
        following = logits[-1] if following is None and logits.dim() == 2 else following
        logits = None
    picture = trace.extra.get(VISION)
    return {
        "provenance": to_plain(trace.provenance, packet),
        "source": tokens_to_plain(trace.source),
        "target": tokens_to_plain(trace.target),
        "records": _put_sites(trace.attention, packet),
        "logits": packet.put(logits),
        "next": packet.put(following),
        "picture": _put_picture(picture, packet) if isinstance(picture, Seen) else None,
        "notes": list(trace.notes),
    }


def take_trace(
    header: Mapping[str, Any],
    packet: Packet,
    *,
    recompute: Callable[[Trace], Details],
    interventions: tuple[Change, ...] = (),
) -> Trace:
    """What :func:`put_trace` made.

    Args:
        header: Its header.
        packet: Where its tensors are.
        recompute: Fetches the details of the trace that it is given.
        interventions: Those that it was made with.

    Raises:
        FileFormatError: If it is no trace.
    """
    try:
        source = tokens_from_plain(header["source"])
        if source is None:
            raise FileFormatError("This trace is of nothing.")
        bare = Trace(
            provenance=from_plain(header["provenance"], packet),
            source=source,
            target=tokens_from_plain(header["target"]),
            attention=_take_sites(header["records"], packet),
            kept_logits=packet.take(header["logits"]),
            kept_next=packet.take(header["next"]),
            interventions=interventions,
            extra=_extra(header, packet),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"This is no trace of a served model: {error!r}.") from error
    return replace(bare, recompute=lambda: recompute(bare))


def put_details(details: Details, packet: Packet) -> dict[str, Any]:
    """What a fuller pass adds, without the weights W_O, which are the same for every trace."""
    return {
        "records": _put_sites(details.attention, packet),
        "resid": put_layers(details.resid, packet),
        "ff": put_layers(details.ff, packet),
        "logits": packet.put(details.logits),
    }


def take_details(packet: Packet, out_proj: Mapping[str, tuple[Tensor, ...]]) -> Details:
    """What :func:`put_details` made.

    Args:
        packet: The message.
        out_proj: The model's output projections.

    Raises:
        FileFormatError: If it is none.
    """
    header = packet.header
    try:
        return Details(
            attention=_take_sites(header["records"], packet),
            resid=take_layers(header["resid"], packet),
            ff=take_layers(header["ff"], packet),
            out_proj=out_proj,
            logits=packet.take(header["logits"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"These are no details of a trace: {error!r}.") from error


def put_reading(reading: Reading, packet: Packet) -> dict[str, Any]:
    """What a model answered to a step, and what was noted of it."""
    return {
        "logits": packet.put(reading.logits),
        "n_pos": reading.n_pos,
        "nbytes": reading.nbytes,
        "noted": None if reading.noted is None else _put_noted(reading.noted, packet),
    }


def take_reading(header: Mapping[str, Any], packet: Packet) -> Reading:
    """What :func:`put_reading` made.

    Raises:
        FileFormatError: If it is none.
    """
    try:
        noted = header["noted"]
        return Reading(
            logits=packet.tensor(header["logits"]),
            n_pos=int(header["n_pos"]),
            nbytes=int(header["nbytes"]),
            noted=None if noted is None else _take_noted(noted, packet),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"This is no step of a served model: {error!r}.") from error


def put_layers(by_site: Mapping[str, Sequence[Tensor]], packet: Packet) -> dict[str, Any]:
    """Tensors by site, for a header."""
    return {site: [packet.put(tensor) for tensor in layers] for site, layers in by_site.items()}


def take_layers(header: Mapping[str, Any], packet: Packet) -> dict[str, tuple[Tensor, ...]]:
    """Tensors by site, in layer order."""
    return {site: tuple(packet.tensor(n) for n in names) for site, names in header.items()}


def _put_sites(
    by_site: Mapping[str, Sequence[AttentionRecord]], packet: Packet
) -> dict[str, list[dict[str, Any]]]:
    return {site: [_put_record(r, packet) for r in records] for site, records in by_site.items()}


def _take_sites(
    header: Mapping[str, Any], packet: Packet
) -> dict[str, tuple[AttentionRecord, ...]]:
    return {
        site: tuple(_take_record(record, packet) for record in records)
        for site, records in header.items()
    }


def _put_record(record: AttentionRecord, packet: Packet) -> dict[str, Any]:
    named = {field: packet.put(getattr(record, field)) for field in _TENSORS}
    return {
        **{field: name for field, name in named.items() if name is not None},
        "scaling": record.scaling,
        "is_causal": record.is_causal,
        "overrides": {str(head): packet.put(p) for head, p in record.overrides.items()},
    }


def _take_record(header: Mapping[str, Any], packet: Packet) -> AttentionRecord:
    return AttentionRecord(
        q=packet.tensor(header["q"]),
        k=packet.tensor(header["k"]),
        scaling=float(header["scaling"]),
        is_causal=bool(header["is_causal"]),
        overrides={int(head): packet.tensor(n) for head, n in header["overrides"].items()},
        **{field: packet.take(header.get(field)) for field in _TENSORS[2:]},
    )


def _put_picture(picture: Seen, packet: Packet) -> dict[str, Any]:
    return {
        "image": packet.put_array(picture.image),
        "grid": list(picture.grid),
        "n_special": picture.n_special,
        "labels": list(picture.labels),
    }


def _extra(header: Mapping[str, Any], packet: Packet) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if header["notes"]:
        extra["notes"] = tuple(map(str, header["notes"]))
    picture = header["picture"]
    if picture is not None:
        rows, columns = (int(size) for size in picture["grid"])
        image, labels = packet.array(picture["image"]), tuple(map(str, picture["labels"]))
        extra[VISION] = Seen(image, (rows, columns), int(picture["n_special"]), labels)
    return extra


def _put_noted(noted: Noted, packet: Packet) -> dict[str, Any]:
    return {
        "places": [[site, layer, index] for (site, layer), index in noted.places.items()],
        "q": _put_column(noted.q, packet),
        "k": _put_column(noted.k, packet),
        "scaling": list(noted.scaling),
        "hidden": [[packet.put(mask), packet.put(bias)] for mask, bias in noted.hidden],
        "resid": packet.put(noted.resid),
    }


def _take_noted(header: Mapping[str, Any], packet: Packet) -> Noted:
    return Noted(
        places={(str(site), int(layer)): int(i) for site, layer, i in header["places"]},
        q=_take_column(header["q"], packet),
        k=_take_column(header["k"], packet),
        scaling=tuple(map(float, header["scaling"])),
        hidden=[(packet.take(mask), packet.take(bias)) for mask, bias in header["hidden"]],
        resid=packet.tensor(header["resid"]),
    )


def _put_column(column: Sequence[Tensor] | Tensor, packet: Packet) -> str | list[str | None] | None:
    if isinstance(column, Tensor):
        return packet.put(column)
    return [packet.put(tensor) for tensor in column]


def _take_column(names: Any, packet: Packet) -> Sequence[Tensor] | Tensor:
    if isinstance(names, str):
        return packet.tensor(names)
    return [packet.tensor(name) for name in names]
