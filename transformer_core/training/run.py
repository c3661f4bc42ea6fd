"""A run on the disk: what it was started with, its learning curve, its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError, ConfigError
from transformer_core.model import Transformer
from transformer_core.tokenization.bpe import BpeTokenizer, train_bpe
from transformer_core.training.checkpoints import (
    check_shapes,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    save_tensors,
)
from transformer_core.training.corpus import Corpus, CorpusSpec, encode_pairs, read_corpora
from transformer_core.training.data import Reference
from transformer_core.training.engine import Engine, LocalEngine
from transformer_core.training.recipe import Recipe
from transformer_core.training.trainer import Step, Trainer

PLAN, TOKENIZER, CURVE, MILESTONES = "run.json", "tokenizer.json", "curve.jsonl", "milestones"
Forcing = Callable[[Transformer], nn.Module]
"""Makes of a model what computes its loss, as a trainer takes it."""
_FIRST_MILESTONE = 50
_MILESTONE_RATIO = 1.45
_SMALL_SET = 150
"""Held-out sentences of each kind that are translated now and then while a run goes on."""


@dataclass(frozen=True)
class Plan:
    """What a run is started with.

    Attributes:
        corpora: What to learn from.
        shape: The model's configuration, without ``vocab_size``.
        vocab_size: Entries of the vocabulary to be learnt.
        recipe: How to train.
        init_from: A folder with a model's weights and tokenizer to begin from; None begins from
            random numbers.
    """

    corpora: tuple[CorpusSpec, ...]
    shape: Mapping[str, Any]
    vocab_size: int
    recipe: Recipe
    init_from: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "corpora": [asdict(spec) | {"path": str(spec.path)} for spec in self.corpora],
            "shape": dict(self.shape),
            "vocab_size": self.vocab_size,
            "recipe": self.recipe.to_dict(),
            "init_from": self.init_from,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Plan:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: If something is missing or out of range.
        """
        try:
            return cls(
                tuple(
                    CorpusSpec(**dict(spec, path=Path(spec["path"]))) for spec in record["corpora"]
                ),
                dict(record["shape"]),
                int(record["vocab_size"]),
                Recipe.from_dict(record["recipe"]),
                record["init_from"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"This is no plan of a run: {error}") from error


@dataclass
class Run:
    """A run that is ready to go on.

    Attributes:
        folder: Where it is kept.
        plan: What it was started with.
        corpora: What was read, with the reports.
        tokenizer: The tokenizer of both sides.
        trainer: The loop, at the step of the last checkpoint.
    """

    folder: Path
    plan: Plan
    corpora: list[Corpus]
    tokenizer: BpeTokenizer
    trainer: Trainer

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the files, if several share the run."""
        return self.trainer.engine.rank == 0

    def save(self, *, keep: int) -> Path | None:
        """Write a checkpoint, in the one process that does.

        Raises:
            CheckpointError: If it cannot be written.
        """
        if not self.is_writer:
            return None
        return save_checkpoint(self.folder, self.trainer.state(), keep=keep)

    def note(self, record: Mapping[str, Any]) -> None:
        """Add a line to the learning curve."""
        if self.is_writer:
            with (self.folder / CURVE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def keep_milestone(self, step: Step) -> bool:
        """Keep the weights, in 16 bits, if this is a step to remember; tell whether it was."""
        if not self.is_writer or not is_milestone(step.step):
            return False
        self.write_milestone(step.step)
        return True

    def write_milestone(self, step: int) -> None:
        """Keep the weights of a step, in 16 bits."""
        folder = self.folder / MILESTONES
        folder.mkdir(exist_ok=True)
        weights = self.trainer.model.state_dict()
        path = folder / f"step-{step:08d}.safetensors"
        partial = path.with_suffix(".partial")
        save_tensors({name: tensor.half() for name, tensor in weights.items()}, partial)
        partial.replace(path)

    def small_sets(self) -> list[tuple[Corpus, list[Reference]]]:
        """Return the few held-out sentences on which the run is watched, the same ones always."""
        return [
            (corpus, corpus.validation[:_SMALL_SET]) for corpus in self.corpora if corpus.validation
        ]


def is_milestone(step: int) -> bool:
    """Tell whether a step is one of those that stand at even distances on a logarithmic scale."""
    milestone = float(_FIRST_MILESTONE)
    while round(milestone) < step:
        milestone *= _MILESTONE_RATIO
    return round(milestone) == step


def start_run(
    folder: Path,
    plan: Plan,
    *,
    engine: Engine | None = None,
    tokenizer: BpeTokenizer | None = None,
    forcing: Forcing | None = None,
) -> Run:
    """Begin a run in a new folder.

    Args:
        folder: Where it is kept.
        plan: What it is started with.
        engine: Where it runs; this process if not given.
        tokenizer: What texts are read with; learnt from the corpora if not given.
        forcing: Makes another loss than that of the true next token.

    Raises:
        CheckpointError: If there is a run already, or the weights to begin from do not fit.
        DataError: If a corpus cannot be used.
        ConfigError: If the plan contradicts itself.
    """
    engine = engine or LocalEngine()
    if engine.rank == 0 and (folder / PLAN).exists():
        raise CheckpointError(f"{folder} holds a run already: resume it, or name a new folder.")
    corpora = read_corpora(plan.corpora)
    engine.wait()
    tokenizer = tokenizer or _first_tokenizer(plan, corpora)
    trainer = _trainer(plan, corpora, tokenizer, engine, forcing)
    if plan.init_from is not None:
        _load_weights(trainer, Path(plan.init_from))
    if engine.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(folder / TOKENIZER)
        (folder / PLAN).write_text(json.dumps(plan.to_dict(), indent=2), encoding="utf-8")
    run = Run(folder, plan, corpora, tokenizer, trainer)
    if run.is_writer and plan.init_from is None:
        run.write_milestone(0)
    return run


def resume_run(
    folder: Path, *, engine: Engine | None = None, forcing: Forcing | None = None
) -> Run:
    """Go on with a run from its last whole checkpoint.

    Raises:
        CheckpointError: If there is no run or no checkpoint, or it does not fit.
        DataError: If a corpus cannot be used.
    """
    plan = read_plan(folder)
    saved = checkpoints(folder)
    if not saved:
        raise CheckpointError(f"{folder} holds no checkpoint to go on from: start it anew.")
    corpora = read_corpora(plan.corpora)
    tokenizer = BpeTokenizer.load(folder / TOKENIZER)
    trainer = _trainer(plan, corpora, tokenizer, engine or LocalEngine(), forcing)
    trainer.restore(load_checkpoint(saved[-1]))
    run = Run(folder, plan, corpora, tokenizer, trainer)
    if run.is_writer:
        _cut_curve(folder / CURVE, trainer.step)
    return run


def read_plan(folder: Path) -> Plan:
    """Read what a run was started with.

    Raises:
        CheckpointError: If the folder holds no run.
    """
    try:
        return Plan.from_dict(json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no run: {error}") from error


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """Read a run's learning curve; a line that was cut off by a lost process is passed over."""
    path = folder / CURVE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _first_tokenizer(plan: Plan, corpora: Sequence[Corpus]) -> BpeTokenizer:
    if plan.init_from is not None:
        return BpeTokenizer.load(Path(plan.init_from) / TOKENIZER)
    texts = (
        text
        for corpus in corpora
        for pair in corpus.train
        for _ in range(max(1, round(corpus.spec.weight)))
        for text in (pair.source, pair.target)
    )
    return train_bpe(texts, vocab_size=plan.vocab_size)


def _trainer(
    plan: Plan,
    corpora: Sequence[Corpus],
    tokenizer: BpeTokenizer,
    engine: Engine,
    forcing: Forcing | None,
) -> Trainer:
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        pad_id=tokenizer.pad_id,
        bos_id=tokenizer.bos_id,
        eos_id=tokenizer.eos_id,
        **plan.shape,
    )
    generator = torch.Generator().manual_seed(plan.recipe.seed)
    model = Transformer(config, generator=generator)
    pairs = encode_pairs(corpora, tokenizer, max_tokens=config.n_ctx)
    loss = None if forcing is None else forcing(model)
    return Trainer(model, pairs, plan.recipe, engine=engine, forcing=loss)


def _load_weights(trainer: Trainer, folder: Path) -> None:
    try:
        weights = load_file(folder / "model.safetensors")
    except Exception as error:  # safetensors raises several kinds for a damaged file
        raise CheckpointError(f"{folder} holds no weights that can be read: {error}") from error
    wanted = trainer.model.state_dict()
    check_shapes(weights, wanted, what=f"The model in {folder}")
    trainer.model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})


def _cut_curve(path: Path, step: int) -> None:
    """Take away what was noted after the checkpoint: those steps are done again."""
    kept = [record for record in read_curve(path.parent) if record.get("step", 0) <= step]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    partial.replace(path)
