"""A drawing of a digit is brought to what the data set's images are; held-out digits are there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from transformer_core.errors import InputError, ModelUnavailableError
from transformer_core.models.loading import load
from transformer_core.models.vision_digits import (
    DigitsProcessor,
    as_picture,
    held_out,
    is_digit,
    to_digit,
)


def drawn(box: tuple[int, int, int, int], *, width: int = 20, ink: int = 0) -> Image.Image:
    image = Image.new("L", (280, 280), 255 - ink)
    ImageDraw.Draw(image).ellipse(box, outline=ink, width=width)
    return image


def test_a_digit_of_the_data_set_is_read_as_it_is() -> None:
    digit = np.random.default_rng(0).integers(0, 17, (8, 8))
    pixels = DigitsProcessor()([digit])["pixel_values"]
    assert pixels.shape == (1, 1, 8, 8)
    assert np.allclose((pixels[0, 0].numpy() + 1) * 8, digit)
    assert np.array_equal(
        DigitsProcessor().to_image(pixels[0])[:, :, 0], np.asarray(as_picture(digit))
    )


def test_place_and_size_of_a_drawing_do_not_matter() -> None:
    here = to_digit(drawn((20, 30, 120, 190), width=14))
    there = to_digit(drawn((140, 60, 240, 220), width=14))
    assert np.array_equal(here, there)
    twice = to_digit(drawn((20, 30, 120, 190), width=14).resize((560, 560)))
    assert np.abs(here.astype(int) - twice).mean() < 1


def test_light_on_dark_is_the_same_as_dark_on_light() -> None:
    dark = drawn((60, 30, 200, 250))
    assert np.array_equal(to_digit(dark), to_digit(dark.point(lambda level: 255 - level)))


def test_a_drawing_fills_the_height_and_has_as_much_ink_as_the_data() -> None:
    for width in (6, 14, 40):
        digit = to_digit(drawn((60, 30, 200, 250), width=width))
        assert digit.max() <= 16
        assert digit[0].max() > 4 and digit[-1].max() > 4
        assert 0.2 < digit.mean() / 16 < 0.42
        assert digit[:, 0].max() == 0 and digit[:, -1].max() == 0


def test_a_bar_stays_narrow_and_a_line_across_stays_flat() -> None:
    image = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(image).line((140, 20, 140, 260), fill=0, width=20)
    upright = to_digit(image)
    assert (upright.max(0) > 0).sum() <= 4 and (upright.max(1) > 0).all()
    flat = to_digit(image.rotate(90))
    assert (flat.max(1) > 0).sum() < 8


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_an_empty_picture_is_said(colour: int) -> None:
    with pytest.raises(InputError, match="empty"):
        to_digit(Image.new("L", (50, 50), colour))


@pytest.mark.parametrize(
    "image", [np.zeros((8, 9)), np.full((8, 8), 17), np.full((8, 8), np.nan), "text", None]
)
def test_only_8_by_8_numbers_up_to_16_are_digits(image: object) -> None:
    assert not is_digit(image)


def test_digits_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="git checkout"):
        held_out(tmp_path)


STROKES = {
    0: [[(50, 12), (30, 25), (25, 50), (30, 75), (50, 88), (70, 75), (75, 50), (70, 25), (50, 12)]],
    1: [[(40, 25), (52, 12), (52, 88)]],
    2: [[(28, 28), (38, 14), (60, 12), (72, 28), (65, 48), (28, 88), (75, 88)]],
    3: [[(30, 15), (68, 15), (48, 45), (70, 60), (68, 80), (50, 90), (28, 82)]],
    4: [[(60, 12), (25, 62), (78, 62)], [(62, 40), (62, 90)]],
    5: [[(72, 12), (35, 12), (32, 45), (60, 42), (73, 62), (62, 85), (30, 88)]],
    6: [[(65, 12), (38, 40), (30, 68), (42, 88), (65, 82), (68, 62), (50, 52), (32, 66)]],
    7: [[(28, 14), (74, 14), (55, 50), (45, 90)], [(40, 52), (70, 52)]],
    8: [
        [(50, 50), (32, 35), (35, 18), (50, 12), (66, 20), (66, 36), (50, 50)],
        [(50, 50), (30, 68), (36, 86), (55, 90), (70, 75), (65, 60), (50, 50)],
    ],
    9: [[(68, 35), (50, 50), (32, 38), (38, 16), (60, 13), (68, 30), (66, 60), (60, 90)]],
}
"""Each digit as a person draws it on the pad, in hundredths of its side."""


def test_digits_drawn_with_a_thick_pen_are_read() -> None:
    model = load("digits-vit")
    read = {}
    for digit, strokes in STROKES.items():
        image = Image.new("L", (280, 280), 255)
        for stroke in strokes:
            points = [(x * 2.8, y * 2.8) for x, y in stroke]
            ImageDraw.Draw(image).line(points, fill=17, width=26, joint="curve")
        logits = model.trace(image).logits
        assert logits is not None
        read[digit] = int(logits.argmax())
    assert sum(digit == said for digit, said in read.items()) >= 9, read
