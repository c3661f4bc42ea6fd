"""The whole encoder–decoder."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from transformer_core.config import TransformerConfig
from transformer_core.errors import ConfigError
from transformer_core.model.attention import MultiHeadAttention
from transformer_core.model.blocks import Decoder, Encoder
from transformer_core.model.cache import KeyValueCache
from transformer_core.model.embedding import TokenEmbedding, Unembedding
from transformer_core.model.masks import padding_mask
from transformer_core.model.positional import LearnedPositions, added_positions


class Transformer(nn.Module):
    """The Transformer of "Attention Is All You Need" (Vaswani et al. 2017, figure 1).

    ``encode`` turns the source into a memory, ``decode`` reads the target so far and the memory,
    ``unembed`` scores the vocabulary for the token after each target position.

    Args:
        config: Its shape and variants.
        generator: Where the first weights come from; None for torch's global one.
    """

    def __init__(
        self, config: TransformerConfig, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.target_embedding = TokenEmbedding(config)
        self.source_embedding = None if config.shares_embeddings else TokenEmbedding(config)
        self.source_positions = added_positions(config)
        self.target_positions = added_positions(config)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.unembedding = Unembedding(config)
        initialise(self, generator=generator)

    def forward(
        self,
        src: Int[Tensor, "batch src_pos"],
        tgt: Int[Tensor, "batch tgt_pos"],
        *,
        src_mask: Bool[Tensor, "batch src_pos"] | None,
        tgt_mask: Bool[Tensor, "batch tgt_pos"] | None = None,
    ) -> Float[Tensor, "batch tgt_pos vocab"]:
        """Score the next token at every target position, all at once (teacher forcing).

        Args:
            src: Source token ids.
            tgt: Target token ids that the decoder reads, beginning with ``config.bos_id``.
            src_mask: True where the source holds a token, False where it is padding; None where it
                has no padding.
            tgt_mask: The same for the target. Targets padded at their end need none: no position
                looks at what comes after it, so none sees the padding.
        """
        memory = self.encode(src, src_mask)
        return self.unembed(self.decode(tgt, memory, src_mask=src_mask, tgt_mask=tgt_mask))

    def encode(
        self, src: Int[Tensor, "batch src_pos"], src_mask: Bool[Tensor, "batch src_pos"] | None
    ) -> Float[Tensor, "batch src_pos d_model"]:
        """Read the source: every position sees every other.

        Raises:
            ConfigError: If the model has no encoder.
        """
        if not self.config.n_encoder_layers:
            raise ConfigError("This model is decoder-only (n_encoder_layers is 0): use decode.")
        embedding = self.source_embedding or self.target_embedding
        embed = self.dropout(self.source_positions(embedding(src)))
        memory: Tensor = self.encoder(embed, mask=padding_mask(src_mask))
        return memory

    def decode(
        self,
        tgt: Int[Tensor, "batch tgt_pos"],
        memory: Float[Tensor, "batch src_pos d_model"] | None,
        *,
        src_mask: Bool[Tensor, "batch src_pos"] | None,
        tgt_mask: Bool[Tensor, "batch key_pos"] | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch tgt_pos d_model"]:
        """Read the target so far: every position sees itself, those before it, and the memory.

        Args:
            tgt: Target token ids; with a cache only those that it does not hold yet.
            memory: What :meth:`encode` returned; None for a decoder-only model.
            src_mask: True where the memory holds a token; None: no padding.
            tgt_mask: True where the target holds a token; with a cache, of all its positions.
            cache: Keys and values of the positions read before; this call adds its own.

        Raises:
            ConfigError: If the model has no decoder.
        """
        if not self.config.n_decoder_layers:
            raise ConfigError("This model is encoder-only (n_decoder_layers is 0): use encode.")
        start = 0 if cache is None else cache.n_pos
        embed = self.dropout(self.target_positions(self.target_embedding(tgt), start=start))
        hidden: Tensor = self.decoder(
            embed,
            memory,
            self_mask=padding_mask(tgt_mask),
            cross_mask=padding_mask(src_mask),
            cache=cache,
        )
        return hidden

    def unembed(
        self, hidden: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos vocab"]:
        """Score the vocabulary."""
        logits: Tensor = self.unembedding(hidden, self.target_embedding.weight)
        return logits

    def new_cache(self) -> KeyValueCache:
        """An empty cache for :meth:`decode`, for one batch."""
        return KeyValueCache(self.config.n_decoder_layers)


def initialise(model: Transformer, *, generator: torch.Generator | None = None) -> None:
    """Draw a model's first weights.

    Matrices by Glorot & Bengio (2010), those of queries, keys and values each by itself; embeddings
    with variance 1/d_model, so that after × √d_model they are as large as the positions, and tied
    logits begin near variance 1; biases 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            for matrix in module.w_kv.weight.detach().chunk(2):
                nn.init.xavier_uniform_(matrix, generator=generator)
        elif isinstance(module, TokenEmbedding | Unembedding | LearnedPositions) and (
            module.weight is not None
        ):
            nn.init.normal_(module.weight, std=model.config.d_model**-0.5, generator=generator)
