"""How the next token is chosen: settings, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformer_core.errors import ConfigError


@dataclass(frozen=True)
class Greedy:
    """Take the most probable token at every step.

    Attributes:
        max_new_tokens: Tokens written at most; None: as many as the model can hold.
        repetition_penalty: Divides positive and multiplies negative logits of tokens already
            written (Keskar et al. 2019, section 4.1); 1 leaves them alone.
    """

    max_new_tokens: int | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        _check_length(self.max_new_tokens)
        _check("repetition_penalty", self.repetition_penalty, above=0)


@dataclass(frozen=True)
class Beam:
    """Keep the ``n_beams`` best hypotheses (Sutskever et al. 2014, section 3.2).

    Attributes:
        n_beams: Hypotheses kept alive.
        length_penalty: A finished hypothesis scores log p ÷ length ** length_penalty: 0 compares
            sums, 1 means, above 1 favours long texts.
        max_new_tokens: Tokens written at most; None: as many as the model can hold.
        repetition_penalty: As in :class:`Greedy`.
        early_stopping: When ``n_beams`` texts are finished: True ends the search; False goes on
            while a text alive scores better at its present length than the worst of them;
            ``"never"`` while it could at any length.
    """

    n_beams: int = 4
    length_penalty: float = 1.0
    max_new_tokens: int | None = None
    repetition_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False

    def __post_init__(self) -> None:
        _check_length(self.max_new_tokens)
        _check("n_beams", self.n_beams, at_least=1, at_most=64)
        _check("length_penalty", self.length_penalty, at_least=-10, at_most=10)
        if self.early_stopping not in (True, False, "never"):
            raise ConfigError(
                f"early_stopping is {self.early_stopping!r}; it must be True, False or 'never'."
            )
        _check("repetition_penalty", self.repetition_penalty, above=0)


@dataclass(frozen=True)
class Sample:
    """Draw the next token from the distribution, after temperature and filters, in this order.

    Attributes:
        temperature: Logits are divided by it: below 1 sharpens, above 1 flattens.
        top_k: Only the k most probable tokens stay (Fan et al. 2018); None keeps all.
        top_p: Only the smallest set of tokens with at least this probability stays: nucleus
            sampling (Holtzman et al. 2020); None keeps all.
        min_p: Only tokens with at least this share of the best one's probability stay (Nguyen et
            al. 2024); None keeps all.
        seed: The same seed gives the same text.
        max_new_tokens: Tokens written at most; None: as many as the model can hold.
        repetition_penalty: As in :class:`Greedy`.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    seed: int = 0
    max_new_tokens: int | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        _check_length(self.max_new_tokens)
        _check("temperature", self.temperature, above=0)
        _check("repetition_penalty", self.repetition_penalty, above=0)
        if self.top_k is not None:
            _check("top_k", self.top_k, at_least=1)
        if self.top_p is not None:
            _check("top_p", self.top_p, above=0, at_most=1)
        if self.min_p is not None:
            _check("min_p", self.min_p, at_least=0, at_most=1)


Strategy = Greedy | Beam | Sample


def _check_length(value: int | None) -> None:
    if value is not None:
        _check("max_new_tokens", value, at_least=1)


def _check(
    name: str,
    value: float,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
) -> None:
    too_small = (at_least is not None and value < at_least) or (
        above is not None and value <= above
    )
    # A NaN is in no range: every comparison with it is false, so ask for what must hold.
    if too_small or (at_most is not None and value > at_most) or value != value:  # noqa: PLR0124
        lower = f"above {above}" if at_least is None else f"at least {at_least}"
        upper = "" if at_most is None else f" and at most {at_most}"
        raise ConfigError(f"{name} is {value}; it must be {lower}{upper}.")
