"""Attention matrices from elsewhere: a JSON or NPZ file with tokens, or a saved trace, as a Trace.

**JSON**, as ``python -m transformer_core attend`` prints it::

    {"tokens": ["the", "cat"], "pattern": [[0.9, 0.1], [0.4, 0.6]]}

``pattern`` is ``[query key]``, ``[head query key]`` or ``[layer head query key]``. Optional are
``target_tokens`` (what a decoder read), ``site`` (``encoder``, ``decoder`` or ``cross``),
``special`` (positions of special tokens), ``model``, ``layer`` and ``head`` (where a single pattern
comes from).

**NPZ**: arrays of the same names, tokens as an array of strings; or, instead of ``pattern``, one
array a site, named ``encoder``, ``decoder``, ``cross``. What Transformers returns as ``attentions``
fits when stacked, ``[layer 1 head query key]``. A trace saved with ``Trace.save`` is read whole.

Rows are queries and sum to 1; columns are keys. Tokens that read like ``[CLS]``, ``<s>`` or
``<|end|>`` count as special unless ``special`` says which do.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transformer_core.errors import FileFormatError
from transformer_core.settings import settings
from transformer_core.tokenization.tokens import Tokens, readable
from transformer_core.tracing import archives
from transformer_core.tracing.archives import read_arrays
from transformer_core.tracing.files import HEADER, trace_of
from transformer_core.tracing.trace import SITES, Trace

MAX_JSON = 25 * 2**20
"""Bytes of a JSON file."""
_UNPACKED = 4
"""How many times its largest size an NPZ file may unpack to."""
MAX_TOKENS = 4096
"""Tokens along an axis."""
MAX_CELLS = 50_000_000
"""Weights in all, 200 MB of them."""
MAX_LABEL = 200
"""Characters of a token."""

_SPECIAL = re.compile(r"\[(CLS|SEP|PAD|BOS|EOS)\]|</?s>|<(pad|bos|eos)>|<\|[^|]{1,40}\|>")
_AXES = {2: "query, key", 3: "head, query, key", 4: "layer, head, query, key"}


def read_matrix(content: bytes, name: str) -> Trace:
    """Open an attention matrix of one's own, or a saved trace; see this module for the formats.

    Args:
        content: The file's bytes.
        name: The file's name, for the picture and for errors.

    Raises:
        FileFormatError: If the file is none of these, too large, or lacks something.
        InputError: If rows do not sum to 1, or weights and tokens do not fit together.
    """
    limit = settings().upload_megabytes
    if len(content) > limit * 2**20:
        raise FileFormatError(
            f"{name} has {len(content) / 2**20:,.0f} MiB; at most {limit:,} MiB are read."
        )
    if content.startswith(b"PK"):
        most = min(_UNPACKED * limit * 2**20, archives.MAX_UNPACKED)
        arrays = read_arrays(io.BytesIO(content), name, most=most)
        trace = trace_of(arrays, name) if HEADER in arrays else _from_fields(_listed(arrays), name)
    else:
        trace = _from_fields(_json(content, name), name)
    notes = (*trace.notes, f"Opened from the file {readable(name)}.")
    return replace(trace, extra={**trace.extra, "file": name, "notes": notes})


@dataclass(frozen=True)
class _Fields:
    """The entries of a file, each checked when it is taken."""

    entries: Mapping[str, Any]
    name: str

    def labels(self, key: str) -> Tokens | None:
        """A list of tokens, as people read them."""
        values = self.entries.get(key)
        if values is None:
            return None
        if not isinstance(values, Sequence) or isinstance(values, str | bytes):
            raise FileFormatError(f"{self.name}: {key} must be a list of texts, one a token.")
        if not 0 < len(values) <= MAX_TOKENS:
            raise FileFormatError(
                f"{self.name}: {key} has {len(values):,} tokens; from 1 to {MAX_TOKENS:,} are read."
            )
        wrong = next((value for value in values if not isinstance(value, str)), None)
        if wrong is not None:
            raise FileFormatError(f"{self.name}: {key} must hold texts; {_short(wrong)} is none.")
        shown = [readable(value[:MAX_LABEL]) for value in values]
        return Tokens.from_labels(shown, is_special=self._special(key, values))

    def _special(self, key: str, values: Sequence[str]) -> list[bool]:
        said = self.entries.get("special")
        if key != "tokens" or said is None:
            return [_SPECIAL.fullmatch(value) is not None for value in values]
        if not isinstance(said, list) or not all(isinstance(index, int) for index in said):
            raise FileFormatError(f"{self.name}: special must be a list of positions.")
        return [position in said for position in range(len(values))]

    def patterns(self, key: str) -> Tensor:
        """Weights as ``[layer head query key]``."""
        try:
            weights = np.asarray(self.entries[key], dtype=np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise FileFormatError(
                f"{self.name}: {key} must be numbers in rows of equal length."
            ) from error
        if weights.ndim == 5 and weights.shape[1] == 1:
            weights = weights[:, 0]
        if weights.ndim not in _AXES or 0 in weights.shape:
            raise FileFormatError(
                f"{self.name}: {key} has the shape {weights.shape}; its axes must be "
                f"{' or '.join(f'({axes})' for axes in _AXES.values())}, none of them empty."
            )
        if weights.size > MAX_CELLS:
            raise FileFormatError(
                f"{self.name}: {key} has {weights.size:,} weights; at most {MAX_CELLS:,} are read. "
                "Keep fewer layers."
            )
        is_layers = weights.ndim == 3 and self.entries.get("layer") is None and self._has_head
        while weights.ndim < 4:
            weights = weights[:, None] if is_layers and weights.ndim == 3 else weights[None]
        return torch.from_numpy(np.ascontiguousarray(weights))

    @property
    def _has_head(self) -> bool:
        return self.entries.get("head") is not None

    def sites(self, *, has_target: bool) -> dict[str, Tensor]:
        """The patterns of each site."""
        if "pattern" not in self.entries:
            found = [site for site in SITES if site in self.entries]
            if not found:
                raise FileFormatError(
                    f"{self.name} holds no attention: there is no entry named pattern (nor "
                    f"{', '.join(SITES)}), but {_listing(self.entries)}."
                )
            return {site: self.patterns(site) for site in found}
        site = self.entries.get("site") or ("cross" if has_target else "encoder")
        if site not in SITES:
            raise FileFormatError(
                f"{self.name}: there is no site {_short(site)}; there are {', '.join(SITES)}."
            )
        return {str(site): self.patterns("pattern")}

    @property
    def title(self) -> str:
        """What to call it: the model it came from, the one place in it, the file."""
        model, place = self.entries.get("model"), ""
        for key, letter in (("layer", " L"), ("head", " H")):
            value = self.entries.get(key)
            place += f"{letter}{value}" if isinstance(value, int) else ""
        if not isinstance(model, str) or not model:
            return f"{self.name}{place}"
        return f"{readable(model[:MAX_LABEL])}{place} ({self.name})"


def _from_fields(entries: Mapping[str, Any], name: str) -> Trace:
    fields = _Fields(entries, name)
    source, target = fields.labels("tokens"), fields.labels("target_tokens")
    if source is None:
        raise FileFormatError(
            f"{name} names no tokens: there is no entry named tokens, but {_listing(entries)}."
        )
    sites = fields.sites(has_target=target is not None)
    if target is None and "cross" in sites:
        raise FileFormatError(f"{name}: cross-attention needs target_tokens, the queries.")
    return Trace.from_patterns(sites, source=source, target=target, name=fields.title)


def _json(content: bytes, name: str) -> Mapping[str, Any]:
    if len(content) > MAX_JSON:
        raise FileFormatError(
            f"{name} has {len(content) / 2**20:,.0f} MiB of JSON; at most {MAX_JSON // 2**20} MiB "
            "are read, which take twenty times as much memory. Save it as NPZ."
        )
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{name} is neither JSON nor NPZ ({type(error).__name__}). Open what `attend` printed, "
            "or a file of numpy.savez with pattern and tokens."
        ) from error
    if not isinstance(entries, dict):
        raise FileFormatError(f"{name} must be a JSON object with pattern and tokens.")
    return entries


def _listed(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Arrays of strings, and of one entry, as the plain values that JSON would have."""
    entries: dict[str, Any] = {}
    for key, array in arrays.items():
        is_bytes = array.dtype.kind == "S"
        values = np.char.decode(array, "utf-8", "replace") if is_bytes else array
        is_plain = values.dtype.kind == "U" or values.ndim == 0 or key == "special"
        entries[key] = values.tolist() if is_plain else values
    return entries


def _short(value: Any) -> str:
    """What a value looks like, no longer than one reads."""
    shown = repr(value)
    return shown if len(shown) <= MAX_LABEL else f"{shown[:MAX_LABEL]}…"


def _listing(entries: Mapping[str, Any]) -> str:
    names = [readable(str(key)[:40]) for key in list(entries)[:8]]
    return ", ".join(names) + (" …" if len(entries) > 8 else "") if names else "nothing at all"
