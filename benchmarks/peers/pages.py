"""The page: its bytes, and how long until there is a first picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from playwright.sync_api import Page

from benchmarks.browser import CLOCK, TRACED, until_painted
from benchmarks.peers import gpt2_shape
from benchmarks.peers.rounds import Rounds, mebibytes, peer, seconds
from benchmarks.report import Figure
from tests.support.live_app import browsing, running_app, settle, watch

BYTES_BAR = 100
N_HEADS_LOOKED_AT = 10
LENGTHS = (16, 128)
PARTS = {
    "bytes": "bytes over the socket, our scripts included, Streamlit's not; BertViz's without d3",
    "data": "the same without what came before the text was typed",
}
VERY_LONG = 512
"""Here BertViz's page is written once: it takes minutes and gigabytes."""


def measured(rounds: Rounds, *, is_whole: bool) -> list[Figure]:
    """Everything of this module; ``is_whole``: BertViz at 512 tokens, too."""
    ours = our_pages(rounds)
    if peer("bertviz") is None:
        return list(ours.values())
    figures = []
    bertviz = _BertViz()
    lengths = (*LENGTHS, VERY_LONG) if is_whole else LENGTHS
    for n in lengths:
        times, size = bertviz.written(n, rounds if n < VERY_LONG else Rounds(1, rounds.clock))
        for part, what in PARTS.items():
            loaded = ours[n, part].value
            name = (
                f"BertViz model view ÷ our Attention page until the tenth head, GPT-2 shape, {n} "
                f"tokens, {what} ({mebibytes(size)} ÷ {mebibytes(loaded)})"
            )
            bar = BYTES_BAR if (n, part) == (128, "bytes") else None
            figures.append(Figure(name, size / loaded, bar, is_floor=True))
        painted = ours[n, "first"].value / 1000
        ratios = [one / painted for one in times]
        what = (
            f"BertViz, text → page written, not drawn yet ÷ ours, Enter → drawn in Chromium, "
            f"GPT-2 shape, {n} tokens, time ({seconds(median(times))} ÷ {seconds(painted)})"
        )
        many = len(ratios) > 1
        figures.append(Figure.of(what, ratios) if many else Figure(what, ratios[0]))
    return figures


class _BertViz:
    """Its model view: all heads of all layers, as its notes recommend for an overview."""

    def __init__(self) -> None:
        folder = gpt2_shape.folder()
        kind: Any = transformers.GPT2Model
        self._model = kind.from_pretrained(folder, attn_implementation="eager").eval()

    @torch.no_grad()
    def page(self, n: int) -> str:
        """From text to HTML."""
        words = gpt2_shape.text_of(n).split()
        output = self._model(gpt2_shape.ids_of(n), output_attentions=True, use_cache=False)
        view = peer("bertviz").model_view(output.attentions, words, html_action="return")
        html: str = view.data
        return html

    def written(self, n: int, rounds: Rounds) -> tuple[list[float], int]:
        """Seconds of each round, and bytes."""
        sizes: list[int] = []
        times = rounds.run({"page": lambda: sizes.append(len(self.page(n).encode()))})
        return times["page"], sizes[-1]


def our_pages(rounds: Rounds) -> dict[tuple[int, str], Figure]:
    """Bytes until the tenth head was looked at, and time to the first picture of a new text."""
    found = {}
    with (
        browsing() as browser,
        tempfile.TemporaryDirectory() as name,
        running_app(Path(name)) as app,
    ):
        for n in (*LENGTHS, VERY_LONG):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.add_init_script(CLOCK)
            traffic = watch(page)
            page.goto(f"{app.attention}?model={gpt2_shape.folder()}&layer=0&head=0")
            page.wait_for_selector(TRACED, timeout=120_000)
            settle(page)
            before = sum(traffic.received)
            _type(page, gpt2_shape.text_of(n))
            look_at_heads(page)
            size = sum(traffic.received)
            found[n, "bytes"] = Figure(f"our page, {n} tokens", size, unit="B")
            found[n, "data"] = Figure(f"its data, {n} tokens", size - before, unit="B")
            words = gpt2_shape.text_of(n).split()
            times = [_type(page, " ".join(words[i:] + words[:i])) for i in range(1, rounds.n)]
            what = f"Enter → drawn, GPT-2 shape, {n} tokens"
            found[n, "first"] = Figure.of(what, times, unit="ms")
            page.close()
    return found


def _type(page: Page, text: str) -> float:
    """Milliseconds until a text's first head is drawn."""
    box = page.get_by_role("textbox", name="Text")
    box.fill(text)
    page.wait_for_timeout(100)
    time = until_painted(page, lambda: box.press("Enter"))
    settle(page)
    return time


def look_at_heads(page: Page) -> None:
    """Nine heads more, each of another layer."""
    for turn in range(1, N_HEADS_LOOKED_AT):
        page.get_by_role("combobox", name="Layer").click()
        option = page.get_by_role("option", name=f"Layer {turn}", exact=True)
        until_painted(page, lambda chosen=option: chosen.click())
        settle(page)
