"""What is installed is locked by hash, and what is known of it decides whether a check fails."""

import re
from pathlib import Path
from typing import Any

import pytest

from tools import audit

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
WANTED = (ROOT / "requirements.txt").read_text(encoding="utf-8")


def report(*vulnerabilities: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As pip-audit 2.10 writes it."""
    package = {"name": "flask", "version": "0.5", "vulns": list(vulnerabilities)}
    return {"dependencies": [package, {"name": "plain", "version": "1", "vulns": []}], **more}


MENDED = {"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": [], "description": ""}
OPEN = {"id": "CVE-1", "fix_versions": [], "aliases": [], "description": ""}
UNKNOWN = {"name": "other", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        (report(), 0, "2 packages audited, 0 vulnerabilities known."),
        (report(OPEN), 0, "flask 0.5: CVE-1, not mended yet"),
        (report(OPEN, MENDED), 1, "flask 0.5: PYSEC-2019-179, mended in 1.0"),
        (None, 0, "Not audited: the package index cannot be reached from here."),
        ({"dependencies": [UNKNOWN]}, 0, "the index that is reached here knows no vulnerabilities"),
        ({"dependencies": [*report()["dependencies"], UNKNOWN]}, 0, "tells nothing: other."),
    ],
)
def test_only_what_a_newer_version_mends_fails(
    found: dict[str, Any] | None,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(audit, "is_reached", lambda: found is not None)
    monkeypatch.setattr(audit, "audit", lambda: found)
    assert audit.main() == code
    assert says in capsys.readouterr().out


def test_no_network_is_told_soon() -> None:
    assert not audit.is_reached("--isolated", "--index-url", "http://localhost:9/")


def test_all_that_is_required_is_locked_at_its_version() -> None:
    wanted = set(re.findall(r"^([\w.-]+==\S+)", WANTED, re.MULTILINE))
    assert set(audit.pinned(LOCK, WANTED)) >= wanted
    assert "torch==" not in LOCK


def test_every_locked_package_has_its_hashes_and_no_index() -> None:
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.search(r"://|--index|--find-links|file:", LOCK) is None
    assert "nvidia" not in LOCK, "torch's CPU build was resolved"
