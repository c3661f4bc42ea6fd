"""Asks for known vulnerabilities of the locked packages: ``python -m tools.audit``.

Fails on one that a newer version mends; one without such a version is told, and nothing more. Where
no network reaches the index, it says so in one line and fails nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
_REACH_S = 8.0
_AUDIT_S = 240.0


class Finding(NamedTuple):
    """A known vulnerability of a package that is used here."""

    package: str
    version: str
    name: str
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "not mended yet"
        return f"{self.package} {self.version}: {self.name}, {mended}"


def findings(report: dict[str, Any]) -> list[Finding]:
    """Read what pip-audit reports as JSON."""
    return [
        Finding(package["name"], package["version"], found["id"], tuple(found["fix_versions"]))
        for package in report["dependencies"]
        for found in package.get("vulns", ())
    ]


def skipped(report: dict[str, Any]) -> list[str]:
    """Return the packages of which the index told nothing."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def pinned(lock: str, requirements: str) -> list[str]:
    """Return ``name==version`` of all that is installed: what is locked, and torch.

    The lock leaves torch out, since its build is chosen at installation.
    """
    names = re.findall(r"^([\w.-]+==[^\s\\;]+)", lock, re.MULTILINE)
    return [*names, *re.findall(r"^torch==\S+", requirements, re.MULTILINE)]


def is_reached(*options: str) -> bool:
    """Whether the index that pip is set to answers, soon.

    Args:
        options: Further ones of pip.
    """
    command = [sys.executable, "-m", "pip", "index", "versions", "pip", "--timeout", "3"]
    command += ["--retries", "0", "--disable-pip-version-check", *options]
    try:
        done = subprocess.run(  # noqa: S603  (nothing of it comes from outside)
            command, capture_output=True, timeout=_REACH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def audit() -> dict[str, Any] | None:
    """Ask; None where no answer came."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "pinned.txt"
        files = (LOCK, ROOT / "requirements.txt")
        asked.write_text("\n".join(pinned(*(file.read_text("utf-8") for file in files))))
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "-f", "json"]
        command += ["--progress-spinner=off", "-r", str(asked)]
        try:
            done = subprocess.run(  # noqa: S603  (nothing of it comes from outside)
                command, capture_output=True, text=True, timeout=_AUDIT_S, check=False
            )
            report: dict[str, Any] = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            return None
    return report


def main() -> int:
    """Say what is known; 1 where something is to be done."""
    report = audit() if is_reached() else None
    if report is None:
        sys.stdout.write("Not audited: the package index cannot be reached from here.\n")
        return 0
    found, unknown = findings(report), skipped(report)
    sys.stdout.writelines(f"{one}\n" for one in found)
    n_audited = len(report["dependencies"]) - len(unknown)
    if not n_audited:
        sys.stdout.write("Not audited: the index that is reached here knows no vulnerabilities.\n")
        return 0
    sys.stdout.write(f"{n_audited} packages audited, {len(found)} vulnerabilities known.\n")
    if unknown:
        sys.stdout.write(f"Not audited, since the index tells nothing: {', '.join(unknown)}.\n")
    return int(any(one.mended_in for one in found))


if __name__ == "__main__":
    sys.exit(main())
