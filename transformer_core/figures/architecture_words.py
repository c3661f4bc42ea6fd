"""What each block of the Transformer does: one sentence, an equation, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformer_core.config import TransformerConfig

ATTENTION, LAYER, POSITIONS, DECODING = "attention", "layer", "positions", "decoding"
"""Pages that a block can open, by the stem of their file."""

PAPER = "Vaswani et al. 2017"
_ACTIVATIONS = {"relu": "max(0, {})", "gelu": "GELU({})", "swish": "swish({})"}


@dataclass(frozen=True)
class Block:
    """One block of the map.

    Attributes:
        name: As the paper calls it.
        short: Where there is little room.
        kind: ``tokens``, ``vector``, ``attention``, ``thin`` (norm, addition) or ``scores``.
        what: What it does, in one sentence.
        equation: With the model's own sizes.
        paper: Who wrote it down, and where.
        site: Of an attention block, or the stack.
    """

    name: str
    short: str
    kind: str
    what: str
    equation: str
    paper: str
    site: str = ""


def words_of(config: TransformerConfig) -> Mapping[str, Block]:
    """The blocks of an encoder–decoder, by name, in the order of the computation."""
    blocks: dict[str, Block] = {}
    for side in ("encoder", "decoder"):
        blocks |= _input(config, side)
        blocks |= _attention(config, side)
        blocks |= _feed_forward(config, side)
        if config.has_final_norm:
            blocks[f"{side}.norm"] = _final_norm(side)
    return blocks | _head(config)


def _input(config: TransformerConfig, side: str) -> dict[str, Block]:
    d, vocab = config.d_model, f"{config.vocab_size:,}"
    what = (
        "The sentence, cut into tokens: words and pieces of words, each an entry of a fixed "
        "vocabulary."
        if side == "encoder"
        else "What is written so far, shifted right by a start token: from the tokens up to here "
        "the decoder predicts the next."
    )
    scale = f"√{d} · " if config.scales_embeddings else ""
    found = {
        f"{side}.tokens": Block(
            "Source tokens" if side == "encoder" else "Target tokens",
            "Source tokens" if side == "encoder" else "Target tokens",
            "tokens", what, f"x = (id₁, …, idₙ), each one of {vocab}",
            f"{PAPER}, sections 5.1 and 3.1", side,
        ),
        f"{side}.embedding": Block(
            "Embedding", "Embedding", "vector",
            f"Looks each token up in a table: a vector of {d} learned numbers for each entry of "
            "the vocabulary.",
            f"e = {scale}E[id], E of {vocab} × {d}", f"{PAPER}, section 3.4", side,
        ),
    }  # fmt: skip
    if config.positions in ("sinusoidal", "learned"):
        is_sinusoidal = config.positions == "sinusoidal"
        found[f"{side}.positions"] = Block(
            "Positional encoding", "Positions", "vector",
            "Adds a pattern that depends on the position alone, for attention by itself does not "
            "know the order of the words.",
            f"PE(pos, 2i) = sin(pos / 10000^(2i/{d})), PE(pos, 2i+1) = cos(pos / 10000^(2i/{d}))"
            if is_sinusoidal
            else "x = e + P[pos], P learned",
            f"{PAPER}, section 3.5", side,
        )  # fmt: skip
    return found


def _attention(config: TransformerConfig, side: str) -> dict[str, Block]:
    d_head, n_heads = config.d_head, config.n_heads
    equation = f"softmax(Q Kᵀ / √{d_head}) V, in {n_heads} heads of {d_head}"
    if side == "encoder":
        own = Block(
            "Self-attention", "Self-attention", "attention",
            "Lets every token gather from all tokens of the sentence what it asks for.",
            equation, f"{PAPER}, section 3.2, equation 1", "encoder",
        )  # fmt: skip
        return _with_residual(config, "encoder.self", own)
    masked = Block(
        "Masked self-attention", "Masked attention", "attention",
        "Lets every target token gather from those written before it; what comes later is hidden.",
        f"softmax(Q Kᵀ / √{d_head} + M) V, M = −∞ where the key comes later",
        f"{PAPER}, section 3.2.3", "decoder",
    )  # fmt: skip
    cross = Block(
        "Cross-attention", "Cross-attention", "attention",
        "Lets every target token read the source: here the translation looks at the sentence.",
        f"{equation}; Q from the decoder, K and V from the encoder",
        f"{PAPER}, section 3.2.3", "cross",
    )  # fmt: skip
    return _with_residual(config, "decoder.self", masked) | _with_residual(
        config, "decoder.cross", cross
    )


def _feed_forward(config: TransformerConfig, side: str) -> dict[str, Block]:
    d, wide = config.d_model, f"{config.d_ff:,}"
    kept = "keeps what is positive" if config.activation == "relu" else "bends it"
    inner = _ACTIVATIONS[config.activation].format("x W₁ + b₁")
    block = Block(
        "Feed-forward", "Feed-forward", "vector",
        f"Works on each token by itself: widens its vector, {kept}, and narrows it again.",
        f"FFN(x) = {inner} W₂ + b₂, {d} → {wide} → {d}",
        f"{PAPER}, section 3.3, equation 2", side,
    )  # fmt: skip
    return _with_residual(config, f"{side}.ff", block)


def _with_residual(config: TransformerConfig, name: str, block: Block) -> dict[str, Block]:
    """A block with its addition and its norm, in the model's order."""
    is_pre = config.norm == "pre"
    norm = Block(
        "Layer norm", "Norm", "thin",
        "Brings each token's vector to mean 0 and variance 1, then scales it by learned numbers."
        + (" It stands before the block (pre-norm); the paper has it after the sum." if is_pre
           else ""),
        "LayerNorm(x) = γ ⊙ (x − μ) / √(σ² + ε) + β",
        "Ba et al. 2016; " + ("Xiong et al. 2020" if is_pre else f"{PAPER}, section 3.1"),
        block.site,
    )  # fmt: skip
    add = Block(
        "Add", "Add", "thin",
        "Adds what the block writes to what came in: the residual stream runs through every layer.",
        "x + Sublayer(LayerNorm(x))" if is_pre else "LayerNorm(x + Sublayer(x))",
        f"He et al. 2016; {PAPER}, section 3.1", block.site,
    )  # fmt: skip
    if is_pre:
        return {f"{name}.norm": norm, f"{name}.block": block, f"{name}.add": add}
    return {f"{name}.block": block, f"{name}.add": add, f"{name}.norm": norm}


def _final_norm(side: str) -> Block:
    whose = "the decoder reads" if side == "encoder" else "the vocabulary is scored with"
    return Block(
        "Final layer norm", "Norm", "thin",
        f"Normalises the residual stream after the last layer: this is what {whose}.",
        "LayerNorm(x) = γ ⊙ (x − μ) / √(σ² + ε) + β",
        "Ba et al. 2016; Xiong et al. 2020", side,
    )  # fmt: skip


def _head(config: TransformerConfig) -> dict[str, Block]:
    d, vocab = config.d_model, f"{config.vocab_size:,}"
    tied = ", E the target embedding" if config.is_tied else ""
    matrix = "Eᵀ" if config.is_tied else "W"
    bias = " + b" if config.has_output_bias else ""
    return {
        "linear": Block(
            "Linear", "Linear", "scores",
            "Gives every token of the vocabulary a score, its logit: how well it would go on here.",
            f"z = h {matrix}{bias}, {d} → {vocab}{tied}",
            f"{PAPER}, section 3.4" + ("; Press & Wolf 2017" if config.is_tied else ""),
        ),
        "softmax": Block(
            "Softmax", "Softmax", "scores",
            "Turns the scores into probabilities that sum to 1; decoding chooses from them.",
            "pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)", f"{PAPER}, section 3.4",
        ),
    }  # fmt: skip


def opens(block: str) -> str:
    """The page that shows a block from inside, by the stem of its file."""
    if block in ("linear", "softmax"):
        return DECODING
    part = block.partition(".")[2]
    if part == "positions":
        return POSITIONS
    return ATTENTION if part in ("tokens", "self.block", "cross.block") else LAYER
