"""Output tokens are offered by their logits, and found by what somebody types."""

from typing import Any

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.logit_candidates import candidate, likeliest, token_named
from transformer_core.errors import EmptyInputError, InputError
from transformer_core.models.loading import load


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    model: Any = load(str(make_tiny("gpt2", tmp_path_factory.mktemp("tiny") / "gpt2")))
    return model.tokenizer


def test_the_likeliest_come_first_with_their_ranks(tokenizer: Any) -> None:
    logits = torch.tensor([0.0, 3.0, 1.0, 2.0])
    found = likeliest(logits, tokenizer, 3)
    assert [one.token_id for one in found] == [1, 3, 2]
    assert [one.rank for one in found] == [0, 1, 2]
    assert found[0].probability == pytest.approx(float(logits.softmax(0)[1]))
    assert found[0].token == tokenizer.show(1)


def test_a_row_that_no_token_stands_for_has_its_number() -> None:
    class Refusing:
        def show(self, index: int) -> str:
            raise InputError(f"no {index}")

    refusing: Any = Refusing()
    assert candidate(torch.zeros(100), refusing, 99).token == "id 99"


def test_of_a_word_with_and_without_a_space_the_likelier_is_meant(tokenizer: Any) -> None:
    bare, spaced = (tokenizer.encode(text).ids for text in ("t", " t"))
    assert bare[0] != spaced[0]
    for meant in (bare, spaced):
        if len(meant) != min(len(bare), len(spaced)):
            continue
        logits = torch.zeros(10**4)
        logits[meant[0]] = 5.0
        assert token_named(tokenizer, "t", logits) == (meant[0], len(meant))


def test_nothing_is_no_token(tokenizer: Any) -> None:
    with pytest.raises(EmptyInputError):
        token_named(tokenizer, " ", torch.zeros(10**4))
