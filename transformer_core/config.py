"""The shape of our own Transformer, as one checked, immutable value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from transformer_core.errors import ConfigError

Norm = Literal["pre", "post"]
Positions = Literal["sinusoidal", "learned", "rotary", "alibi", "none"]
Activation = Literal["relu", "gelu", "swish"]

_COUNTS = ("vocab_size", "d_model", "n_heads", "d_ff", "n_ctx")
_CHOICES: dict[str, tuple[str, ...]] = {
    "norm": get_args(Norm),
    "positions": get_args(Positions),
    "activation": get_args(Activation),
}


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a Transformer (Vaswani et al. 2017), and the variants that the field has tried.

    The paper's base model is ``TransformerConfig(vocab_size=37_000, d_model=512, n_heads=8,
    d_ff=2048, n_encoder_layers=6, n_decoder_layers=6, norm="post")``.

    Attributes:
        vocab_size: Token ids run from 0 to vocab_size - 1.
        d_model: Width of the residual stream.
        n_heads: Attention heads of a layer; they divide d_model among them.
        d_ff: Width between the two matrices of the feed-forward block.
        n_encoder_layers: 0 makes it decoder-only: no cross-attention, no memory.
        n_decoder_layers: 0 makes it encoder-only.
        n_ctx: Positions that source and target may have at most.
        dropout: Share of each sub-layer's output that is dropped in training, in [0, 1).
        norm: ``pre`` normalises what a sub-layer reads (Xiong et al. 2020); ``post`` normalises the
            sum of the residual stream and what it writes, as the paper does.
        positions: How order gets in: added to the embeddings (``sinusoidal``, ``learned``), by
            turning the queries and keys of self-attention (``rotary``), added to its scores
            (``alibi``), or not at all.
        activation: Non-linearity of the feed-forward block.
        is_tied: The output projection is the target embedding, transposed (Press & Wolf 2017).
        shares_embeddings: Source and target use one embedding.
        scales_embeddings: Embeddings are multiplied by √d_model, as in the paper.
        has_output_bias: The logits have a bias for each token of the vocabulary.
        has_final_norm: A norm after the last layer of each stack. By default only where ``norm`` is
            ``pre``, whose residual stream is otherwise never normalised.
        layer_norm_eps: Added to the variance in every norm.
        pad_id: Fills rows of a batch up to the longest.
        bos_id: What the decoder reads first.
        eos_id: Ends a text.

    Raises:
        ConfigError: If a value is out of range or two values contradict each other.
    """

    vocab_size: int
    d_model: int = 256
    n_heads: int = 8
    d_ff: int = 1024
    n_encoder_layers: int = 3
    n_decoder_layers: int = 3
    n_ctx: int = 256
    dropout: float = 0.1
    norm: Norm = "pre"
    positions: Positions = "sinusoidal"
    activation: Activation = "relu"
    is_tied: bool = True
    shares_embeddings: bool = True
    scales_embeddings: bool = True
    has_output_bias: bool = False
    has_final_norm: bool | None = None
    layer_norm_eps: float = 1e-5
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        if self.has_final_norm is None:
            object.__setattr__(self, "has_final_norm", self.norm == "pre")
        self._check_sizes()
        self._check_choices()
        self._check_widths()

    @property
    def d_head(self) -> int:
        """Components of one head's queries, keys and values."""
        return self.d_model // self.n_heads

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites that such a model has, of ``encoder``, ``decoder``, ``cross``."""
        if not self.n_decoder_layers:
            return ("encoder",)
        return ("encoder", "decoder", "cross") if self.n_encoder_layers else ("decoder",)

    @property
    def n_parameters(self) -> int:
        """How many numbers a model of this shape learns, counted without making it."""
        d, ff = self.d_model, self.d_ff
        attention, feed_forward, norm = 4 * (d * d + d), 2 * d * ff + ff + d, 2 * d
        n_reads = 2 if self.n_encoder_layers else 1  # of a decoder layer: itself, the memory
        encoder = attention + feed_forward + 2 * norm
        decoder = n_reads * attention + feed_forward + (n_reads + 1) * norm
        table = self.vocab_size * d
        n_tables = (1 if self.shares_embeddings else 2) + (not self.is_tied)
        # A side without layers has its positions and its norm all the same.
        return (
            self.n_encoder_layers * encoder
            + self.n_decoder_layers * decoder
            + n_tables * table
            + (self.vocab_size if self.has_output_bias else 0)
            + (2 * norm if self.has_final_norm else 0)
            + (2 * self.n_ctx * d if self.positions == "learned" else 0)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that :meth:`to_dict` wrote.

        Raises:
            ConfigError: If a field is unknown or missing, or a value is out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"Unknown field {', '.join(unknown)}; a Transformer has {', '.join(sorted(known))}."
            )
        if "vocab_size" not in values:
            raise ConfigError("The field vocab_size is missing; it has no default.")
        return cls(**values)

    def _check_sizes(self) -> None:
        for name in _COUNTS:
            _check_integer(name, getattr(self, name), at_least=1)
        for name in ("n_encoder_layers", "n_decoder_layers"):
            _check_integer(name, getattr(self, name), at_least=0)
        if self.n_encoder_layers + self.n_decoder_layers == 0:
            raise ConfigError("n_encoder_layers and n_decoder_layers are both 0; give one of them.")
        for name in ("pad_id", "bos_id", "eos_id"):
            value = getattr(self, name)
            _check_integer(name, value, at_least=0)
            if value >= self.vocab_size:
                raise ConfigError(
                    f"{name} is {value}; ids run from 0 to {self.vocab_size - 1} "
                    f"with a vocabulary of {self.vocab_size}."
                )

    def _check_choices(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}."
                )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; it must be at least 0 and below 1.")
        if not self.layer_norm_eps > 0:
            raise ConfigError(f"layer_norm_eps is {self.layer_norm_eps}; it must be above 0.")

    def _check_widths(self) -> None:
        if self.d_model % self.n_heads:
            raise ConfigError(
                f"d_model of {self.d_model} cannot be divided among {self.n_heads} heads; "
                "make d_model a multiple of n_heads."
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ConfigError(
                f"d_model is {self.d_model}; sinusoidal positions pair a sine with a cosine, "
                "so it must be even."
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ConfigError(
                f"d_head is {self.d_head} (d_model / n_heads); rotary positions turn pairs of "
                "components, so it must be even."
            )


def _check_integer(name: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ConfigError(f"{name} is {value!r}; it must be an integer of at least {at_least}.")
