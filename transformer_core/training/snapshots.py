"""A film of attention: what a model looked at in one example, at steps of its training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.model import Transformer
from transformer_core.model.masks import both, causal_mask
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.archives import Arrays
from transformer_core.tracing.trace import Trace
from transformer_core.training.learning import Learning
from transformer_core.training.records import RecordFormat

FORMAT = RecordFormat("transformer-workbench-film", 1, "film of a training")
SITES = ("encoder", "decoder", "cross")
_RATIO = math.sqrt(2.0)


def is_moment(step: int) -> bool:
    """Tell whether a step is one to look at: 0, 1, 2, 3, 4, 6, 8, 11, 16, … (powers of √2)."""
    return step < 2 or round(_RATIO ** round(math.log(step, _RATIO))) == step


@dataclass(frozen=True, eq=False)
class Frame:
    """What was seen at one step.

    Attributes:
        step: Steps that were done; 0 is before the first.
        patterns: By site all patterns ``[layer head query_pos key_pos]``, as float16.
        nll: Negative log-likelihood of each token that the decoder is taught, in nats.
        guesses: The likeliest token at each position, as people read it.
    """

    step: int
    patterns: dict[str, Float[np.ndarray, "layer head query_pos key_pos"]]
    nll: Float[np.ndarray, " tgt_pos"]
    guesses: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one example, in the order of steps.

    Attributes:
        name: What the run is called.
        source: What the encoder reads.
        target: What the decoder reads: ``<s>`` and the right target.
        labels: What it is taught at each position, as people read it.
        frames: What was seen.
    """

    name: str
    source: Tokens
    target: Tokens
    labels: tuple[str, ...]
    frames: tuple[Frame, ...]

    def trace(self, index: int) -> Trace:
        """Return a frame as a trace of patterns; rows are divided by their sum, as float16 rounds.

        Raises:
            NotInTraceError: If there is no such frame.
        """
        if not 0 <= index < len(self.frames):
            raise NotInTraceError(
                f"Frames run from 0 to {len(self.frames) - 1}: there is no {index}."
            )
        frame = self.frames[index]
        patterns = {
            site: torch.from_numpy(array.astype(np.float32))
            for site, array in frame.patterns.items()
        }
        trace = Trace.from_patterns(
            {site: array / array.sum(-1, keepdim=True) for site, array in patterns.items()},
            source=self.source,
            target=self.target,
            name=self.name,
        )
        where = replace(trace.provenance, revision=f"step {frame.step}")
        return replace(trace, provenance=where)

    def patterns(self, site: str) -> Float[np.ndarray, "frame layer head query_pos key_pos"]:
        """Return all frames of a site, rows summing to 1."""
        stacked = np.stack([frame.patterns[site] for frame in self.frames]).astype(np.float32)
        scaled: np.ndarray = stacked / stacked.sum(-1, keepdims=True)
        return scaled

    def save(self, path: Path) -> None:
        """Write one NPZ file, without pickles."""
        header = {
            "name": self.name,
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "labels": self.labels,
            "steps": [frame.step for frame in self.frames],
            "guesses": [frame.guesses for frame in self.frames],
        }
        arrays: dict[str, Any] = {
            site: np.stack([frame.patterns[site] for frame in self.frames]) for site in SITES
        }
        arrays["nll"] = np.stack([frame.nll for frame in self.frames])
        FORMAT.save(path, header, arrays)

    @classmethod
    def load(cls, path: Path) -> Film:
        """Read what :meth:`save` wrote.

        Raises:
            FileFormatError: If the file is missing, damaged, or something else.
        """

        def build(header: dict[str, Any], arrays: Arrays) -> Film:
            frames = tuple(
                Frame(
                    int(step),
                    {site: arrays[site][i] for site in SITES},
                    arrays["nll"][i],
                    tuple(header["guesses"][i]),
                )
                for i, step in enumerate(header["steps"])
            )
            return cls(
                str(header["name"]),
                Tokens.from_dict(header["source"]),
                Tokens.from_dict(header["target"]),
                tuple(header["labels"]),
                frames,
            )

        return FORMAT.load(path, build)

    @classmethod
    def of_learning(cls, learning: Learning, example: int) -> Film:
        """The moments of a record of learning as a film of cross-attention alone.

        Raises:
            NotInTraceError: If there is no such example.
        """
        learning.trace(0, example)
        target = learning.targets[example]
        frames = tuple(
            Frame(moment.step, {"cross": patterns}, np.zeros(0), ())
            for moment, patterns in zip(learning.moments, learning.patterns[example], strict=True)
        )
        return cls(learning.name, learning.sources[example], target, (), frames)


@torch.no_grad()
def take_frame(
    model: Transformer, source: Tokens, target: Tokens, label_ids: Sequence[int], step: int
) -> tuple[Frame, list[int]]:
    """Look at a model as it stands; its mode stays what it was.

    Returns:
        The frame, with no guesses yet, and the ids of the likeliest token at each position.
    """
    src, tgt = torch.tensor([source.ids]), torch.tensor([target.ids])
    was_training = model.training
    model.eval()
    try:
        with _watched(model) as seen:
            memory = model.encode(src, None)
            logits = model.unembed(model.decode(tgt, memory, src_mask=None))[0].float()
    finally:
        model.train(was_training)
    labels = torch.tensor(list(label_ids))
    nll = nn.functional.cross_entropy(logits, labels, reduction="none")
    patterns = {site: torch.stack(seen[site]).half().numpy() for site in SITES}
    return Frame(step, patterns, nll.numpy(), ()), logits.argmax(-1).tolist()


@contextmanager
def _watched(model: Transformer) -> Iterator[dict[str, list[Tensor]]]:
    """Note the weights of every attention module, as its arguments give them."""
    seen: dict[str, list[Tensor]] = {site: [] for site in SITES}
    handles = []
    for site, stack, name in (
        ("encoder", model.encoder, "self_attention"),
        ("decoder", model.decoder, "self_attention"),
        ("cross", model.decoder, "cross_attention"),
    ):
        for layer in stack.layers:
            module: nn.Module = getattr(layer, name).attention

            def note(_: nn.Module, args: Any, options: Any, site: str = site) -> None:
                seen[site].append(_weights(*args[:2], **options))

            handles.append(module.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _weights(
    q: Tensor,
    k: Tensor,
    *,
    mask: Tensor | None = None,
    is_causal: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """softmax(q kᵀ / √d_head + bias) of the first row of a batch."""
    scores = q.float() @ k.float().transpose(-1, -2) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias
    if is_causal:
        mask = both(mask, causal_mask(q.shape[2], k.shape[2], device=q.device))
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1)[0]
