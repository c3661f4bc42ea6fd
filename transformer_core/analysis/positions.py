"""What position encodings are made of: waves, distances, and what lies beyond the trained length.

Sinusoidal and rotary positions share their waves: pair i turns by ω_i = base^(−2i/width) radians a
position, the wavelength is 2π / ω_i positions (Vaswani et al. 2017, section 3.5; Su et al. 2021,
section 3.2). Nothing here needs a model.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from transformer_core.errors import ConfigError, InputError
from transformer_core.functional import sinusoidal_encoding, tutorial_encoding
from transformer_core.model.positional import RotaryPositions

BASE = 10_000.0
MAX_POSITIONS = 2_048
MAX_WIDTH = 1_024
MAX_HEADS = 128


def check_size(n_pos: int, width: int, *, name: str = "d_model") -> None:
    """Refuse sizes that the page cannot show.

    Raises:
        InputError: If there are no positions or too many.
        ConfigError: If the width is odd or out of range.
    """
    if not 1 <= n_pos <= MAX_POSITIONS:
        raise InputError(
            f"seq_length is {n_pos:,}; it must be from 1 to {MAX_POSITIONS:,} positions."
        )
    if width % 2 or not 2 <= width <= MAX_WIDTH:
        near = min(MAX_WIDTH, max(2, width + width % 2))
        raise ConfigError(
            f"{name} is {width:,}; it must be even (each sine is paired with a cosine) and from 2 "
            f"to {MAX_WIDTH:,}. Try {near:,}."
        )


def rates(width: int, base: float = BASE) -> Float[Tensor, " pair"]:
    """Radians that each pair turns a position, fastest first, in float64."""
    even = torch.arange(0, width, 2, dtype=torch.float64)
    return base ** (-even / width)


def wavelengths(width: int, base: float = BASE) -> Float[Tensor, " pair"]:
    """Positions after which each pair is back where it was: 2π / ω."""
    return 2 * math.pi / rates(width, base)


def paper_formula(n_pos: int, d_model: int) -> NDArray[np.float64]:
    """The paper's formula in NumPy's float64: what the table is proved on.

    PE[pos, 2i] = sin(pos / 10000^(2i/d_model)), PE[pos, 2i + 1] = cos of the same.
    """
    even = np.arange(0, d_model, 2)
    angles = np.arange(n_pos)[:, None] / np.power(BASE, even / d_model)
    table = np.empty((n_pos, d_model))
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    return table


def rotary_table(n_pos: int, d_head: int, base: float = BASE) -> Float[Tensor, "pos d_head"]:
    """What turns queries and keys: the cosines of all pairs, then their sines, in float32."""
    cos, sin = RotaryPositions(d_head, base).rotation(0, n_pos)
    half = d_head // 2
    return torch.cat([cos[:, :half], sin[:, :half]], dim=1)


def rotary_formula(n_pos: int, d_head: int, base: float = BASE) -> NDArray[np.float64]:
    """The same table evaluated in NumPy's float64."""
    speed = np.power(base, -np.arange(0, d_head, 2, dtype=np.float64) / d_head)
    angles = np.arange(n_pos, dtype=np.float64)[:, None] * speed
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def similarity_by_distance(
    speed: Float[Tensor, " pair"], distances: Float[Tensor, " distance"]
) -> Float[Tensor, " distance"]:
    """Cosine of two encodings so far apart: the mean of cos(ω_i · distance) over the pairs.

    The same for sinusoidal encodings, PE(p) · PE(p + k) = Σ_i cos(ω_i k), and for rotary scores of
    equal queries and keys, normalised to 1 at distance 0.
    """
    return (distances.double()[:, None] * speed).cos().mean(dim=1)


def decay_bound(
    speed: Float[Tensor, " pair"], distances: Float[Tensor, " distance"]
) -> Float[Tensor, " distance"]:
    """The paper's "relative upper bound" of a rotary score, relative to distance 0.

    The mean over j of |S_j|, S_j = Σ_{i<j} e^{i m ω_i}, divided by its value at m = 0 (Su et al.
    2021, section 3.4.3 and figure 2). A score is below the mean of |S_j| times a factor that the
    vectors decide, max |h_{i+1} − h_i|, so a curve of scores may lie above this one.
    """
    angles = distances.double()[:, None] * speed
    partial = torch.polar(torch.ones_like(angles), angles).cumsum(dim=1).abs()
    return partial.mean(dim=1) / ((len(speed) + 1) / 2)


def rotary_scores(
    d_head: int, starts: Float[Tensor, " start"], distance: int, base: float = BASE
) -> Float[Tensor, " start"]:
    """Scores of a query of ones and an equal key ``distance`` before it, wherever the key stands.

    Computed by turning both, as a model does; they should all be equal.
    """
    rotary = RotaryPositions(d_head, base)
    ones = torch.ones(1, 1, 1, d_head)
    scores = [
        (rotary(ones, start=int(p) + distance) * rotary(ones, start=int(p))).sum() / d_head
        for p in starts
    ]
    return torch.stack(scores)


@dataclass(frozen=True)
class TableSimilarity:
    """Cosine similarity between the rows of a table, by distance.

    Attributes:
        mean: Over all pairs of positions so far apart.
        low, high: Tenth and ninetieth percentile.
    """

    mean: Float[Tensor, " distance"]
    low: Float[Tensor, " distance"]
    high: Float[Tensor, " distance"]

    @property
    def spread(self) -> float:
        """The widest distance between the percentiles: 0 where distance alone decides."""
        return float((self.high - self.low).max())


def table_similarity(table: Float[Tensor, "pos d_model"]) -> TableSimilarity:
    """How alike the vectors of a table are, by their distance."""
    unit = torch.nn.functional.normalize(table.double(), dim=1)
    cosines = unit @ unit.T
    levels = torch.tensor([0.1, 0.9], dtype=torch.float64)
    mean, low, high = [], [], []
    for distance in range(len(table)):
        diagonal = cosines.diagonal(distance)
        ends = diagonal.quantile(levels)
        mean.append(diagonal.mean())
        low.append(ends[0])
        high.append(ends[1])
    return TableSimilarity(torch.stack(mean), torch.stack(low), torch.stack(high))


def dominant_period(column: Float[Tensor, " pos"]) -> tuple[float, float]:
    """The period, in positions, of the strongest wave in a learned dimension.

    Returns:
        The period and the share of the variance that this one frequency holds (0 for a constant).
    """
    centred = column.double() - column.double().mean()
    power = torch.fft.rfft(centred).abs().square()[1:]
    if not len(power) or float(power.sum()) == 0:
        return math.inf, 0.0
    best = int(power.argmax())
    return len(column) / (best + 1), float(power[best] / power.sum())


def nearest_seen(
    speed: Float[Tensor, " pair"], n_pos: int, trained: int, *, step: float = 1.0
) -> Float[Tensor, " pos"]:
    """Cosine between each position's encoding and the most similar one below ``trained``.

    Args:
        n_pos: Positions to look at.
        step: What a position counts as; trained / n_pos is position interpolation (Chen et al.
            2023), which squeezes a longer text into the trained range.
    """
    positions = torch.arange(n_pos, dtype=torch.float64) * step
    seen = torch.arange(trained, dtype=torch.float64)
    # cos(ω(p − s)) summed over pairs is one matrix product of the two sets of waves.
    return (_waves(positions, speed) @ _waves(seen, speed).T).amax(dim=1) / len(speed)


def _waves(positions: Tensor, speed: Tensor) -> Tensor:
    angles = positions[:, None] * speed
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def turns_seen(speed: Float[Tensor, " pair"], trained: int) -> Float[Tensor, " pair"]:
    """Which share of its circle each pair went through at positions 0 to ``trained`` − 1."""
    return (speed * (trained - 1) / (2 * math.pi)).clamp(max=1.0)


@dataclass(frozen=True)
class Mistake:
    """The tutorials' exponent against the paper's, for one shape.

    Attributes:
        paper: The paper's table.
        tutorial: What 2 · dim / d_model on every dimension gives.
    """

    paper: Float[Tensor, "pos d_model"]
    tutorial: Float[Tensor, "pos d_model"]

    @property
    def difference(self) -> Float[Tensor, "pos d_model"]:
        """Tutorials' minus paper's."""
        return self.tutorial - self.paper

    @property
    def largest(self) -> float:
        """The largest absolute difference."""
        return float(self.difference.abs().max())

    @property
    def shift_errors(self) -> tuple[Float[Tensor, " pair"], Float[Tensor, " pair"]]:
        """By how much a shift by one position fails to be linear, of the paper's and tutorials'."""
        return shift_error(self.paper), shift_error(self.tutorial)

    @property
    def still(self) -> tuple[int, int]:
        """Dimensions that move by less than 0.01 over the whole length, in each."""
        first, second = (
            int((table.amax(0) - table.amin(0) < 0.01).sum())
            for table in (self.paper, self.tutorial)
        )
        return first, second


def mistake(n_pos: int, d_model: int) -> Mistake:
    """Compare the formula that many tutorials print with the paper's.

    Raises:
        ConfigError: If ``d_model`` is odd or below 2.
        InputError: If ``n_pos`` is below 1.
    """
    return Mistake(sinusoidal_encoding(n_pos, d_model), tutorial_encoding(n_pos, d_model))


def shift_error(table: Float[Tensor, "pos d_model"]) -> Float[Tensor, " pair"]:
    """How far dimensions 2i and 2i + 1 are from turning by a fixed angle at each step.

    For each pair the best 2 × 2 matrix (least squares) that leads from every position to the next;
    what is left, at most over all positions. In the paper's table that matrix is a rotation and
    nothing is left: PE(p + k) is a linear function of PE(p) (Vaswani et al. 2017, section 3.5).
    """
    pairs = table.double().unflatten(1, (-1, 2)).transpose(0, 1)  # [pair pos 2]
    if pairs.shape[1] < 2:
        return torch.zeros(len(pairs), dtype=torch.float64)
    before, after = pairs[:, :-1], pairs[:, 1:]
    best = torch.linalg.lstsq(before, after, driver="gelsd").solution
    left: Tensor = (before @ best - after).abs().amax(dim=(1, 2))
    return left
