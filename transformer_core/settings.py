"""What a server allows: every limit, in one place, each set by an environment variable.

A field's variable is its name in capitals after ``TRANSFORMER_WORKBENCH_``: ``runs`` is read from
``TRANSFORMER_WORKBENCH_RUNS``. One that is empty counts as not set. Lists are separated by commas.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from transformer_core.errors import ConfigError

PREFIX = "TRANSFORMER_WORKBENCH_"

_LIMITS = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "1 or 0"}


class Settings(BaseSettings):
    """The limits of a server. Defaults suit one person or a class on a small machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    # -- what may be brought ------------------------------------------------------------------
    text_characters: int = Field(
        default=200_000, ge=100, le=10_000_000, description="Characters of a text that is typed."
    )
    image_pixels: int = Field(
        default=40_000_000,
        ge=1_024,
        le=89_000_000,
        description="Pixels of a picture that is opened.",
    )
    image_megabytes: int = Field(default=20, ge=1, le=1_000, description="MiB of a picture's file.")
    upload_megabytes: int = Field(
        default=100,
        ge=1,
        le=1_000,
        description="MiB of any other file that is opened.",
    )

    # -- which models -------------------------------------------------------------------------
    catalogue_only: bool | None = Field(
        default=None,
        description="Whether only the catalogue's models that are on the server, and those that "
        "were trained there, may be opened. Not set: where the server can be reached from other "
        "machines.",
    )
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hub ids that may be opened and fetched, as patterns: `gpt2, google/*`. Not "
        "set: all, but none where `CATALOGUE_ONLY` holds.",
    )
    local_folders: bool | None = Field(
        default=None,
        description="Whether folders and files of the server may be opened as models. Not set: "
        "unless `CATALOGUE_ONLY` holds.",
    )

    # -- how much at once ---------------------------------------------------------------------
    requests_per_minute: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="Runs of a page that one session may ask for in a minute; more of them wait.",
    )
    queue_length: int = Field(
        default=64,
        ge=1,
        le=100_000,
        description="Computations that wait; more are told to try again.",
    )
    queue_window_ms: float = Field(
        default=3.0, ge=0, le=1_000, description="Milliseconds in which a batch gathers."
    )
    batch_size: int = Field(
        default=16, ge=1, le=1_024, description="Texts that are computed together."
    )
    runs: int = Field(default=4, ge=0, le=10_000, description="Runs that train at once.")
    runs_each: int = Field(
        default=2, ge=0, le=10_000, description="Runs that train at once, of a person."
    )
    run_minutes: float = Field(
        default=20.0,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="Minutes after which a run ends.",
    )

    # -- memory and disk ----------------------------------------------------------------------
    trace_cache_megabytes: int = Field(
        default=512, ge=1, le=10_000_000, description="MiB of traces that are kept."
    )
    model_cache_megabytes: int = Field(
        default=4_096, ge=1, le=10_000_000, description="MiB of models that are kept."
    )
    cache: Path | None = Field(
        default=None,
        description="The folder for what is made and kept. Not set: `transformer-workbench` where "
        "the platform keeps caches.",
    )

    # -- beyond one machine -------------------------------------------------------------------
    ray_address: str | None = Field(
        default=None,
        description="Where Ray runs that holds the models. Not set: this process does.",
    )

    @field_validator("allowed_models", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in value.replace(",", " ").split() if part)
        return value

    @classmethod
    def read(cls) -> Settings:
        """Read the environment.

        Raises:
            ConfigError: If a variable cannot be used: which, what it says, and what it may be.
        """
        _refuse_strangers()
        try:
            return cls()
        except ValidationError as error:
            raise ConfigError(" ".join(map(_sentence, error.errors()))) from error


@lru_cache(maxsize=8)
def _settings(_environment: tuple[int | str | None, ...]) -> Settings:
    return Settings.read()


_VARIABLES = tuple(PREFIX + field.upper() for field in Settings.model_fields)


def settings() -> Settings:
    """Return the settings; they are read once, and again only if the environment changed.

    Raises:
        ConfigError: If one cannot be used.
    """
    # Asked for several times in every run of a page: only the own variables are looked at, and how
    # many there are of all, which tells when a misspelt one comes.
    return _settings((len(os.environ), *map(os.environ.get, _VARIABLES)))


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def _refuse_strangers() -> None:
    """A variable that is misspelt would leave a limit as it is, and nobody would notice."""
    known = [variable(field) for field in Settings.model_fields]
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name, known, 1, 0.8)
            meant = f"Is {near[0]} meant? " if near else ""
            raise ConfigError(
                f"{name} is no setting. {meant}`python -m transformer_core settings` lists all."
            )


def _sentence(error: ErrorDetails) -> str:
    """Say what is wrong with one variable."""
    field = str(error["loc"][0]) if error["loc"] else ""
    limit = _LIMITS.get(error["type"])
    if limit is not None:
        wanted = limit.format(**{k: f"{v:,}" for k, v in error.get("ctx", {}).items()})
    else:
        kind = error["type"].partition("_")[0]
        wanted = _KINDS.get(kind, error["msg"])
    return f"{variable(field)} is {str(error['input'])[:80]!r}; it must be {wanted}."
