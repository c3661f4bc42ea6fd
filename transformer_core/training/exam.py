"""How far a model is: what it makes of pairs that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from transformer_core.model import Transformer
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training.batching import SpecialIds, collate
from transformer_core.training.corpus import EncodedPairs, Ragged
from transformer_core.training.data import Pair
from transformer_core.training.validation import score, translate_greedily

N_SAMPLES = 8
_AT_ONCE = 64


@dataclass(frozen=True)
class Exam:
    """What a model can do after a step.

    Attributes:
        step: The step.
        seconds: Seconds of training until then.
        token_accuracy: Share of unseen tokens that are likeliest, given the right ones before.
        sequence_accuracy: Share of unseen targets that are written right from beginning to end,
            each token from the model's own ones before (greedily).
        nll: Negative log-likelihood of an unseen token, in nats.
        nll_by_position: The same by position in the target.
        n_unseen: Pairs that it was tried on.
        samples: Source, target, and what it wrote, of the first of them.
        chrf: Of all that it wrote, where the pairs are sentences (Popović 2015); from 0 to 100.
    """

    step: int
    seconds: float
    token_accuracy: float
    sequence_accuracy: float
    nll: float
    nll_by_position: tuple[float, ...]
    n_unseen: int
    samples: tuple[tuple[str, str, str], ...]
    chrf: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Exam:
        """Read what :meth:`to_dict` wrote."""
        lists = {
            "nll_by_position": tuple(record["nll_by_position"]),
            "samples": tuple(tuple(sample) for sample in record["samples"]),
        }
        return cls(**(record | lists))


class Examiner:
    """Tries a model on the same unseen pairs again and again.

    Args:
        pairs: The pairs.
        tokenizer: The model's.
        n_ctx: Tokens that it reads at most; longer pairs are left out.
        is_prose: Whether they are sentences, whose translations are scored.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        tokenizer: BpeTokenizer,
        n_ctx: int,
        *,
        is_prose: bool = False,
    ) -> None:
        self._is_prose = is_prose
        sources = tokenizer.encode_ids([pair.source for pair in pairs])
        targets = tokenizer.encode_ids([pair.target for pair in pairs])
        fits = [
            max(len(source), len(target)) < n_ctx
            for source, target in zip(sources, targets, strict=True)
        ]
        self.pairs = [pair for pair, is_short in zip(pairs, fits, strict=True) if is_short]
        self._encoded = EncodedPairs(
            Ragged.from_rows(
                [row for row, is_short in zip(sources, fits, strict=True) if is_short]
            ),
            Ragged.from_rows(
                [row for row, is_short in zip(targets, fits, strict=True) if is_short]
            ),
            np.ones(len(self.pairs)),
        )
        self._tokenizer = tokenizer

    def examine(self, model: Transformer, *, step: int, seconds: float) -> Exam:
        """Try the model as it stands; its mode stays what it was."""
        written = translate_greedily(model, self._tokenizer, [pair.source for pair in self.pairs])
        right, counts, sums = self._teacher_forced(model)
        targets = [self._tokenizer.decode(row) for row in self._rows()]
        n_right = sum(a == b for a, b in zip(written, targets, strict=True))
        n_labels = max(int(counts.sum()), 1)
        return Exam(
            step=step,
            seconds=seconds,
            token_accuracy=right / n_labels,
            sequence_accuracy=n_right / max(len(targets), 1),
            nll=float(sums.sum()) / n_labels,
            nll_by_position=tuple((sums / counts.clip(1)).tolist()),
            n_unseen=len(targets),
            samples=tuple(
                zip(
                    [pair.source for pair in self.pairs[:N_SAMPLES]],
                    targets[:N_SAMPLES],
                    written[:N_SAMPLES],
                    strict=True,
                )
            ),
            chrf=score(written, [[text] for text in targets]).chrf if self._is_prose else None,
        )

    def _rows(self) -> list[list[int]]:
        target = self._encoded.target
        return [target[row].tolist() for row in range(len(target))]

    @torch.no_grad()
    def _teacher_forced(self, model: Transformer) -> tuple[int, np.ndarray, np.ndarray]:
        """Tokens that are right, and by position how many there are and their summed loss."""
        config = model.config
        special = SpecialIds(config.pad_id, config.bos_id, config.eos_id)
        width = int(self._encoded.target.lengths.max(initial=0)) + 1
        counts, sums, n_right = np.zeros(width), np.zeros(width), 0
        was_training = model.training
        model.eval()
        try:
            for start in range(0, len(self.pairs), _AT_ONCE):
                rows = np.arange(start, min(start + _AT_ONCE, len(self.pairs)))
                batch = collate(self._encoded, rows, special)
                logits = model(batch.src, batch.tgt, src_mask=batch.src_mask).float()
                is_label = batch.labels != config.pad_id
                n_right += int(((logits.argmax(-1) == batch.labels) & is_label).sum())
                loss = nn.functional.cross_entropy(
                    logits.transpose(1, 2), batch.labels, reduction="none"
                )
                here = batch.labels.shape[1]
                counts[:here] += is_label.sum(0).numpy()
                sums[:here] += (loss * is_label).sum(0).numpy()
        finally:
            model.train(was_training)
        return n_right, counts, sums
