"""A trace of a picture knows the picture, its patches and classes; hub models and ours alike."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, ViTForImageClassification

from tests.support.tiny_models import make_tiny
from tests.support.traces import random_record, trace_of
from transformer_core.errors import FileFormatError, InputError, NotInTraceError
from transformer_core.models.loading import load
from transformer_core.tracing.interventions import AblateHead
from transformer_core.tracing.trace import Trace
from transformer_core.tracing.vision import seen


def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize(("kind", "special"), [("vit", ["[CLS]"]), ("deit", ["[CLS]", "[DIST]"])])
def test_a_hub_model_names_its_patches_and_classes(
    tmp_path: Path, kind: str, special: list[str]
) -> None:
    trace = load(make_tiny(kind, tmp_path / kind)).trace(picture())
    read = seen(trace)
    assert read.grid == (4, 4) and read.n_special == len(special)
    assert trace.tokens[: len(special)] == special
    assert trace.tokens[len(special)] == "r0c0" and trace.tokens[-1] == "r3c3"
    assert list(trace.source.is_special) == [True] * len(special) + [False] * 16
    assert read.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert read.image.shape == (16, 16, 3) and read.image.dtype == np.uint8


def test_what_was_seen_is_what_the_processor_made(tmp_path: Path) -> None:
    folder = make_tiny("vit", tmp_path / "vit")
    pixels = AutoImageProcessor.from_pretrained(folder)(picture(), return_tensors="pt")
    values = pixels["pixel_values"]
    expected = ((values[0].permute(1, 2, 0) * 0.5 + 0.5) * 255).round().clamp(0, 255)
    trace = load(folder).trace(picture())
    assert np.array_equal(seen(trace).image, expected.byte().numpy())
    with torch.no_grad():
        logits = ViTForImageClassification.from_pretrained(folder).eval()(values).logits[0]
    assert trace.logits is not None and torch.allclose(trace.logits, logits, atol=1e-5)


def test_a_picture_is_taken_from_a_file_and_its_changes_are_noted(tmp_path: Path) -> None:
    model = load(make_tiny("vit", tmp_path / "vit"))
    path = tmp_path / "clear.png"
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(path)
    trace = model.trace(str(path))
    assert trace.notes == ("Its transparent parts were laid on white.",)
    assert bool((seen(trace).image == 255).all())
    with pytest.raises(InputError, match="reads images, not text"):
        model.trace("The cat sat on the mat.")


def test_a_head_of_a_vision_model_can_be_switched_off(tmp_path: Path) -> None:
    model = load(make_tiny("vit", tmp_path / "vit"))
    changed = model.trace(picture(), interventions=[AblateHead("encoder", 0, 1, "zero")])
    z = changed.record("encoder", layer=0).z
    assert z is not None and bool((z[1] == 0).all())
    assert seen(changed).grid == (4, 4)


def test_the_picture_is_saved_with_its_trace(tmp_path: Path) -> None:
    trace = load(make_tiny("vit", tmp_path / "vit")).trace(Image.new("RGBA", (9, 9)))
    trace.save(tmp_path / "trace.npz")
    back = Trace.load(tmp_path / "trace.npz")
    assert np.array_equal(seen(back).image, seen(trace).image)
    assert (seen(back).grid, seen(back).labels) == (seen(trace).grid, seen(trace).labels)
    assert back.notes == trace.notes != ()


def test_a_file_whose_picture_and_patches_differ_is_refused(tmp_path: Path) -> None:
    trace = load(make_tiny("vit", tmp_path / "vit")).trace(picture())
    trace.save(tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz") as arrays:
        content = dict(arrays)
    header = content["header"].tobytes().replace(b'"grid": [4, 4]', b'"grid": [4, 5]')
    content["header"] = np.frombuffer(header, np.uint8)
    np.savez(tmp_path / "other.npz", **content)
    with pytest.raises(FileFormatError, match="4 × 5 patches"):
        Trace.load(tmp_path / "other.npz")
    content["vision"] = np.zeros((3, 3))
    np.savez(tmp_path / "other.npz", **content)
    with pytest.raises(FileFormatError, match="its picture is float64"):
        Trace.load(tmp_path / "other.npz")


def test_a_text_has_no_picture() -> None:
    with pytest.raises(NotInTraceError, match="digits-vit"):
        seen(trace_of(random_record(3)))
