"""What the browser gets to recompute a head from: held against torch."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.traces import random_record
from transformer_core.errors import InputError
from transformer_core.figures.evidence import Evidence
from transformer_core.tracing.records import AttentionRecord


def evidence(record: AttentionRecord, head: int = 1) -> Evidence:
    mask, bias = record.mask, record.bias
    assert record.v is not None
    assert record.z is not None
    return Evidence(
        q=record.q[head].numpy(),
        k=record.k[head].numpy(),
        scaling=record.scaling,
        allowed=None if mask is None else mask[0].numpy(),
        bias=None if bias is None else bias[0].numpy(),
        v=record.v[head].numpy(),
        z=record.z[head].numpy(),
        is_causal=record.is_causal,
    )


def sliding(n: int, width: int) -> torch.Tensor:
    distance = torch.arange(n)[:, None] - torch.arange(n)[None]
    return ((distance >= 0) & (distance < width))[None]


RECORDS = {
    "whole": random_record(300, 20),
    "causal": random_record(300, is_causal=True),
    "cached": random_record(3, 20, is_causal=True),
    "sliding": random_record(40, mask=sliding(40, 5)),
    "biased": random_record(9, bias=torch.arange(17.0).unfold(0, 9, 1).flip(0)[None] / 5),
}


@pytest.mark.parametrize("name", RECORDS)
def test_normalisers_turn_scores_into_the_pattern(name: str) -> None:
    record = RECORDS[name]
    here = evidence(record)
    _, arrays = here.encode()
    largest, sums = (arrays[part].values()[:, None] for part in ("row_max", "row_sum"))
    weights = np.exp(here.scores() - largest) / sums
    assert np.abs(weights - record.pattern(1).numpy()).max() < 1e-6


@pytest.mark.parametrize("name", RECORDS)
def test_steps_say_which_cells_are_masked(name: str) -> None:
    record = RECORDS[name]
    facts, arrays = evidence(record).encode_steps()
    seen = record.visible(1)
    if seen is None:
        assert facts["mask"] is None
    elif record.mask is None:
        assert facts["mask"] == "causal"
    else:
        assert facts["mask"] == "bits"
        bits = np.unpackbits(arrays["mask"].codes, axis=1, bitorder="little")
        assert np.array_equal(bits[:, : record.n_key].astype(bool), seen.numpy())


def test_a_bias_by_distance_travels_as_one_number_a_distance() -> None:
    facts, arrays = evidence(RECORDS["biased"]).encode_steps()
    assert facts["bias"] == "offset"
    assert arrays["bias"].codes.shape == (17,)


def test_the_difference_from_the_output_is_tiny_and_grows_where_the_output_is_changed() -> None:
    record = RECORDS["causal"]
    assert evidence(record).differences().max() < 1e-6
    assert record.z is not None
    z = record.z.clone()
    z[1, 7, 2] += 0.25
    differences = evidence(dataclasses.replace(record, z=z)).differences()
    assert differences[7] == pytest.approx(0.25, abs=1e-5)
    assert np.delete(differences, 7).max() < 1e-6


def test_short_texts_travel_exactly_and_long_ones_say_that_they_do_not() -> None:
    assert evidence(random_record(300)).encode_steps()[0]["exact"]
    wide = Evidence(*(np.ones((600, 64), np.float32),) * 2, 1.0, v=np.ones((600, 64), np.float32))
    facts, arrays = wide.encode_steps()
    assert not facts["exact"]
    assert arrays["v"].codes.dtype == np.float16


def test_steps_without_values_or_with_too_large_a_bias_are_refused() -> None:
    here = evidence(random_record(300))
    with pytest.raises(InputError, match="values"):
        dataclasses.replace(here, v=None).encode_steps()
    noise = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    with pytest.raises(InputError, match="90,000 cells"):
        dataclasses.replace(here, bias=noise).encode_steps()
