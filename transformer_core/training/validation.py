"""How well a model translates sentences that it has not learnt from: BLEU, chrF, by sacrebleu."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Int
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from torch import Tensor

from transformer_core.errors import DataError, InputError
from transformer_core.model import Transformer
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training.data import Reference

_MAX_POSITIONS = 4096


@dataclass(frozen=True)
class Scores:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015) of some translations.

    Attributes:
        bleu: From 0 to 100.
        chrf: From 0 to 100.
        n_sentences: How many sentences were scored.
        n_references: References of a sentence at most.
        bleu_signature: What sacrebleu says it computed (Post 2018).
        chrf_signature: The same for chrF.
    """

    bleu: float
    chrf: float
    n_sentences: int
    n_references: int
    bleu_signature: str
    chrf_signature: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def score(translations: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """Score translations, each against all references of its sentence.

    Args:
        translations: One a sentence.
        references: For each sentence one or more; sentences may have different numbers of them.

    Raises:
        DataError: If there is none, a sentence has no reference, or the numbers do not match.
    """
    if len(translations) != len(references):
        raise DataError(
            f"There are {len(translations):,} translations for {len(references):,} sentences."
        )
    if not translations or not all(references):
        raise DataError("There is nothing to score: every sentence needs a reference.")
    widest = max(len(each) for each in references)
    # sacrebleu passes over a reference that is None, which its types do not say.
    columns: Any = [
        [each[index] if index < len(each) else None for each in references]
        for index in range(widest)
    ]
    bleu, chrf = BLEU(), CHRF()
    return Scores(
        bleu=float(bleu.corpus_score(translations, columns).score),
        chrf=float(chrf.corpus_score(translations, columns).score),
        n_sentences=len(translations),
        n_references=widest,
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
    )


def validate(
    model: Transformer,
    tokenizer: BpeTokenizer,
    references: Sequence[Reference],
    *,
    precision: torch.dtype = torch.float32,
) -> Scores:
    """Translate held-out sentences greedily and score them.

    Raises:
        DataError: If there is none.
    """
    device = next(model.parameters()).device
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        translations = translate_greedily(model, tokenizer, [r.source for r in references])
    return score(translations, [r.targets for r in references])


def translate_greedily(
    model: Transformer, tokenizer: BpeTokenizer, sources: Sequence[str]
) -> list[str]:
    """Translate sentences in batches of like lengths, the likeliest token each time.

    Order is kept. Meant for validation while training: it works on the model as it stands, in this
    process, and ends at twice the source's length.

    Raises:
        InputError: If a sentence is longer than the model reads.
    """
    ids = [[*row, tokenizer.eos_id] for row in tokenizer.encode_ids(sources)]
    limit = model.config.n_ctx
    for index, row in enumerate(ids):
        if len(row) > limit:
            raise InputError(
                f"Sentence {index + 1} has {len(row)} tokens; the model reads {limit}."
            )
    results = [""] * len(ids)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in _batches_by_length([len(row) for row in ids]):
                written = _write(model, [ids[place] for place in batch])
                for place, target in zip(batch, written, strict=True):
                    results[place] = tokenizer.decode(target)
    finally:
        model.train(was_training)
    return results


def _batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[row] * (len(batch) + 1) > _MAX_POSITIONS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _write(model: Transformer, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """The ids that follow each source, greedily, without the special ones."""
    config = model.config
    device = next(model.parameters()).device
    width = max(len(source) for source in sources)
    src = torch.full((len(sources), width), config.pad_id, device=device)
    for row, source in enumerate(sources):
        src[row, : len(source)] = torch.tensor(source)
    src_mask = src != config.pad_id
    memory = model.encode(src, src_mask)
    cache = model.new_cache()
    last: Int[Tensor, "batch 1"] = torch.full((len(sources), 1), config.bos_id, device=device)
    is_done = torch.zeros(len(sources), dtype=torch.bool, device=device)
    written: list[Tensor] = []
    for _ in range(min(2 * width + 10, config.n_ctx) - 1):
        hidden = model.decode(last, memory, src_mask=src_mask, cache=cache)
        chosen = model.unembed(hidden)[:, -1].argmax(dim=-1)
        chosen = chosen.masked_fill(is_done, config.eos_id)
        is_done |= chosen == config.eos_id
        if bool(is_done.all()):
            break
        written.append(chosen)
        last = chosen[:, None]
    specials = {config.pad_id, config.bos_id, config.eos_id}
    grid = torch.stack(written, dim=1).tolist() if written else [[]] * len(sources)
    return [[index for index in row if index not in specials] for row in grid]
