"""Documents come back whole, in order, and say how they were cut."""

from collections.abc import Sequence

import pytest

from transformer_core.decoding.strategies import Greedy, Strategy
from transformer_core.errors import StoppedError
from transformer_core.model.generation import Hypothesis
from transformer_core.tasks.translation import translate
from transformer_core.tokenization.tokens import Tokens


class LetterTokenizer:
    """One token a character, so that lengths are plain to see."""

    n_ctx = None

    def encode(self, text: str) -> Tokens:
        labels = Tokens.from_labels(list(text))
        return Tokens(
            text,
            tuple(map(ord, text)),
            labels.display,
            labels.is_special,
            labels.spans,
            labels.word_ids,
        )

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


class UpperCase:
    """A model whose translation is the source in capitals."""

    tokenizer = LetterTokenizer()
    n_ctx = 20

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def write(self, sources: Sequence[Sequence[int]], strategy: Strategy) -> list[Hypothesis]:
        self.batches.append([len(source) for source in sources])
        return [
            Hypothesis(tuple(ord(chr(i).upper()) for i in source), -1.0, is_cut=False)
            for source in sources
        ]


def test_texts_come_back_in_their_order() -> None:
    texts = ["a longer one", "b", "", "in between"]
    results = translate(UpperCase(), texts, Greedy())
    assert [result.text for result in results] == [text.upper() for text in texts]
    assert [result.notes for result in results] == [()] * 4


def test_a_document_keeps_its_lines_and_says_that_it_was_cut() -> None:
    document = "One two three. Four five six.\n\nSeven eight nine."
    (result,) = translate(UpperCase(), [document], Greedy())
    assert result.text == document.upper()
    assert "3 parts" in result.notes[0]


def test_a_sentence_over_the_limit_is_cut_inside_and_said() -> None:
    (result,) = translate(UpperCase(), ["all in one sentence without any end"], Greedy())
    assert "cut inside a sentence" in result.notes[1]
    assert max(len(part.source.text) for part in result.parts) <= UpperCase.n_ctx


def test_batches_hold_sources_of_like_length() -> None:
    model = UpperCase()
    translate(model, ["abc"] * 3 + ["a"] * 2, Greedy())
    assert model.batches == [[1, 1, 3, 3, 3]]


def test_progress_is_told_and_can_stop() -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        told.append((done, total))
        return False

    with pytest.raises(StoppedError, match="2 of 2"):
        translate(UpperCase(), ["a", "b"], Greedy(), on_progress=stop)
    assert told == [(2, 2)]
