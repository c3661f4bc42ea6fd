"""Attention or cause: the payload's numbers, what is missing, and the files."""

import csv
import json

import numpy as np
import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.correlation import spearman
from transformer_core.analysis.measures import Causes, measures_of
from transformer_core.errors import InputError
from transformer_core.figures.attribution import (
    NO_AGREEMENT,
    attention_or_cause,
    to_csv,
    to_json,
)
from transformer_core.figures.readings import Place
from transformer_core.figures.wire import unpack
from transformer_core.models.loading import load
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TraceableModel:
    return load(make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert"))


@pytest.fixture(scope="module")
def trace(model: TraceableModel) -> Trace:
    return model.trace(TEXT)


@pytest.fixture(scope="module")
def causes(model: TraceableModel, trace: Trace) -> Causes:
    return Causes.measure(model, trace, "encoder", layer=1)


PLACE = Place("encoder", 1, 2)


def test_every_map_arrives_by_scope(trace: Trace, causes: Causes) -> None:
    header, arrays = unpack(attention_or_cause(trace, PLACE, causes).to_bytes())
    sent = arrays["values"].values()
    for scope, head in enumerate((2, None)):
        found = measures_of(trace, "encoder", layer=1, head=head, causes=causes)
        for told, measure in zip(header["options"]["measures"], found, strict=True):
            assert told["key"] == measure.key
            assert measure.values is not None
            expected = measure.values.numpy()
            assert np.allclose(sent[told["maps"][scope]], expected, atol=1e-6)
    kinds = [told["kind"] for told in header["options"]["measures"]]
    assert kinds == ["attention"] * 3 + ["cause"] * 3
    assert header["badge"]["ok"]


def test_correlations_are_over_the_other_tokens(trace: Trace, causes: Causes) -> None:
    payload = attention_or_cause(trace, PLACE, causes)
    table = payload.arrays["agreement"].values()
    n, m = len(trace.tokens), 6
    assert table.shape == (2, 2, n + 1, m, m)
    measures = measures_of(trace, "encoder", layer=1, head=2, causes=causes)
    stacked = torch.stack([x.values for x in measures if x.values is not None])
    query = 3
    others = [i for i in range(n) if i != query]
    expected = spearman(stacked[:, query, others])
    assert np.allclose(table[0, 0, query], expected.numpy(), atol=1e-5)
    ordinary = [i for i in others if not trace.source.is_special[i]]
    expected = spearman(stacked[:, query, ordinary])
    assert np.allclose(table[0, 1, query], expected.numpy(), atol=1e-5)
    special = trace.source.is_special.index(True)
    assert (table[0, 1, special] == NO_AGREEMENT).all()


def test_what_is_not_measured_says_why(trace: Trace) -> None:
    payload = attention_or_cause(trace, PLACE, missing="measuring …")
    told = {m["key"]: m for m in payload.header["options"]["measures"]}
    assert told["value_zeroing"]["maps"] == []
    assert told["value_zeroing"]["missing"] == "measuring …"
    assert told["weight"]["missing"] == ""
    assert (payload.arrays["agreement"].values()[0, 0, 0, 0, 3:] == NO_AGREEMENT).all()


def test_an_imported_matrix_has_weights_and_rollout() -> None:
    even = torch.full((1, 1, 3, 3), 1 / 3)
    trace = Trace.from_patterns({"encoder": even}, source=Tokens.from_labels(["a", "b", "c"]))
    payload = attention_or_cause(trace, Place("encoder", 0, 0), missing="needs a model")
    maps = {m["key"]: bool(m["maps"]) for m in payload.header["options"]["measures"]}
    assert [name for name, is_there in maps.items() if is_there] == ["weight", "rollout"]
    assert payload.header["badge"]["ok"]


def test_a_long_text_is_refused_with_its_length(model: TraceableModel) -> None:
    long = Trace.from_patterns(
        {"encoder": torch.eye(129)[None, None]}, source=Tokens.from_labels(["a"] * 129)
    )
    with pytest.raises(InputError, match="128 tokens at most; here are 129"):
        attention_or_cause(long, Place("encoder", 0, 0))


def test_files_hold_every_number(trace: Trace, causes: Causes) -> None:
    lines = to_csv(trace, PLACE, causes).splitlines()
    assert "layer 1 · head 2" in lines[0]
    rows = list(csv.DictReader(lines[1:]))
    n = len(trace.tokens)
    assert len(rows) == n * n
    row = rows[3 * n + 1]
    assert (row["query"], row["source"], row["source_token"]) == ("3", "1", trace.tokens[1])
    weight = float(trace.pattern("encoder", layer=1, head=2)[3, 1])
    assert float(row["weight"]) == pytest.approx(weight, rel=1e-4)
    assert causes.zeroing is not None
    assert float(row["value_zeroing"]) == pytest.approx(float(causes.zeroing[3, 1]), rel=1e-4)
    content = json.loads(to_json(trace, PLACE, causes))
    assert content["rows"][3 * n + 1]["weight"] == pytest.approx(weight)
    rho = content["rank_correlation"]
    assert rho["of"][0] == "weight"
    assert rho["head"][3][0][0] == pytest.approx(1.0)
    without = json.loads(to_json(trace, PLACE))
    assert without["rows"][0]["value_zeroing"] is None
    assert without["rank_correlation"]["head"][3][0][3] is None
