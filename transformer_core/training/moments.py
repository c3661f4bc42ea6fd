"""Looking back at a run: its kept weights, loaded one after the other and measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError
from transformer_core.model import Transformer
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training.batching import SpecialIds, collate
from transformer_core.training.checkpoints import checkpoints, load_checkpoint
from transformer_core.training.corpus import Corpus, EncodedPairs, Ragged, read_corpora
from transformer_core.training.data import Reference
from transformer_core.training.kernels import use_cpu_kernels
from transformer_core.training.learning import (
    EXAMPLES,
    Learning,
    Moment,
    cross_patterns,
    example_tokens,
)
from transformer_core.training.run import MILESTONES, TOKENIZER, read_plan
from transformer_core.training.trainer import TeacherForcing
from transformer_core.training.validation import translate_greedily, validate

_SMALL_SET = 150
_SCORED_AT_ONCE = 64


def look_back(
    run: Path,
    *,
    name: str,
    n_moments: int = 16,
    on_moment: Callable[[Moment], None] | None = None,
) -> Learning:
    """Measure a run at the steps whose weights it kept, and at its last checkpoint.

    Args:
        run: The run.
        name: What to call it.
        n_moments: Most moments to keep, evenly chosen.
        on_moment: Told of each as it is measured.

    Raises:
        CheckpointError: If the run has no checkpoint.
        DataError: If its corpora cannot be read.
    """
    saved = checkpoints(run)
    if not saved:
        raise CheckpointError(f"{run} holds no checkpoint to look back from.")
    last = load_checkpoint(saved[-1])
    model = Transformer(TransformerConfig.from_dict(last.state["config"]))
    use_cpu_kernels(model)
    tokenizer = BpeTokenizer.load(run / TOKENIZER)
    corpora = read_corpora(read_plan(run).corpora)
    sources, targets = example_tokens(tokenizer, EXAMPLES)
    kept = [(_step(path), path) for path in sorted((run / MILESTONES).glob("step-*.safetensors"))]
    kept = [(step, path) for step, path in kept if step < last.step]
    moments: list[Moment] = []
    patterns: list[list[np.ndarray]] = [[] for _ in sources]
    for step, path in [*_spread(kept, n_moments - 1), (last.step, None)]:
        weights = last.weights if path is None else load_file(path)
        model.load_state_dict({key: tensor.float() for key, tensor in weights.items()})
        moment = _measured(step, model, tokenizer, corpora)
        moments.append(moment)
        for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
            patterns[index].append(cross_patterns(model, source, target).half().numpy())
        if on_moment is not None:
            on_moment(moment)
    return Learning(
        name, sources, targets, tuple(moments), tuple(np.stack(each) for each in patterns)
    )


def likelihood(
    model: Transformer, tokenizer: BpeTokenizer, references: Sequence[Reference]
) -> float:
    """Return the negative log-likelihood of a token of the first references, in nats."""
    sources = tokenizer.encode_ids([reference.source for reference in references])
    targets = tokenizer.encode_ids([reference.targets[0] for reference in references])
    pairs = EncodedPairs(
        Ragged.from_rows(sources), Ragged.from_rows(targets), np.ones(len(sources))
    )
    forcing = TeacherForcing(model, label_smoothing=0.0).eval()
    special = SpecialIds(tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
    order = np.argsort(pairs.target.lengths, kind="stable")
    total, n_labels = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(order), _SCORED_AT_ONCE):
            batch = collate(pairs, order[start : start + _SCORED_AT_ONCE], special)
            total += float(forcing(batch)[1])
            n_labels += batch.n_labels
    return total / n_labels


def _measured(
    step: int, model: Transformer, tokenizer: BpeTokenizer, corpora: Sequence[Corpus]
) -> Moment:
    held_out = {
        corpus.spec.name: corpus.validation[:_SMALL_SET] for corpus in corpora if corpus.validation
    }
    scores = {
        name: validate(model, tokenizer, references, precision=torch.bfloat16)
        for name, references in held_out.items()
    }
    return Moment(
        step=step,
        nll={name: likelihood(model, tokenizer, refs) for name, refs in held_out.items()},
        bleu={name: each.bleu for name, each in scores.items()},
        chrf={name: each.chrf for name, each in scores.items()},
        n_sentences={name: each.n_sentences for name, each in scores.items()},
        translations=tuple(translate_greedily(model, tokenizer, [s for s, _ in EXAMPLES])),
    )


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _spread(kept: list[tuple[int, Path]], n_wanted: int) -> list[tuple[int, Path | None]]:
    """So many of them at even distances, the first and the last among them."""
    if len(kept) <= n_wanted:
        return [*kept]
    places = np.linspace(0, len(kept) - 1, n_wanted).round().astype(int)
    return [kept[place] for place in places]
