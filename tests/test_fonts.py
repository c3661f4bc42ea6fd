"""The fonts that the pages ask for are shipped, with their licences."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "static" / "fonts"
MAX_BYTES = 500_000


def test_fonts_are_shipped_and_light() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["enableStaticServing"]
    faces = config["theme"]["fontFaces"]
    files = [ROOT / face["url"].removeprefix("app/") for face in faces]
    assert {file.read_bytes()[:4] for file in files} == {b"wOF2"}
    assert sorted(files) == sorted(FOLDER.glob("*.woff2"))
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    for option in ("font", "codeFont"):
        first = config["theme"][option].split(",")[0].strip("'\" ")
        assert first in {face["family"] for face in faces}


def test_each_font_has_its_licence_beside_it() -> None:
    licences = [path.read_text(encoding="utf-8") for path in FOLDER.glob("LICENSE-*")]
    assert len(licences) == len(list(FOLDER.glob("*.woff2")))
    assert all("SIL OPEN FONT LICENSE" in text.upper() for text in licences)
