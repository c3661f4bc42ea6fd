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
from transformer_core.figures.decoder_tree import tree_facts, words_of
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.strategies import Strategy
    from transformer_core.decoding.text_tree import TextTree

MAX_PRODUCTS = 1e11
"""Multiplications that the logit lens of one picture may take: 100 steps of 135 M parameters."""

LensRow = list[list[Any]]
"""For each layer: its best token, that token's probability, and the written token's."""

_LENS_NOTE = "The logit lens was computed for the first"


@dataclass(frozen=True)
class Shown:
    """Which text a picture shows, and where it begins to look.

    Attributes:
        text: The text's number in the tree that is shown with it.
        hypothesis: Which hypothesis of its beam search; None for what it wrote.
        start: The step to look at first.
    """

    text: int = 0
    hypothesis: int | None = None
    start: int = 0


@dataclass(frozen=True)
class Extras:
    """What a picture of a text shows besides its steps.

    Attributes:
        tree: All texts from the same source, this one among them.
        shown: Which of them this is.
        notes: What else is to be said.
        max_products: Multiplications that the logit lens may take; later steps go without.
        is_running: Whether the text is still being written: then only the numbers of the step that
            is looked at are there, so that the picture can be made again for every token.
    """

    tree: TextTree | None = None
    shown: Shown = Shown()
    notes: tuple[str, ...] = ()
    max_products: float = MAX_PRODUCTS
    is_running: bool = False


def decoder(steps: Sequence[DecodingStep], extras: Extras = Extras()) -> Payload:
    """How does the model decide each token?

    Options: ``steps``, ``names``, ``strategy``, ``reasons``, ``lens``, ``attention``, ``words``,
    ``cache``, ``shown``, ``tree``, ``isRunning`` and ``first``, the step of which the arrays hold
    the first row. The trigger ``fork`` brings ``[step, token id]``, ``["open", text, hypothesis,
    step]``, ``["write", strategy]`` or ``["only", text]``; the state ``step`` where somebody looks.

    Args:
        steps: All steps of one text, recorded.
        extras: The tree, and notes.

    Raises:
        InputError: If there is no step.
    """
    if not steps:
        raise InputError("Nothing was written yet, so there is no step to show.")
    last = steps[-1]
    at = min(extras.shown.start, len(steps) - 1)
    here = steps[at : at + 1] if extras.is_running else steps
    arrays, attention, off = attention_arrays(here)
    lens, lens_note = ([], []) if extras.is_running else _lens(steps, extras.max_products)
    options = {
        "steps": [_step(step, is_whole=step.index >= here[0].index) for step in steps],
        "first": here[0].index,
        "isRunning": extras.is_running,
        "names": _names(here, steps[-1]),
        "vocab": len(last.logits),
        "strategy": strategy_facts(last.strategy),
        "isLog": last.answer.is_log,
        "reasons": _reasons(),
        "lens": lens,
        "attention": attention,
        "words": {site: words_of(last.key_tokens(site)) for site in last.sites},
        "cache": cache_facts(steps),
    }
    notes = (*_notes(here, attention), *lens_note, *extras.notes)
    payload = make_payload(
        "decoder", _picture(steps, off, notes), options, {**score_arrays(here), **arrays}
    )
    return with_tree(payload, steps, extras.tree, extras.shown)


def grown(payload: Payload, steps: Sequence[DecodingStep]) -> Payload:
    """The picture of a text that is being written, with the tokens that came since.

    Args:
        payload: Drawn with ``is_running``; the step that it looks at stays.
        steps: All steps by now.
    """
    options = payload.header["options"]
    known = options["steps"]
    later = [_step(step, is_whole=False) for step in steps[len(known) :]]
    header = {
        **payload.header,
        "options": {**options, "steps": [*known, *later]},
        "caption": _caption(steps),
    }
    return replace(payload, header=header)


def with_tree(
    payload: Payload,
    steps: Sequence[DecodingStep],
    tree: TextTree | None,
    shown: Shown,
    *,
    numbers: Sequence[int] | None = None,
) -> Payload:
    """The same picture with every text from its source on a tree.

    Args:
        steps: What the picture shows.
        tree: None: there is none.
        shown: Which of its texts the picture shows.
        numbers: How a page counts the texts of the tree; by default from 0.
    """
    options = {
        **payload.header["options"],
        "shown": asdict(shown),
        "tree": None if tree is None else tree_facts(tree, steps, numbers),
    }
    return replace(payload, header={**payload.header, "options": options})


def strategy_facts(strategy: Strategy) -> dict[str, Any]:
    """A strategy's settings by name, and what it is called; None for a filter that is off."""
    return {"kind": type(strategy).__name__.lower(), **asdict(strategy)}


def _step(step: DecodingStep, *, is_whole: bool) -> dict[str, Any]:
    """Facts of a step; what only its distribution needs, where that is there."""
    bans = step.answer.bans if is_whole else None
    previous = {*step.answer.stepper.prompt_ids, *step.answer.written} if is_whole else ()
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
        "previous": sorted(previous),
        "cut": {} if bans is None else {str(int(why)): [*ids] for why, ids in bans.cut.items()},
        "only": [] if bans is None else [*bans.only],
    }


def _names(steps: Sequence[DecodingStep], last: DecodingStep) -> dict[str, str]:
    """The tokens that a picture is likely to name."""
    ids: set[int] = {*last.answer.stepper.prompt_ids, *last.written}
    for step in steps:
        ids.update(step.logits.topk(min(N_NAMED, len(step.logits))).indices.tolist())
        if step.answer.bans is not None:
            ids.update(step.answer.bans.only)
    show = last.answer.stepper.tokenizer.show
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
        caption=_caption(steps),
    )


def _caption(steps: Sequence[DecodingStep]) -> str:
    return f"{len(steps)} steps of decoding: “{steps[-1].text}”."
