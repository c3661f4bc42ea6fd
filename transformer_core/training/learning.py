"""Learning made visible: what a model in training looked at, at a dozen moments of its run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.model import Transformer
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.archives import Arrays
from transformer_core.tracing.trace import Trace
from transformer_core.training.records import RecordFormat

FORMAT = RecordFormat("transformer-workbench-learning", 1, "record of learning")

EXAMPLES = (
    ("The black cat is sleeping on the old sofa.", "Le chat noir dort sur le vieux canapé."),
    ("She gave him the red book.", "Elle lui a donné le livre rouge."),
    (
        "I have never seen such a beautiful garden.",
        "Je n'ai jamais vu un si beau jardin.",
    ),
    (
        "What time does the train leave tomorrow morning?",
        "À quelle heure le train part-il demain matin ?",
    ),
    (
        "The function returns a list of strings.",
        "La fonction renvoie une liste de chaînes de caractères.",
    ),
)
"""Sentences to watch, none of them in the corpora, and the translations that the decoder reads."""


@dataclass(frozen=True)
class Moment:
    """What was measured at one step of a run.

    Attributes:
        step: Steps that were done; 0 is before the first.
        nll: Negative log-likelihood of a held-out token, in nats, by corpus.
        bleu: Of held-out sentences, translated greedily, by corpus.
        chrf: The same.
        n_sentences: How many sentences these are, by corpus.
        translations: What the model made of each example then.
    """

    step: int
    nll: Mapping[str, float]
    bleu: Mapping[str, float]
    chrf: Mapping[str, float]
    n_sentences: Mapping[str, int]
    translations: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Learning:
    """The moments of a run, with the cross-attention of the examples at each.

    Attributes:
        name: What the run is called.
        sources: The examples' sources.
        targets: What the decoder read of each: the same translation at every moment, so that
            patterns can be compared.
        moments: In the order of steps.
        patterns: For each example all patterns, as float16.
    """

    name: str
    sources: tuple[Tokens, ...]
    targets: tuple[Tokens, ...]
    moments: tuple[Moment, ...]
    patterns: tuple[Float[np.ndarray, "moment layer head _ _"], ...]

    def trace(self, moment: int, example: int) -> Trace:
        """Return the cross-attention of an example at a moment, as a trace.

        The file keeps weights in 16 bits; rows are divided by their sum, which is off by less than
        0.002, so that they sum to 1 again.

        Raises:
            NotInTraceError: If there is no such moment or example.
        """
        if not (0 <= moment < len(self.moments) and 0 <= example < len(self.sources)):
            raise NotInTraceError(
                f"Moments run from 0 to {len(self.moments) - 1}, examples from 0 to "
                f"{len(self.sources) - 1}: there is no moment {moment} of example {example}."
            )
        pattern = torch.from_numpy(self.patterns[example][moment].astype(np.float32))
        trace = Trace.from_patterns(
            {"cross": pattern / pattern.sum(-1, keepdim=True)},
            source=self.sources[example],
            target=self.targets[example],
            name=self.name,
        )
        step = self.moments[moment].step
        return replace(trace, provenance=replace(trace.provenance, revision=f"step {step}"))

    def save(self, path: Path) -> None:
        """Write everything into one NPZ file, without pickles."""
        header = {
            "name": self.name,
            "sources": [tokens.to_dict() for tokens in self.sources],
            "targets": [tokens.to_dict() for tokens in self.targets],
            "moments": [asdict(moment) for moment in self.moments],
        }
        arrays = {f"patterns{i}": array for i, array in enumerate(self.patterns)}
        FORMAT.save(path, header, arrays)

    @classmethod
    def load(cls, path: Path) -> Learning:
        """Read what :meth:`save` wrote.

        Raises:
            FileFormatError: If the file is missing, damaged, or something else.
        """

        def build(header: dict[str, Any], arrays: Arrays) -> Learning:
            return cls(
                name=str(header["name"]),
                sources=tuple(Tokens.from_dict(record) for record in header["sources"]),
                targets=tuple(Tokens.from_dict(record) for record in header["targets"]),
                moments=tuple(
                    Moment(**(record | {"translations": tuple(record["translations"])}))
                    for record in header["moments"]
                ),
                patterns=tuple(arrays[f"patterns{i}"] for i in range(len(header["sources"]))),
            )

        return FORMAT.load(path, build)


def example_tokens(
    tokenizer: BpeTokenizer, examples: Sequence[tuple[str, str]]
) -> tuple[tuple[Tokens, ...], tuple[Tokens, ...]]:
    """Return the examples as encoder and decoder read them."""
    sources = tuple(tokenizer.encode(source) for source, _ in examples)
    targets = tuple(
        tokenizer.from_ids([tokenizer.bos_id, *tokenizer.encode_target(target).ids[:-1]])
        for _, target in examples
    )
    return sources, targets


def cross_patterns(
    model: Transformer, source: Tokens, target: Tokens
) -> Float[Tensor, "layer head query_pos key_pos"]:
    """Return the cross-attention of every layer and head, as the model computes it."""
    sites: list[nn.Module] = [layer.cross_attention.attention for layer in model.decoder.layers]  # type: ignore[union-attr,misc]
    src, tgt = torch.tensor([source.ids]), torch.tensor([target.ids])
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), _watched(sites) as seen:
            memory = model.encode(src, None)
            model.decode(tgt, memory, src_mask=None)
    finally:
        model.train(was_training)
    return torch.stack([_pattern(q, k) for q, k in seen])


def _pattern(q: Tensor, k: Tensor) -> Tensor:
    """The weights of one row of a batch: softmax(q kᵀ / √d_head)."""
    scores: Tensor = q[0].float() @ k[0].float().transpose(-1, -2)
    return torch.softmax(scores / math.sqrt(q.shape[-1]), dim=-1)


@contextmanager
def _watched(modules: Sequence[nn.Module]) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Note the queries and keys that some attention modules are given."""
    seen: list[tuple[Tensor, Tensor]] = []

    def note(_: nn.Module, args: tuple[Any, ...]) -> None:
        seen.append((args[0], args[1]))

    handles = [module.register_forward_pre_hook(note) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
