"""Colours: one meaning each, the same in page and picture, readable by everybody (WCAG AA)."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from transformer_core.figures.wire_theme import wire_theme

CONFIG = Path(__file__).resolve().parents[3] / ".streamlit" / "config.toml"
TEXTS = ("text", "muted", "query", "key", "value", "good", "bad")
SURFACES = ("background", "card", "track")
AA_TEXT = 4.5
AA_GRAPHICS = 3.0
FADED = 0.6
"""Streamlit writes captions in the text's colour at this strength."""
PRESSED = 0.2
"""Streamlit fills a pressed button with the primary colour at this strength."""

# Severe colour blindness, on linear RGB (Machado, Oliveira and Fernandes 2009, table 1).
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

Colour = NDArray[np.float64]


def rgb(code: str) -> Colour:
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(colour: Colour) -> Colour:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def luminance(colour: Colour) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a: Colour, b: Colour) -> float:
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05)."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def over(colour: Colour, below: Colour, strength: float) -> Colour:
    return strength * colour + (1 - strength) * below


def lab(linear_rgb: Colour) -> Colour:
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(linear_rgb, 0, 1)
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> dict[str, Any]:
    colours: dict[str, Any] = wire_theme()[request.param]
    return {**colours, "name": request.param}


def page_theme(name: str) -> dict[str, str]:
    theme: dict[str, str] = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"][name]
    return theme


def test_page_and_picture_have_the_same_colours(theme: dict[str, Any]) -> None:
    page = page_theme(theme["name"])
    assert page["primaryColor"] == theme["query"]
    assert page["backgroundColor"] == theme["background"]
    assert page["secondaryBackgroundColor"] == theme["track"]
    assert page["textColor"] == theme["text"]
    assert page["borderColor"] == theme["border"]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_can_be_read(theme: dict[str, Any], text: str, surface: str) -> None:
    assert contrast(rgb(theme[text]), rgb(theme[surface])) >= AA_TEXT


def test_captions_and_pressed_buttons_of_the_page_can_be_read(theme: dict[str, Any]) -> None:
    page = page_theme(theme["name"])
    primary, text = rgb(page["primaryColor"]), rgb(page["textColor"])
    for surface in (rgb(page["backgroundColor"]), rgb(page["secondaryBackgroundColor"])):
        assert contrast(over(text, surface, FADED), surface) >= AA_TEXT
    background = rgb(page["backgroundColor"])
    assert contrast(primary, over(primary, background, PRESSED)) >= AA_TEXT
    assert contrast(background, primary) >= AA_TEXT  # a primary button's text, by app.css


def test_the_sequential_scale_runs_evenly_away_from_the_background(theme: dict[str, Any]) -> None:
    lightness = [lab(linear(rgb(colour)))[0] for colour in theme["sequential"]]
    steps = np.diff(lightness)
    assert (steps > 0).all() or (steps < 0).all()
    assert abs(steps).max() <= 3 * abs(steps).min()
    assert contrast(rgb(theme["sequential"][-1]), rgb(theme["card"])) >= AA_GRAPHICS


def test_the_diverging_scale_is_fainter_towards_its_middle(theme: dict[str, Any]) -> None:
    from_card = [contrast(rgb(colour), rgb(theme["card"])) for colour in theme["diverging"]]
    assert from_card[0] > from_card[1] > from_card[2] < from_card[3] < from_card[4]


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_query_and_key_differ_for_colour_blind_readers(
    theme: dict[str, Any], blindness: str
) -> None:
    """Blue and orange carry the meaning; a difference of 20 in CIELAB is seen at a glance."""
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(rgb(theme[n]))) for n in ("query", "key")]
    for one, other in itertools.pairwise(seen):
        assert np.linalg.norm(one - other) >= 20
