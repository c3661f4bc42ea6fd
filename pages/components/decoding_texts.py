"""The texts of a session from one source, each with the picture that was drawn of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.cache import writer_of
from transformer_core.decoding.strategies import Strategy

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.figures.payload import Payload
    from transformer_core.tasks.branching import Branch, Branches

PLACE = "decoding"
AT_ONCE = 2e9
"""Multiplications of the logit lens that the first picture waits for; the rest comes later."""

DRAW_S = 0.1
"""Seconds between two pictures of a text that grows, at least."""

_SHARE = 5
"""Writing gets at least so many times the seconds that the pictures take meanwhile."""

Shown = tuple[int, int | None]
"""A branch, and which hypothesis of its beam search; None for the best."""


class Asked(NamedTuple):
    """What is written, and how."""

    model_id: str
    text: str
    strategy: Strategy
    is_chat: bool = False


class Growing(NamedTuple):
    """A text while it is written."""

    n_tokens: int
    payload: Payload


@dataclass(eq=False)
class Text:
    """The texts of this session from one source.

    Attributes:
        asked: What they answer; the strategy is that of the first.
        branches: Everything written.
        shown: What the picture shows.
        start: The step to look at first.
        pictures: What was drawn, by what is shown and how many steps it had.
        last: The last whole picture, and what it shows.
    """

    asked: Asked
    branches: Branches
    shown: Shown = (0, None)
    start: int = 0
    pictures: dict[tuple[Shown, int], Payload] = field(default_factory=dict)
    last: tuple[Hashable, Payload] | None = None

    @property
    def branch(self) -> Branch:
        """The branch that is shown."""
        return self.branches[self.shown[0]]

    @property
    def is_over(self) -> bool:
        """Whether what is shown has ended by itself."""
        return self.branch.decoding.ended is not None

    @property
    def steps(self) -> tuple[DecodingStep, ...]:
        """The steps of what is shown."""
        return self.branches.steps(*self.shown)

    def open(self, shown: Shown, start: int) -> None:
        """Show another text, and begin at a step."""
        self.shown, self.start = shown, start


@st.cache_resource(scope="session", show_spinner=False)
def texts() -> dict[str, Text]:
    """The texts of this session: only those from the last source are kept."""
    return {}


def picture_of(text: Text) -> Payload:
    """The picture of what is shown, with the tree as it is now."""
    drawing = drawing_of(text, text.shown)
    sizes = tuple(
        (one.id, len(one.decoding.token_ids), one.decoding.ended) for one in text.branches
    )
    what = (id(drawing), text.shown, text.start, sizes)
    if text.last is None or text.last[0] != what:
        text.last = (what, _with_tree(text, drawing, text.shown, text.start))
    return text.last[1]


def text_for(asked: Asked, start: int) -> Text:
    """The text that answers what is asked: kept, on the tree that is there, or begun anew.

    Args:
        asked: What is written, and how.
        start: The step to look at first, where the source is new.
    """
    from transformer_core.tasks.branching import Branches
    from transformer_core.tasks.chat import chat_prompt

    found = texts().get(PLACE)
    if found is None or found.asked._replace(strategy=asked.strategy) != asked:
        model = writer_of(asked.model_id)
        prompt = chat_prompt(model, asked.text) if asked.is_chat else asked.text
        found = Text(asked, Branches(model, prompt, asked.strategy), start=start)
        texts()[PLACE] = found
    elif found.branch.strategy != asked.strategy:
        found.open((found.branches.begin(asked.strategy).id, None), 0)
    return found


def write(
    text: Text, shown: Shown, start: int, should_stop: Callable[[], bool]
) -> Iterator[Growing]:
    """Write; a picture every now and then, and that of the whole at the end."""
    due = 0.0
    drawing: tuple[int, Payload] | None = None
    for progress in text.branches.write(shown[0], should_stop):
        steps = text.branches.steps(*shown)
        began = time.monotonic()
        if began < due or not steps:
            continue
        at = min(start, len(steps) - 1)
        drawing = _growing(text, steps, at, drawing)
        yield Growing(progress.n_tokens, _with_tree(text, drawing[1], shown, at))
        now = time.monotonic()
        due = now + max(DRAW_S, _SHARE * (now - began))
    if text.branches.steps(*shown):
        drawing_of(text, shown)


def _growing(
    text: Text, steps: tuple[DecodingStep, ...], at: int, before: tuple[int, Payload] | None
) -> tuple[int, Payload]:
    """The picture of a text that grows, and the token that it looks at; made once for each."""
    from transformer_core.figures.decoder import Extras, decoder, grown
    from transformer_core.figures.decoder import Shown as Place

    seen = hash((at, steps[at].written))  # a beam search may change its mind
    if before is not None and before[0] == seen and not steps[at].answer.is_log:
        return seen, grown(before[1], steps)
    place = Place(start=at)
    return seen, decoder(steps, Extras(shown=place, notes=_notes(text), is_running=True))


def drawing_of(text: Text, shown: Shown) -> Payload:
    """Draw what is shown once; made where it was written, so that the page need not wait for it."""
    from transformer_core.figures.decoder import Extras, decoder

    steps = text.branches.steps(*shown)
    key = (shown, len(steps))
    if key not in text.pictures:
        text.pictures[key] = decoder(steps, Extras(notes=_notes(text), max_products=AT_ONCE))
    return text.pictures[key]


def _with_tree(text: Text, payload: Payload, shown: Shown, start: int) -> Payload:
    from transformer_core.figures.decoder import Shown as Place
    from transformer_core.figures.decoder import with_tree

    tree, numbers = text.branches.tree()
    steps = text.branches.steps(*shown)
    return with_tree(payload, steps, tree, Place(shown[0], shown[1], start), numbers=numbers)


def _notes(text: Text) -> tuple[str, ...]:
    if not text.asked.is_chat:
        return ()
    return ("The text was sent as a message, in the model's chat template.",)


def read_layers(text: Text, shown: Shown, should_stop: Callable[[], bool]) -> Iterator[int]:
    """Read the logit lens of every step, and put it into the picture."""
    from transformer_core.figures.decoder import lens_rows, with_lens

    steps = text.branches.steps(*shown)
    rows: list[list[list[object]]] = []
    for row in lens_rows(steps):
        rows.append(row)
        if should_stop():
            return
        yield len(rows)
    key = (shown, len(steps))
    text.pictures[key] = with_lens(text.pictures[key], rows)
