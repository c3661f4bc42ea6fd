"""Decoding as a picture: what each token was chosen from, and what the model saw when it chose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.figures.decoder_numbers import (
    N_NAMED,
    N_SENT,
    attention_arrays,
    cache_facts,
    d_model_of,
    is_whole,
    score_arrays,
)
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip

if TYPE_CHECKING:
    from transformer_core.decoding.beam_tree import BeamTree
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.strategies import Strategy

MAX_PRODUCTS = 1e11
"""Multiplications that the logit lens of one picture may take: 100 steps of 135 M parameters."""

LensRow = list[list[Any]]
"""For each layer: its best token, that token's probability, and the written token's."""

_LENS_NOTE = "The logit lens was computed for the first"


@dataclass(frozen=True)
class BranchNote:
    """One of the texts that forks have made.

    Attributes:
        id: Counted from 0, the text that the strategy wrote by itself.
        parent: The text that it was forked from; None for the first.
        step: The step that was chosen again.
        token: What somebody wrote there instead.
        text: The whole text, as far as it is written.
    """

    id: int
    parent: int | None
    step: int
    token: str
    text: str


@dataclass(frozen=True)
class Extras:
    """What a picture of a text shows besides its steps.

    Attributes:
        tree: The beam search behind it.
        notes: What else is to be said.
        max_products: Multiplications that the logit lens may take; later steps go without.
    """

    tree: BeamTree | None = None
    notes: tuple[str, ...] = ()
    max_products: float = MAX_PRODUCTS


def decoder(steps: Sequence[DecodingStep], extras: Extras = Extras()) -> Payload:
    """How does the model decide each token?

    Options: ``steps``, ``names``, ``strategy``, ``reasons``, ``lens``, ``attention``, ``cache``,
    ``branches`` and ``tree``. The trigger ``fork`` brings ``[step, token id]``, ``["branch", id]``
    or ``["hypothesis", id]``.

    Args:
        steps: All steps of one text, recorded.
        extras: The tree, and notes.

    Raises:
        InputError: If there is no step.
    """
    if not steps:
        raise InputError("Nothing was written yet, so there is no step to show.")
    last = steps[-1]
    arrays, attention, off = attention_arrays(steps)
    lens, lens_note = _lens(steps, extras.max_products)
    options = {
        "steps": [_step(step) for step in steps],
        "names": _names(steps),
        "vocab": len(last.logits),
        "strategy": strategy_facts(last.strategy),
        "isLog": last.answer.is_log,
        "reasons": _reasons(),
        "lens": lens,
        "attention": attention,
        "cache": cache_facts(steps),
        "branches": [],
        "branch": 0,
        "tree": None if extras.tree is None else tree_facts(extras.tree),
    }
    picture = _picture(steps, off, (*_notes(steps, attention), *lens_note, *extras.notes))
    return make_payload("decoder", picture, options, {**score_arrays(steps), **arrays})


def with_branches(payload: Payload, branches: Sequence[BranchNote], shown: int) -> Payload:
    """The same picture with every text so far beside it.

    Args:
        shown: Which of them the picture shows.
    """
    options = {
        **payload.header["options"],
        "branches": [asdict(branch) for branch in branches],
        "branch": shown,
    }
    return replace(payload, header={**payload.header, "options": options})


def strategy_facts(strategy: Strategy) -> dict[str, Any]:
    """A strategy's settings by name, and what it is called; None for a filter that is off."""
    return {"kind": type(strategy).__name__.lower(), **asdict(strategy)}


def tree_facts(tree: BeamTree) -> dict[str, Any]:
    """Every hypothesis as a row, and the texts of those that are finished or alive."""
    columns = ("id", "parent", "depth", "token", "log_prob", "total", "rank", "state", "ended")
    kept = [h for h in tree if h.state in ("finished", "alive")]
    return {
        "columns": list(columns),
        "rows": [[getattr(h, name) for name in columns] for h in tree],
        "texts": {str(h.id): tree.text(h) for h in kept},
        "lengthPenalty": tree.length_penalty,
        "nBeams": tree.n_beams,
    }


def _step(step: DecodingStep) -> dict[str, Any]:
    bans = step.answer.bans
    return {
        "index": step.index,
        "id": step.token_id,
        "token": step.token,
        "logProb": step.log_prob,
        "cumulative": step.cumulative_log_prob,
        "isForced": step.is_forced,
        "ended": step.ended,
        "seconds": step.seconds,
        "nPos": step.cache.n_pos,
        "nbytes": step.cache.nbytes,
        "previous": sorted({*step.answer.stepper.prompt_ids, *step.answer.written}),
        "cut": {} if bans is None else {str(int(why)): [*ids] for why, ids in bans.cut.items()},
        "only": [] if bans is None else [*bans.only],
    }


def _names(steps: Sequence[DecodingStep]) -> dict[str, str]:
    """The tokens that a picture is likely to name."""
    ids: set[int] = set()
    for step in steps:
        ids.update(step.logits.topk(min(N_NAMED, len(step.logits))).indices.tolist())
        ids.update(step.answer.stepper.prompt_ids, step.written)
        if step.answer.bans is not None:
            ids.update(step.answer.bans.only)
    show = steps[-1].answer.stepper.tokenizer.show
    return {str(index): show(index) for index in sorted(ids)}


def _reasons() -> list[str]:
    from transformer_core.decoding.filters import Cut

    return [cut.reason for cut in Cut]


def lens_rows(steps: Sequence[DecodingStep]) -> Iterator[LensRow]:
    """For each step, one after the other: the best token after each layer.

    Raises:
        NotInTraceError: If the model's way from its last layer to its logits is not known.
    """
    for step in steps:
        yield [
            [layer.tokens[0], layer.probabilities[0], layer.chosen_probability]
            for layer in step.lens_layers(n=1)
        ]


def with_lens(payload: Payload, rows: Sequence[LensRow]) -> Payload:
    """The same picture with the logit lens of more steps."""
    options = {**payload.header["options"], "lens": list(rows)}
    left = [note for note in payload.header["notes"] if not note.startswith(_LENS_NOTE)]
    notes = left + _lens_note(len(rows), len(options["steps"]))
    return replace(payload, header={**payload.header, "options": options, "notes": notes})


def _lens(
    steps: Sequence[DecodingStep], max_products: float
) -> tuple[list[LensRow] | None, list[str]]:
    """The logit lens of as many steps as may be, and what is to be said of it."""
    rows: list[LensRow] = []
    n_entries = steps[0].n_layers("decoder") + 1
    cost = n_entries * len(steps[0].logits) * d_model_of(steps[0])
    few = steps[: int(max_products // cost)]
    try:
        rows += lens_rows(few)
    except NotInTraceError as error:
        return None, [f"No logit lens: {error}"]
    return rows, _lens_note(len(rows), len(steps))


def _lens_note(n_rows: int, n_steps: int) -> list[str]:
    return [] if n_rows == n_steps else [f"{_LENS_NOTE} {n_rows} of {n_steps} steps."]


def _notes(steps: Sequence[DecodingStep], attention: dict[str, Any]) -> tuple[str, ...]:
    n_vocab = len(steps[-1].logits)
    if is_whole(steps):
        sent = (
            f"The whole vocabulary of {n_vocab:,} tokens is here: the {N_NAMED} best of each step "
            "exactly, the others to 11 bits."
        )
    else:
        sent = (
            f"The {N_SENT:,} best of {n_vocab:,} tokens are here exactly; the others are gathered "
            "in 256 groups of like scores, so a filter that cuts among them is approximate."
        )
    means = [site for site, facts in attention.items() if facts["isMean"]]
    averaged = f"Attention ({', '.join(means)}): only the mean over the heads was sent."
    return (sent, *((averaged,) if means else ()), *steps[-1].answer.stepper.notes)


def _picture(steps: Sequence[DecodingStep], off: float, notes: tuple[str, ...]) -> Picture:
    last = steps[-1]
    trace = last.trace
    read = last.key_tokens("decoder")
    is_cross = "cross" in last.sites
    return Picture(
        title="How does the model decide each token?",
        subtitle="Candidates over the full vocabulary, step by step. Stronger colour: less sure.",
        hint="Keys ← → go from step to step; click a token to go there.",
        queries=TokenStrip.of(read),
        keys=TokenStrip.of(last.key_tokens("cross") if is_cross else read),
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site="decoder",
        badge=Badge(
            f"attention rows sum to 1 · max |Δ| {off:.1e}",
            off < 1e-4,
            ("The logit lens of the last layer is compared with the model's own logits.",),
        ),
        notes=notes,
        caption=f"{len(steps)} steps of decoding: “{last.text}”.",
    )
