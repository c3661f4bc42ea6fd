"""Where a token stands: attention itself cannot tell one order of its input from another.

Two kinds are added to the embeddings (sinusoidal, learned); two act inside self-attention: rotary
turns queries and keys, ALiBi lowers the scores of what is far away.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.config import TransformerConfig
from transformer_core.errors import InputError


def sinusoidal_encoding(n_pos: int, d_model: int) -> Float[Tensor, "pos d_model"]:
    """Waves of geometrically growing length, a sine and a cosine of each.

    PE[pos, 2i] = sin(pos / 10000^(2i/d_model)), PE[pos, 2i + 1] = cos(pos / 10000^(2i/d_model))
    (Vaswani et al. 2017, section 3.5). Computed in float64 and rounded once.

    Args:
        n_pos: Positions, from 0.
        d_model: Components; even.
    """
    pos = torch.arange(n_pos, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)  # 2i
    angles = pos / 10_000.0 ** (even / d_model)  # [pos d_model/2]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


class SinusoidalPositions(nn.Module):
    """Adds the paper's fixed waves to the embeddings."""

    encoding: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        table = sinusoidal_encoding(config.n_ctx, config.d_model)
        self.register_buffer("encoding", table, persistent=False)

    def forward(
        self, token_embed: Float[Tensor, "batch pos d_model"], *, start: int = 0
    ) -> Float[Tensor, "batch pos d_model"]:
        """Add the encodings of positions ``start``, ``start`` + 1, …; they go on beyond n_ctx."""
        end = start + token_embed.shape[1]
        table = self.encoding
        if end > table.shape[0]:
            table = sinusoidal_encoding(end, table.shape[1]).to(table)
        return token_embed + table[start:end]


class LearnedPositions(nn.Module):
    """Adds a learned vector for each position (Gehring et al. 2017)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(config.n_ctx, config.d_model))

    def forward(
        self, token_embed: Float[Tensor, "batch pos d_model"], *, start: int = 0
    ) -> Float[Tensor, "batch pos d_model"]:
        """Add the vectors of positions ``start``, ``start`` + 1, ….

        Raises:
            InputError: If a position was never learned.
        """
        end = start + token_embed.shape[1]
        if end > self.weight.shape[0]:
            raise InputError(
                f"The text has {end} positions; this model learned {self.weight.shape[0]} of them. "
                "Shorten it."
            )
        return token_embed + self.weight[start:end]


class NoPositions(nn.Module):
    """Adds nothing: positions act inside attention, or are left out altogether."""

    def forward(
        self,
        token_embed: Float[Tensor, "batch pos d_model"],
        *,
        start: int = 0,  # noqa: ARG002
    ) -> Float[Tensor, "batch pos d_model"]:
        """Return the embeddings as they are."""
        return token_embed


class RotaryPositions(nn.Module):
    """Turns queries and keys by an angle proportional to their position (Su et al. 2021).

    Component i and component i + d_head/2 form a pair, turned by pos · base^(−2i/d_head). The
    product of a turned query and a turned key depends on the distance between them alone.

    Args:
        d_head: Components of a query or key; even.
        base: The paper's is 10,000; models for longer texts take a larger one.
    """

    inverse_wavelengths: Tensor

    def __init__(self, d_head: int, base: float = 10_000.0) -> None:
        super().__init__()
        even = torch.arange(0, d_head, 2, dtype=torch.float32)
        # As Llama rounds it: the last bit of a speed grows to 1e-4 radians by position 2,000.
        speed = 1.0 / base ** (even / d_head)
        self.register_buffer("inverse_wavelengths", speed, persistent=False)

    def rotation(
        self, start: int, end: int
    ) -> tuple[Float[Tensor, "pos d_head"], Float[Tensor, "pos d_head"]]:
        """Cosine and sine of each component's angle at positions ``start`` to ``end`` - 1."""
        pos = torch.arange(start, end, device=self.inverse_wavelengths.device)
        angles = pos[:, None] * self.inverse_wavelengths  # [pos d_head/2]
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()

    def forward(
        self, heads: Float[Tensor, "batch head pos d_head"], *, start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        """Turn the vectors of positions ``start``, ``start`` + 1, …."""
        cos, sin = self.rotation(start, start + heads.shape[2])
        first, second = heads.chunk(2, dim=-1)
        return heads * cos + torch.cat([-second, first], dim=-1) * sin


class AlibiPositions(nn.Module):
    """Lowers scores by distance, each head by a slope of its own (Press et al. 2022).

    In the decoder the distance is that back to the key; in the encoder, which looks both ways, its
    absolute value.
    """

    slopes: Tensor

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(n_heads), persistent=False)

    def forward(self, n_query: int, n_key: int) -> Float[Tensor, "head query_pos key_pos"]:
        """What is added to the scaled scores; the last query stands where the last key does."""
        key_pos = torch.arange(n_key, device=self.slopes.device)
        query_pos = key_pos[n_key - n_query :]
        distance = (query_pos[:, None] - key_pos[None, :]).abs()
        return -self.slopes[:, None, None] * distance


def alibi_slopes(n_heads: int) -> Float[Tensor, " head"]:
    """One slope a head: 2^(−8/n), 2^(−16/n), … for n heads, n a power of two.

    For other n, those of the next lower power of two, then every second one of the next higher
    (the paper's reference implementation).
    """
    power = 2 ** math.floor(math.log2(n_heads))
    slopes = [2.0 ** (-8 * (i + 1) / power) for i in range(power)]
    between = [2.0 ** (-4 * (2 * i + 1) / power) for i in range(n_heads - power)]
    return torch.tensor(slopes + between)


def added_positions(config: TransformerConfig) -> nn.Module:
    """The module that adds positions to embeddings, as configured."""
    kinds: dict[str, type[SinusoidalPositions | LearnedPositions]] = {
        "sinusoidal": SinusoidalPositions,
        "learned": LearnedPositions,
    }
    kind = kinds.get(config.positions)
    return NoPositions() if kind is None else kind(config)
