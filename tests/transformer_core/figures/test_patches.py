"""Attention over a picture: the payload's numbers are the trace's, by patch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.tiny_models import make_tiny
from tests.support.traces import random_record, trace_of
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.figures import html
from transformer_core.figures.patches import patches, to_csv
from transformer_core.figures.readings import Place
from transformer_core.models.loading import load
from transformer_core.tracing.trace import Trace
from transformer_core.tracing.vision import KEY, seen


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    folder = make_tiny("deit", tmp_path_factory.mktemp("tiny") / "deit")
    return load(folder).trace(Image.fromarray(noise))


def test_weights_and_rollout_are_the_trace_s(trace: Trace) -> None:
    payload = patches(trace, Place("encoder", 1, 2), query=5)
    options = payload.header["options"]
    assert (options["grid"], options["n_special"], options["selected"]) == ([4, 4], 2, [5, 0])
    assert np.array_equal(payload.arrays["image"].codes, seen(trace).image)
    weights = payload.arrays["weights"]
    expected = trace.pattern("encoder", layer=1, head=2).numpy()
    assert np.abs(weights.values() - expected).max() <= weights.max_error < 1e-4
    # Abnar & Zuidema 2020, section 3, written out in another way: (A + I) / 2, from the input up.
    whole = np.eye(18)
    for layer in range(2):
        mean = torch.stack(
            [trace.pattern("encoder", layer=layer, head=head) for head in range(4)]
        ).mean(0)
        whole = ((mean.double().numpy() + np.eye(18)) / 2) @ whole
    rollout = payload.arrays["rollout"]
    assert np.abs(rollout.values() - whole).max() <= rollout.max_error + 1e-6


def test_a_table_names_where_each_patch_lies(trace: Trace) -> None:
    lines = to_csv(trace, Place("encoder", 0, 0)).splitlines()
    assert len(lines) == 2 + 18 * 18
    assert lines[2].startswith("[CLS],[CLS],,,")
    last = lines[-1].split(",")
    assert last[:4] == ["r3c3", "r3c3", "3", "3"]
    assert float(last[4]) == pytest.approx(
        float(trace.pattern("encoder", layer=0, head=0)[-1, -1]), rel=1e-5
    )


def test_the_picture_is_a_page_of_its_own(trace: Trace) -> None:
    page = html.to_html(patches(trace, Place("encoder", 0, 0)))
    assert "patches" in page and "2 special tokens" in page


def test_a_text_and_too_many_patches_are_said(trace: Trace) -> None:
    with pytest.raises(NotInTraceError, match="no picture"):
        patches(trace_of(random_record(3)), Place("encoder", 0, 0))
    fine = replace(seen(trace), grid=(40, 40))
    with pytest.raises(InputError, match="40 × 40 patches"):
        patches(replace(trace, extra={KEY: fine}), Place("encoder", 0, 0))
    with pytest.raises(NotInTraceError, match="no layer 7"):
        patches(trace, Place("encoder", 7, 0))
