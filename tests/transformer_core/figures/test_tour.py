"""The guided tour: ten stops, each short, with an equation and a source, none of them dead."""

import re

import pytest

from transformer_core.config import TransformerConfig
from transformer_core.figures.architecture_words import words_of
from transformer_core.figures.tour import STOPS, Stop

ORDER = "token Embedding Positions Attention Heads layer decoder Decoding Training Efficiency"


def test_the_stops_come_in_the_order_of_the_subject() -> None:
    assert len(STOPS) == 10
    for stop, word in zip(STOPS, ORDER.split(), strict=True):
        assert word in stop.title


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.title)
def test_a_stop_is_short_and_says_where_it_is_written(stop: Stop) -> None:
    n_sentences = len(re.findall(r"[.!](?=\s|$)", stop.text))
    assert 2 <= n_sentences <= 4
    assert stop.equation
    assert re.search(r"arxiv\.org/abs/1706\.03762\), sections? \d", stop.source)


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.title)
def test_a_stop_has_a_block_on_the_map(stop: Stop) -> None:
    assert stop.block in words_of(TransformerConfig(100))
