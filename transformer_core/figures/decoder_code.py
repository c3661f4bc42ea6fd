"""The lines of Python that write a text again and draw this very picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformer_core.decoding.strategies import Strategy

if TYPE_CHECKING:
    from transformer_core.tasks.branching import Branch, Branches

_IMPORTS = (
    "from pathlib import Path",
    "",
    "import transformer_core as tc",
    "from transformer_core.decoding.text_tree import text_tree",
    "from transformer_core.figures.decoder import Extras, decoder",
    "from transformer_core.figures.html import to_html",
)
_ENDING = (
    "for step in steps:",
    "    best = [(c.token, round(c.chosen_probability, 3)) for c in step.candidates[:3]]",
    "    print(step.index, repr(step.token), best)",
    "picture = decoder(steps, Extras(tree=text_tree([decoding])))",
    'Path("decoding.html").write_text(to_html(picture), encoding="utf-8")',
)


def first_lines(model_id: str, text: str, *, is_chat: bool) -> list[str]:
    """What comes before anything is written."""
    chat = ("from transformer_core.tasks.chat import chat_prompt",) if is_chat else ()
    prompt = ["text = chat_prompt(model, text)"] if is_chat else []
    return [*_IMPORTS, *chat, "", f"model = tc.load({model_id!r})", f"text = {text!r}", *prompt]


def code_before(model_id: str, text: str, strategy: Strategy, *, is_chat: bool = False) -> str:
    """The lines for a text that is not written yet."""
    lines = first_lines(model_id, text, is_chat=is_chat)
    return _joined(
        [*lines, f"decoding = model.decode(text, tc.{strategy!r})", "steps = [*decoding]"]
    )


def code_of(
    model_id: str,
    text: str,
    branches: Branches,
    shown: tuple[int, int | None] = (0, None),
    *,
    is_chat: bool = False,
) -> str:
    """The lines for a text that is written: its forks, its hypothesis, and no step more.

    Args:
        text: As a person typed it.
        branches: Everything written from it.
        shown: Which branch, and which hypothesis of its beam search; None for the best.
        is_chat: Whether the text was sent as a message.
    """
    number, hypothesis = shown
    branch = branches[number]
    steps = branches.steps(number, hypothesis)
    lines = [*first_lines(model_id, text, is_chat=is_chat), *_writing(branches, branch)]
    lines.append("_ = [*decoding]")
    if hypothesis is not None:
        lines.append(f"steps = decoding.steps_of({hypothesis})")
    elif branch.decoding.ended is None:
        lines.append(f"steps = decoding.steps[:{len(steps)}]  # it was stopped here")
    else:
        lines.append("steps = decoding.steps")
    return _joined(lines)


def _writing(branches: Branches, branch: Branch) -> list[str]:
    from transformer_core.decoding.beam_search import BeamDecoding

    strategy = f"tc.{branch.strategy!r}"
    if branch.parent is None:
        return [f"decoding = model.decode(text, {strategy})"]
    is_known = branch.parent in branches
    if not is_known or isinstance(branch.decoding, BeamDecoding):
        prefix = list(branch.decoding.token_ids[: branch.step + 1])
        return [f"decoding = model.decode(text, {strategy}, target_prefix={prefix})"]
    forked = f"decoding = decoding.fork({branch.step}, {branch.token_id})  # {branch.token!r}"
    return [*_writing(branches, branches[branch.parent]), "_ = [*decoding]", forked]


def _joined(lines: list[str]) -> str:
    return "\n".join([*lines, *_ENDING]) + "\n"
