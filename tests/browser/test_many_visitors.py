"""Several visitors at once over the real websocket protocol: a small load, a short soak."""

import asyncio
import random

import psutil
import pytest

from benchmarks.load import PAGE, Tally, first_visitor, hurried, paced, sentences
from benchmarks.soak import Diary, Wanderer, figures_of
from tests.support.live_app import LiveApp
from tests.support.websocket_client import Visitor, visiting


def test_a_visitor_types_chooses_turns_and_comes_back(app: LiveApp) -> None:
    async def visit() -> None:
        first = await first_visitor(app.url)
        await first.disconnect()
        async with visiting(app.url, PAGE) as visitor:
            assert visitor.title.startswith("Attention")
            assert visitor.value("text").startswith("The animal")
            await visitor.change("layer", "Layer 5")
            text = next(sentences())
            run = await visitor.change("text", text)
            assert run.n_messages > 5
            assert (visitor.value("text"), visitor.value("layer")) == (text, "Layer 5")
            assert "layer=5" in visitor.query
            before = visitor.session_id
            await visitor.disconnect()
            await visitor.open()
            assert (visitor.session_id, visitor.connections) == (before, 2)
            await visitor.go("positions")
            assert visitor.title.startswith("Positions")
            await visitor.go(PAGE)
            assert visitor.value("text") == text
            assert visitor.errors() == []

    asyncio.run(visit())


def test_what_a_page_refuses_is_seen(app: LiveApp) -> None:
    async def visit() -> list[str]:
        await (await first_visitor(app.url)).disconnect()
        async with visiting(app.url, PAGE) as visitor:
            await visitor.change("text", "  ")
            return visitor.errors()

    assert len(asyncio.run(visit())) == 1


def test_a_visitor_speaks_with_no_other_machine() -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        Visitor("http://example.org:8501")


def test_a_small_class_gets_every_picture(app: LiveApp) -> None:
    async def load() -> list[str]:
        first = await first_visitor(app.url)
        visitors = [first, *(Visitor(app.url, PAGE) for _ in range(3))]
        for visitor in visitors[1:]:
            await visitor.open()
        server = psutil.Process(app.process.pid)
        figures = await paced(server, visitors, 2.0, think_s=0.5)
        figures += await hurried(server, visitors, 2.0)
        for visitor in visitors:
            await visitor.disconnect()
        errors = [figure for figure in figures if figure.what.endswith("errors")]
        assert len(errors) == 2
        return [figure.what for figure in errors if not figure.is_met]

    assert asyncio.run(load()) == []


def test_an_error_is_counted() -> None:
    tally = Tally()
    asyncio.run(tally.change(Visitor("http://localhost:1", PAGE), "text", "a"))
    assert len(tally.errors) == 1


def test_wanderers_lose_no_session_and_see_no_failure(app: LiveApp) -> None:
    async def wander() -> Diary:
        await (await first_visitor(app.url)).disconnect()
        diary, texts, chance = Diary(), sentences(), random.Random(3)
        wanderers = [
            Wanderer(app.url, texts, random.Random(chance.random()), diary, think_s=(0.1, 0.3))
            for _ in range(3)
        ]
        await asyncio.gather(*(wanderer.wander(6.0) for wanderer in wanderers))
        return diary

    diary = asyncio.run(wander())
    assert (diary.lost, diary.problems) == ([], [])
    assert diary.done["arrive"] >= 3
    assert len(diary.seconds) > 10
    diary.memory = [(0.0, 100.0), (3.0, 100.0), (6.0, 130.0)]
    growth, *_ = figures_of(diary, 0.1, 3, "")
    assert (growth.value, growth.is_met) == (1.3, False)
