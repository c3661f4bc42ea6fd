"""Weights for proofs: random ones that matter, and copies into torch's own modules."""

import torch
from torch import Tensor, nn

from transformer_core.config import TransformerConfig
from transformer_core.model.attention import MultiHeadAttention
from transformer_core.model.blocks import DecoderLayer, EncoderLayer


@torch.no_grad()
def randomise(module: nn.Module, *, seed: int = 0) -> None:
    """Give every weight, norm and bias a value that matters."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() >= 2:
            parameter.copy_(noise * 1.5 * parameter.shape[-1] ** -0.5)
        else:
            parameter.add_(0.3 * noise)


@torch.no_grad()
def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Put our projections into torch's."""
    theirs.in_proj_weight.copy_(torch.cat([ours.w_q.weight, ours.w_kv.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.w_q.bias, ours.w_kv.bias]))
    theirs.out_proj.load_state_dict(ours.w_o.state_dict())


def copy_encoder_layer(ours: EncoderLayer, theirs: nn.TransformerEncoderLayer) -> None:
    """Put our encoder layer's weights into torch's."""
    copy_attention(ours.self_attention, theirs.self_attn)
    theirs.norm1.load_state_dict(ours.self_attention_residual.norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.w_in.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.w_out.state_dict())
    theirs.norm2.load_state_dict(ours.feed_forward_residual.norm.state_dict())


def copy_decoder_layer(ours: DecoderLayer, theirs: nn.TransformerDecoderLayer) -> None:
    """Put our decoder layer's weights into torch's."""
    copy_attention(ours.self_attention, theirs.self_attn)
    copy_attention(ours.cross_attention, theirs.multihead_attn)
    theirs.norm1.load_state_dict(ours.self_attention_residual.norm.state_dict())
    theirs.norm2.load_state_dict(ours.cross_attention_residual.norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.w_in.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.w_out.state_dict())
    theirs.norm3.load_state_dict(ours.feed_forward_residual.norm.state_dict())


def tiny_config(**changes: object) -> TransformerConfig:
    """A shape small enough for tests, with layer counts, widths and lengths that all differ."""
    values: dict[str, object] = {
        "vocab_size": 61,
        "d_model": 32,
        "n_heads": 4,
        "d_ff": 48,
        "n_encoder_layers": 2,
        "n_decoder_layers": 3,
        "n_ctx": 40,
    }
    return TransformerConfig.from_dict(values | changes)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Reproducible normal noise."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids(*shape: int, seed: int = 0, vocab_size: int = 61) -> Tensor:
    """Reproducible token ids, none of them special."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, vocab_size, shape, generator=generator)


def padded(n_rows: int, n_pos: int) -> Tensor:
    """True where a token stands: row i is i positions shorter than the longest."""
    return torch.arange(n_pos)[None, :] < n_pos - torch.arange(n_rows)[:, None]
