"""A translation that is watched is the one that is not, and goes on from what somebody chose."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Beam, Greedy
from transformer_core.errors import InputError, TooLongToKeepError
from transformer_core.models.loading import load
from transformer_core.tasks import streaming
from transformer_core.tasks.streaming import StreamState, stream_translation

TEXT = "The cat sat. The dog ran."
LIMITED = Greedy(max_new_tokens=6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_translator(tmp_path_factory.mktemp("own") / "model"))


def last(model: Any, text: str, **options: Any) -> StreamState:
    return [*stream_translation(model, text, LIMITED, **options)][-1]


def test_it_grows_by_a_token_and_ends_as_the_batch_does(model: Any) -> None:
    states = [*stream_translation(model, TEXT, LIMITED)]
    assert [state.n_tokens for state in states] == list(range(1, len(states) + 1))
    assert states[-1].text == model.translate(TEXT, LIMITED)
    assert states[-1].seconds > 0
    assert states[-1].parts[0].is_cut
    assert states[-1].notes == ()


def test_a_document_comes_part_by_part(model: Any) -> None:
    text = TEXT + "\n" + TEXT
    state = last(model, text)
    assert state.n_parts == len(state.parts) == 4
    assert "4 parts" in state.notes[0]
    assert state.text.count("\n") == 1
    assert model.translate(text, LIMITED) == state.text


def test_a_prefix_is_kept_and_written_on(model: Any) -> None:
    free = last(model, "The cat sat.").parts[0]
    chosen = (free.steps[0].token_id, 77)
    forked = last(model, "The cat sat.", prefixes={0: chosen}).parts[0]
    assert tuple(step.token_id for step in forked.steps[:2]) == chosen


def test_a_stop_ends_it_between_tokens(model: Any) -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 2

    states = [*stream_translation(model, TEXT + "\n" + TEXT, LIMITED, should_stop=should_stop)]
    assert states[-1].n_tokens == 2


def test_a_beam_search_shows_drafts_and_ends_as_the_batch_does(model: Any) -> None:
    beam = Beam(n_beams=3, max_new_tokens=6)
    states = [*stream_translation(model, TEXT, beam)]
    assert all(state.parts[0].draft and not state.parts[0].steps for state in states[:-1])
    assert len(states) > 3
    assert states[0].text
    assert states[-1].text == model.translate(TEXT, beam)
    assert states[-1].parts[0].steps[-1].trace.target is not None


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_beam_search_that_was_stopped_shows_what_it_had(model: Any, after: int) -> None:
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > after

    beam = Beam(n_beams=3, max_new_tokens=6)
    states = [*stream_translation(model, TEXT, beam, should_stop=should_stop)]
    assert bool(states) == bool(after)
    if states:
        assert states[-1].n_tokens == after
        assert states[-1].parts[0].is_cut


def test_a_text_too_long_to_keep_its_steps_says_what_to_do(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "MAX_TOKENS", 5)
    with pytest.raises(TooLongToKeepError, match=r"tokens; up to 5 .* as a document"):
        next(stream_translation(model, TEXT, LIMITED))
    streaming.check_kept(model, TEXT, limit=100)


def test_several_texts_keep_their_order_and_beams_are_searched(model: Any) -> None:
    texts = ["The cat sat.", "", "The dog ran."]
    beam = Beam(n_beams=2, max_new_tokens=6)
    assert model.translate(texts, beam) == [model.translate(text, beam) for text in texts]


def test_a_model_of_transformers_translates_like_its_own_generate(tmp_path: Path) -> None:
    hub = load(make_tiny("marian", tmp_path / "marian"))
    streamed = last(hub, "the cat").text
    assert hub.translate("the cat", LIMITED) == streamed  # type: ignore[attr-defined]


def test_a_model_without_a_decoder_says_which_models_translate(tmp_path: Path) -> None:
    bert = load(make_tiny("bert", tmp_path / "bert"))
    with pytest.raises(InputError, match="en-fr-small"):
        bert.translate("the cat")  # type: ignore[attr-defined]
