"""Still pictures: what stands on them, and that both files come from one drawing."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.errors import InputError
from transformer_core.figures import static, views
from transformer_core.figures.drawing import Box, Line, Pixels, Text
from transformer_core.figures.fonts import Face, fitted, missing, width_of, wrapped
from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload
from transformer_core.figures.readings import Place

HERE = Place("encoder", 0, 1)
SVG = "{http://www.w3.org/2000/svg}"
LABELS = ["<s>", "un", "##seen", "a<b&c", "x\x00"]


def small_map(*, is_causal: bool = True) -> Payload:
    record = random_record(5, is_causal=is_causal)
    return views.heat_map(trace_of(record, tokens_of(LABELS, special=(0,))), HERE)


def test_a_map_has_its_tokens_axes_bar_proof_and_caption() -> None:
    payload = small_map()
    texts = static.draw(payload).texts
    words = " ".join(texts)
    peak = float(payload.arrays["weights"].values().max())
    for label in ("<s>", "un", "seen", "a<b&c"):
        assert texts.count(label) == 2, "once as a query and once as a key"
    for needed in (
        "Where does each token look?",
        "query (reads)",
        "key (is read)",
        "weight",
        written(peak, 2),
        written(peak / 2, 2),
        "0",
    ):
        assert needed in texts
    assert "rows sum to 1" in words
    assert "random @ 0123456789ab" in words
    assert "L0 H1" in words


def test_a_cell_has_the_colour_of_its_weight_and_a_masked_one_has_none() -> None:
    payload = small_map()
    drawing = static.draw(payload)
    cells = [mark for mark in drawing.marks if isinstance(mark, Box)]
    assert len(cells) == 15, "a triangle of 5 rows"
    weights = payload.arrays["weights"].values()
    palette = payload.header["theme"]["light"]["sequential"]
    order = [weights[i, j] for i in range(5) for j in range(i + 1)]
    assert cells[int(np.argmax(order))].fill == palette[-1]
    shares = [weight / max(order) for weight in order]
    for cell, share in zip(cells, shares, strict=True):
        at = share * (len(palette) - 1)
        low = min(int(at), len(palette) - 2)
        for channel in (1, 3, 5):
            ends = [int(palette[i][channel : channel + 2], 16) for i in (low, low + 1)]
            expected = ends[0] + (ends[1] - ends[0]) * (at - low)
            assert abs(int(cell.fill[channel : channel + 2], 16) - expected) <= 1


def test_the_tokens_of_a_word_are_joined() -> None:
    lines = [mark for mark in static.draw(small_map()).marks if isinstance(mark, Line)]
    assert len(lines) == 2, "one along each axis, between un and seen"


def test_svg_is_well_formed_and_says_what_it_shows() -> None:
    payload = small_map()
    root = ET.fromstring(static.to_svg(payload))
    assert root.findtext(f"{SVG}title") == "Where does each token look?"
    assert root.findtext(f"{SVG}desc") == payload.caption.replace("\x00", "�")
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert "a<b&c" in texts
    assert len(root.findall(f"{SVG}rect")) == 16, "the ground and a cell for each weight"


def test_png_is_the_same_drawing_twice_as_fine() -> None:
    payload = views.heat_map(trace_of(random_record(5)), HERE)
    drawing = static.draw(payload)
    with Image.open(io.BytesIO(static.to_png(payload))) as image:
        assert image.size == (round(drawing.width * 2), round(drawing.height * 2))
        assert image.info["Title"] == "Where does each token look?"
        assert "random @ 0123456789ab" in image.info["Description"]
        cell = next(mark for mark in drawing.marks if isinstance(mark, Box))
        middle = round(2 * (cell.x + cell.width / 2)), round(2 * (cell.y + cell.height / 2))
        assert "#{:02x}{:02x}{:02x}".format(*image.getpixel(middle)) == cell.fill  # type: ignore[misc]


def test_dark_has_the_dark_colours() -> None:
    payload = small_map()
    colours = payload.header["theme"]["dark"]
    drawing = static.draw(payload, theme="dark")
    assert drawing.background == colours["card"]
    by_text = {mark.text: mark.colour for mark in drawing.marks if isinstance(mark, Text)}
    assert by_text["query (reads)"] == colours["query"]
    assert by_text["key (is read)"] == colours["key"]
    with pytest.raises(InputError, match="no theme 'sepia'"):
        static.draw(payload, theme="sepia")


def test_a_large_map_is_an_image_of_one_pixel_a_cell() -> None:
    record = random_record(130, is_causal=True)
    root = ET.fromstring(static.to_svg(views.heat_map(trace_of(record), HERE)))
    href = next(root.iter(f"{SVG}image")).attrib["href"]
    with Image.open(io.BytesIO(base64.b64decode(href.split(",")[1]))) as image:
        assert image.size == (130, 130)
        alpha = np.asarray(image)[..., 3]
    assert np.array_equal(alpha > 0, np.tri(130, dtype=bool))


def test_a_pooled_map_says_so_and_labels_the_first_token_of_a_block() -> None:
    drawing = static.draw(views.heat_map(trace_of(random_record(1100)), HERE))
    assert any(text.startswith("Pooled to 256 × 256 blocks") for text in drawing.texts)
    assert "largest of a block" in drawing.texts
    labels = [mark.text for mark in drawing.marks if isinstance(mark, Text) and mark.angle == -55]
    positions = [int(label.removeprefix("t")) for label in labels]
    assert positions == [i * 1100 // 256 for i in range(0, 256, len(range(256)) // len(labels) + 1)]
    assert not any("Zoom in" in text for text in drawing.texts)


def test_all_heads_are_named_and_share_one_range_of_colours() -> None:
    trace = trace_of(random_record(6))
    drawing = static.draw(views.all_heads(trace, "encoder"))
    assert {"L0", "H0", "H1", "↓ query (reads)", "→ key (is read)", "weight"} <= set(drawing.texts)
    maps = [m for m in drawing.marks if isinstance(m, Pixels) and m.rgba.shape[:2] == (6, 6)]
    assert len(maps) == 2
    patterns = trace.pattern("encoder", layer=0)
    darkest = torch.tensor([int(m.rgba[..., :3].astype(int).sum(-1).min()) for m in maps])
    assert int(darkest.argmin()) == int(patterns.amax(dim=(1, 2)).argmax())


def test_a_long_text_is_quoted_in_the_caption_and_whole_in_the_file() -> None:
    tokens = replace(tokens_of(LABELS), text="word " * 500)
    payload = views.heat_map(trace_of(random_record(5), tokens), HERE)
    drawing = static.draw(payload)
    assert "(2,500 characters)" in " ".join(drawing.texts)
    assert drawing.height < 600
    assert "word " * 500 in drawing.description


def test_a_view_that_has_to_be_touched_has_no_still_picture() -> None:
    payload = views.by_the_numbers(trace_of(random_record(4)), HERE)
    with pytest.raises(InputError, match="'steps' has no still picture"):
        static.to_svg(payload)


def test_letters_without_a_glyph_are_counted_on_the_png() -> None:
    rune = "\U00016a03"  # a letter of the Bamum script
    if not missing(rune, Face(12, is_mono=True)):
        pytest.skip("this system has a typeface with Bamum letters")
    assert missing("a é √ −", Face(12, is_mono=True)) == 0
    payload = views.heat_map(trace_of(random_record(3), tokens_of(["a", rune, "b"])), HERE)
    plain = static.draw(payload)
    with Image.open(io.BytesIO(static.to_png(payload))) as image:
        assert image.size[1] > 2 * plain.height, "a line of note more"


def test_texts_are_cut_and_broken_to_a_width() -> None:
    face = Face(12, is_mono=True)
    cut = fitted("antidisestablishmentarianism", face, 60)
    assert cut.endswith("…")
    assert width_of(cut, face) <= 60
    lines = wrapped("one two three four five six", Face(12), 60)
    assert " ".join(lines) == "one two three four five six"
    assert all(width_of(line, Face(12)) <= 60 for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.6768, "0.677"),
        (1.0, "1.00"),
        (-12.345, "−12.3"),
        (4560.4, "4,560"),
        (0.0, "0"),
        (3.2e-7, "3.20 × 10⁻⁷"),
        (-2.5e9, "−2.50 × 10⁹"),
        (0.9999, "1.00"),
        (float("inf"), "∞"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float, text: str) -> None:
    assert written(value) == text


def test_names_of_fonts_are_those_of_the_app() -> None:
    families = set(re.findall(r'font-family="([^"]+)"', static.to_svg(small_map())))
    assert families == {"Inter, sans-serif", "'Source Code VF', monospace"}
