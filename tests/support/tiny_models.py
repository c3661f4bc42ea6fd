"""Tiny random models of every architecture that the backends are proved on.

Each is saved as a local folder, as a user's own model would be: a config, safetensors weights, a
tokenizer or an image processor. The weights are larger than a fresh model's, so that patterns are
far from uniform and a wrong mask, scale or bias shows.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tests.support.tiny_tokenizers import LIMIT, TOKENIZERS

D_MODEL = 32
N_HEADS = 4
N_KV_HEADS = 2
N_LAYERS = 2
SLIDING_WINDOW = 4

_ENCODER = {
    "hidden_size": D_MODEL,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "intermediate_size": 64,
}
_BERT = {**_ENCODER, "max_position_embeddings": LIMIT}
_GROUPED = {
    **_BERT,
    "num_key_value_heads": N_KV_HEADS,
    "head_dim": D_MODEL // N_HEADS,
    "tie_word_embeddings": False,
}
_SEQ2SEQ = {
    "d_model": D_MODEL,
    "encoder_layers": N_LAYERS,
    "decoder_layers": N_LAYERS + 1,
    "encoder_attention_heads": N_HEADS,
    "decoder_attention_heads": N_HEADS,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": LIMIT,
}
_VIT = {**_ENCODER, "image_size": 16, "patch_size": 4, "num_labels": 3}


@dataclass(frozen=True)
class _Recipe:
    config: str
    model: str
    tokenizer: str | None
    options: dict[str, Any] = field(default_factory=dict)


_RECIPES = {
    "bert": _Recipe("BertConfig", "BertForMaskedLM", "word_piece", _BERT),
    "distilbert": _Recipe(
        "DistilBertConfig",
        "DistilBertForMaskedLM",
        "word_piece",
        {
            "dim": D_MODEL,
            "n_layers": N_LAYERS,
            "n_heads": N_HEADS,
            "hidden_dim": 64,
            "max_position_embeddings": LIMIT,
        },
    ),
    "roberta": _Recipe(
        "RobertaConfig",
        "RobertaForMaskedLM",
        "byte_level_around",
        {**_BERT, "max_position_embeddings": LIMIT + 3},  # positions begin after the pad id, 2
    ),
    "electra": _Recipe(
        "ElectraConfig", "ElectraForMaskedLM", "word_piece", {**_BERT, "embedding_size": 16}
    ),
    "gpt2": _Recipe(
        "GPT2Config",
        "GPT2LMHeadModel",
        "byte_level",
        {"n_embd": D_MODEL, "n_layer": N_LAYERS, "n_head": N_HEADS, "n_positions": LIMIT},
    ),
    "gpt_neox": _Recipe("GPTNeoXConfig", "GPTNeoXForCausalLM", "byte_level", _BERT),
    "opt": _Recipe(
        "OPTConfig",
        "OPTForCausalLM",
        "byte_level_start",
        {
            "hidden_size": D_MODEL,
            "num_hidden_layers": N_LAYERS,
            "num_attention_heads": N_HEADS,
            "ffn_dim": 64,
            "word_embed_proj_dim": D_MODEL,
            "max_position_embeddings": LIMIT,
        },
    ),
    "llama": _Recipe("LlamaConfig", "LlamaForCausalLM", "byte_level", _GROUPED),
    "qwen3": _Recipe("Qwen3Config", "Qwen3ForCausalLM", "byte_level", _GROUPED),
    "gemma3": _Recipe(
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        "byte_fallback",
        {
            **_GROUPED,
            "num_hidden_layers": 3,
            "sliding_window": SLIDING_WINDOW,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "query_pre_attn_scalar": 16,
        },
    ),
    "mistral": _Recipe(
        "MistralConfig",
        "MistralForCausalLM",
        "byte_fallback",
        {**_GROUPED, "sliding_window": SLIDING_WINDOW},
    ),
    "marian": _Recipe("MarianConfig", "MarianMTModel", "marian", _SEQ2SEQ),
    "bart": _Recipe("BartConfig", "BartForConditionalGeneration", "byte_level_around", _SEQ2SEQ),
    "t5": _Recipe(
        "T5Config",
        "T5ForConditionalGeneration",
        "unigram",
        {
            "d_model": D_MODEL,
            "d_kv": D_MODEL // N_HEADS,
            "d_ff": 64,
            "num_layers": N_LAYERS,
            "num_decoder_layers": N_LAYERS + 1,
            "num_heads": N_HEADS,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16,
        },
    ),
    "pegasus": _Recipe("PegasusConfig", "PegasusForConditionalGeneration", "unigram", _SEQ2SEQ),
    "m2m_100": _Recipe("M2M100Config", "M2M100ForConditionalGeneration", "m2m_100", _SEQ2SEQ),
    "vit": _Recipe("ViTConfig", "ViTForImageClassification", None, _VIT),
    "deit": _Recipe("DeiTConfig", "DeiTForImageClassification", None, _VIT),
}

KINDS: list[str] = list(_RECIPES)
"""Every architecture, by the name of its package in Transformers."""

TEXT_KINDS: list[str] = [kind for kind, recipe in _RECIPES.items() if recipe.tokenizer]
ENCODER_DECODER_KINDS: list[str] = ["marian", "bart", "t5", "pegasus", "m2m_100"]
DECODER_KINDS: list[str] = ["gpt2", "gpt_neox", "opt", "llama", "qwen3", "gemma3", "mistral"]


def make_tiny(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Save a tiny random model of an architecture into a folder.

    Args:
        kind: One of :data:`KINDS`.
        folder: Where to save it; made if it is not there.
        seed: Makes the weights.

    Returns:
        The folder.
    """
    recipe = _RECIPES[kind]
    folder.mkdir(parents=True, exist_ok=True)
    options = dict(recipe.options)
    if recipe.tokenizer is None:
        _save_image_processor(kind, folder)
    else:
        tokenizer = TOKENIZERS[recipe.tokenizer](folder)
        tokenizer.save_pretrained(folder)
        options |= _ids(tokenizer, is_encoder_decoder=kind in ENCODER_DECODER_KINDS)
    config = getattr(transformers, recipe.config)(**options)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel = getattr(transformers, recipe.model)(config)
        _randomise(model)
    model.save_pretrained(folder)
    return folder


def _ids(tokenizer: PreTrainedTokenizerBase, *, is_encoder_decoder: bool) -> dict[str, int | None]:
    """The vocabulary's size and special ids, as a config names them."""
    languages = getattr(tokenizer, "lang_token_to_id", {})
    ids = {
        # Models often have more rows than their tokenizer has tokens.
        "vocab_size": len(tokenizer) + len(languages) + 8,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if is_encoder_decoder:
        ids["decoder_start_token_id"] = tokenizer.pad_token_id
    return ids


@torch.no_grad()
def _randomise(model: PreTrainedModel) -> None:
    """Give every trained weight a value that matters: patterns far from uniform, no zero bias."""
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        if parameter.dim() >= 2:
            parameter.normal_(std=0.25)
        else:
            parameter.add_(0.1 * torch.randn_like(parameter))


def _save_image_processor(kind: str, folder: Path) -> None:
    settings = {
        "image_processor_type": "ViTImageProcessor" if kind == "vit" else "DeiTImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_center_crop": False,
        "size": {"height": 16, "width": 16},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
