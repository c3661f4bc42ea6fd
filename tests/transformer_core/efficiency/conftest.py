"""Tiny models and a tiny evaluation set."""

from typing import Any

import pytest

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.models.loading import load
from transformer_core.training.data import Reference


def reference(source: str, target: str) -> Reference:
    return Reference(source, (target,))


PAIRS = (
    reference("The cat sat.", "Le chat est assis."),
    reference("The dog ran on the mat.", "Le chien court sur le tapis."),
    reference("The dog sat.", "Le chien est assis."),
)


@pytest.fixture(scope="session")
def small_set() -> EvaluationSet:
    return EvaluationSet("tiny", PAIRS, PAIRS[:2], ("The cat sat on the mat. The dog ran.",))


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_translator(tmp_path_factory.mktemp("own") / "own"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("llama", tmp_path_factory.mktemp("hf") / "llama"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("bert", tmp_path_factory.mktemp("hf") / "bert"))


@pytest.fixture(scope="session")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("marian", tmp_path_factory.mktemp("hf") / "marian"))
