"""Summaries: the prompt, the length, long texts, and which sentences they drew on."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.drawn_on import shares
from transformer_core.cli import main
from transformer_core.errors import InputError
from transformer_core.figures.drawn_on import (
    DrawnOn,
    drawn_on,
    readable,
    to_csv,
    to_json,
    to_npz,
)
from transformer_core.models.loading import load
from transformer_core.tasks import documents, summarization
from transformer_core.tasks.summarization import (
    INSTRUCTION,
    Length,
    SummaryPart,
    SummaryState,
    pieces_of,
    prompt_for,
    stream_summary,
    summarize,
)

TEXT = "The cat sat on the mat. The dog ran away."
TEMPLATE = "{% for m in messages %}user: {{ m['content'] }}\nassistant:{% endfor %}"
SHORT = Length(2, 8)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = make_tiny("llama", tmp_path_factory.mktemp("chat") / "llama")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"chat_template": TEMPLATE}), encoding="utf-8")
    return load(folder)


def test_a_chat_model_is_asked_in_its_template_and_the_text_stands_where_it_says(chat: Any) -> None:
    prompt = prompt_for(chat, f"  {TEXT} ")
    assert prompt.text.startswith(f"user: {INSTRUCTION}")
    assert prompt.text.rstrip().endswith("assistant:")
    assert prompt.text[prompt.start : prompt.end] == TEXT


def test_the_templates_marks_in_a_text_are_plain_words(chat: Any) -> None:
    mark = chat.tokenizer.hf.all_special_tokens[0]
    assert mark not in prompt_for(chat, f"a {mark} b").text


def test_an_encoder_decoder_reads_the_text_itself(tmp_path: Path) -> None:
    model: Any = load(make_tiny("bart", tmp_path / "bart"))
    assert prompt_for(model, TEXT).text == TEXT


def test_a_model_without_a_chat_template_says_which_models_summarise(tmp_path: Path) -> None:
    model: Any = load(make_tiny("gpt2", tmp_path / "gpt2"))
    with pytest.raises(InputError, match="smollm2"):
        summarize(model, TEXT)


def test_a_summary_has_the_length_that_was_asked_for(chat: Any) -> None:
    states = [*stream_summary(chat, TEXT, SHORT)]
    assert SHORT.at_least <= states[-1].n_tokens <= SHORT.at_most + 1
    assert states[-1].text == chat.summarize(TEXT, min_length=2, max_length=8)
    assert states[-1].seconds > 0


def test_an_empty_text_has_an_empty_summary(chat: Any) -> None:
    assert summarize(chat, " \n") == SummaryState((), 0)
    assert chat.summarize(["", ""]) == ["", ""]


@pytest.mark.parametrize("length", [(5, 4), (-1, 4), (0, 0)])
def test_lengths_that_contradict_each_other_are_refused(length: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Length(*length)


def test_a_text_over_the_limit_is_cut_at_sentences_and_packed(
    chat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pieces_of(chat, TEXT, SHORT)
    assert [piece.text for piece in whole] == [TEXT]
    n_prompt = len(chat.tokenizer.encode(prompt_for(chat, "x").text))
    monkeypatch.setattr(chat.tokenizer, "n_ctx", n_prompt + SHORT.at_most + 40)
    pieces = pieces_of(chat, " ".join([TEXT] * 4), SHORT)
    assert 1 < len(pieces) < 8
    assert " ".join(piece.text for piece in pieces) == " ".join([TEXT] * 4)
    with pytest.raises(InputError, match="shorter summary"):
        pieces_of(chat, TEXT, Length(2, 60))


def test_shares_of_source_sentences_sum_to_one(chat: Any) -> None:
    state = summarize(chat, TEXT, SHORT)
    part = state.parts[0]
    cut = part.prompt.start + TEXT.index("The dog")
    spans = [(part.prompt.start, cut), (cut, part.prompt.end)]
    weights = shares(part.steps, spans)
    assert weights.shape == (len(part.steps), 2)
    assert (weights.sum(dim=1) - 1).abs().max() < 1e-6
    with pytest.raises(InputError):
        shares(part.steps, [(10_000, 10_001)])


def test_a_long_text_is_summarised_in_parts_also_where_the_model_could_read_more(
    chat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summarization, "COMFORTABLE", 30)
    pieces = pieces_of(chat, " ".join([TEXT] * 4), SHORT)
    assert len(pieces) > 1
    assert all(len(chat.tokenizer.encode(piece.text)) <= 30 for piece in pieces)


def test_the_picture_and_its_files_show_each_sentence_of_the_source(chat: Any) -> None:
    state = summarize(chat, TEXT, Length(6, 8))
    (part,) = readable(state)
    header = drawn_on(part).header
    assert header["keys"]["display"] == ["The cat sat on the mat.", "The dog ran away."]
    assert header["badge"]["ok"]
    lengths = header["options"]["lengths"]
    assert sum(lengths) == len(chat.tokenizer.encode(TEXT)) - sum(
        chat.tokenizer.encode(TEXT).is_special
    )
    found = DrawnOn.of(part)
    by_hand = shares(part.steps, spans_of(part))
    n_first = found.n_tokens[0]
    assert found.weights[0] == pytest.approx(by_hand[:n_first].mean(dim=0).numpy(), abs=1e-5)
    content = json.loads(to_json(state))
    assert np.array(content["parts"][0]["weights"]) == pytest.approx(found.weights)
    rows = [*csv.reader(io.StringIO(to_csv(state)))]
    assert len(rows) == 2 + found.weights.size
    assert rows[2][5] == "The cat sat on the mat."
    with np.load(io.BytesIO(to_npz(state))) as arrays:
        assert np.array_equal(arrays["weights_1"], found.weights)


def spans_of(part: SummaryPart) -> list[tuple[int, int]]:
    cut = part.prompt.start + TEXT.index("The dog")
    return [(part.prompt.start, cut), (cut, part.prompt.end)]


def test_documents_are_summarised_one_by_one_and_stop_in_between(chat: Any) -> None:
    texts = [TEXT, "", TEXT]
    states = [*documents.summarized(chat, texts, lambda: False, SHORT)]
    assert [len(state.results) for state in states] == [0, 1, 2, 3]
    assert states[-1].results[0] == states[-1].results[2]
    assert states[-1].results[1] == ""
    assert states[-1].n_tokens >= 2 * SHORT.at_least
    assert states[-1].seconds > 0
    assert len([*documents.summarized(chat, [TEXT], lambda: True)]) == 1
    (rest, last) = documents.summarized(chat, texts, lambda: False, SHORT, states[2])
    assert (rest.results, last.results) == (states[2].results, states[3].results)


def test_a_stop_ends_a_summary_between_tokens(chat: Any) -> None:
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    states = [*stream_summary(chat, TEXT, Length(6, 8), should_stop=should_stop)]
    assert states[-1].n_tokens == 3
    assert "limit" in states[-1].notes[0]


def test_the_command_writes_a_line_for_each_text(
    chat: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.txt"
    file.write_text(f"{TEXT}\n\n", encoding="utf-8")
    options = ["--model", chat.card.id, "--min-length", "2", "--max-length", "8"]
    assert main(["summarize", "--file", str(file), *options]) == 0
    expected = chat.summarize(TEXT, min_length=2, max_length=8)
    assert capsys.readouterr().out == " ".join(expected.split()) + "\n\n"
