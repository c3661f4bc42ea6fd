"""GGUF files of the Llama architecture, converted into a folder that Transformers reads.

Quantised weights are dequantised to float32, exactly: the numbers shown are those of the quantised
model. The file is read tensor by tensor, so that never more than one of them is in memory.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from transformer_core.errors import ModelUnavailableError, TransformerCoreError
from transformer_core.models.cache import Progress, ignore_progress

VERSION = 1
"""Of the conversion: a cache made by another version is made again."""

_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_SPLIT_DIGITS = {"smollm": True, "gpt-2": False}
_CONTROL, _USER_DEFINED = 3, 4  # kinds of token, as GGUF numbers them


def convert(source: Path, folder: Path, *, progress: Progress = ignore_progress) -> None:
    """Write a GGUF file's config, tokenizer and weights into a folder.

    Raises:
        ModelUnavailableError: If the file is damaged, or not of the Llama architecture with a
            byte-level BPE vocabulary.
    """
    try:
        reader = gguf.GGUFReader(source)
        facts = {name: field.contents() for name, field in reader.fields.items()}
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError) as error:
        raise ModelUnavailableError(
            f"{source} is no readable GGUF file: {_short(error)}"
        ) from error
    _check(facts, source)
    try:
        _convert(reader, facts, folder, progress)
    except OSError:
        raise
    except Exception as error:  # the tokenizers' library raises no other
        if isinstance(error, TransformerCoreError):
            raise
        raise ModelUnavailableError(
            f"{source} is damaged or not complete: {type(error).__name__}, {_short(error)}."
        ) from error


def _convert(
    reader: gguf.GGUFReader, facts: Mapping[str, Any], folder: Path, progress: Progress
) -> None:
    """Write what a file holds, once its kind is known."""
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = _config(facts, is_tied="output.weight" not in tensors)
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", _ids(facts))
    _write_tokenizer(facts, folder)
    with (folder / "model.safetensors").open("wb") as file:
        _write_weights(file, tensors, config, progress)


def _short(error: Exception) -> str:
    """An error in one line, no longer than one reads."""
    words = " ".join(str(error).split())
    return words if len(words) <= 160 else f"{words[:160]}…"


def _check(facts: Mapping[str, Any], source: Path) -> None:
    """Refuse what would be converted wrongly."""
    wanted: dict[str, list[Any]] = {
        "general.architecture": ["llama"],
        "tokenizer.ggml.model": ["gpt2"],
        "tokenizer.ggml.pre": list(_SPLIT_DIGITS),
        "llama.rope.scaling.type": [None, "none"],
        "llama.expert_count": [None, 0],
    }
    for name, allowed in wanted.items():
        if facts.get(name) not in allowed:
            raise ModelUnavailableError(
                f"{source.name}: {name} is {str(facts.get(name))[:80]!r}, which is not known here "
                f"(only {allowed[0]!r}). Load the model's safetensors from the hub instead."
            )


def _config(facts: Mapping[str, Any], *, is_tied: bool) -> dict[str, Any]:
    d_model, n_heads = (
        facts["llama.embedding_length"],
        facts["llama.attention.head_count"],
    )
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": d_model,
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": n_heads,
        "num_key_value_heads": facts.get("llama.attention.head_count_kv", n_heads),
        "head_dim": facts.get("llama.rope.dimension_count", d_model // n_heads),
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": round(facts["llama.attention.layer_norm_rms_epsilon"], 12),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": facts.get("llama.rope.freq_base", 10_000.0),
        },
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "hidden_act": "silu",
        "tie_word_embeddings": is_tied,
        "dtype": "float32",
        **_ids(facts),
    }


def _ids(facts: Mapping[str, Any]) -> dict[str, int | None]:
    return {
        "bos_token_id": facts.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": facts.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": facts.get("tokenizer.ggml.padding_token_id"),
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def _write_tokenizer(facts: Mapping[str, Any], folder: Path) -> None:
    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    kinds: list[int] = facts["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
        if _SPLIT_DIGITS[facts["tokenizer.ggml.pre"]]
        else byte_level
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind in (_CONTROL, _USER_DEFINED)
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"bos": "bos_token", "eos": "eos_token", "padding": "pad_token", "unknown": "unk_token"}
    ids = {name: facts.get(f"tokenizer.ggml.{key}_token_id") for key, name in named.items()}
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": facts.get("tokenizer.chat_template"),
        **{name: tokens[index] for name, index in ids.items() if index is not None},
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _write_weights(
    file: BinaryIO,
    tensors: Mapping[str, gguf.ReaderTensor],
    config: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Write a safetensors file, one tensor at a time.

    The format: the header's length as 8 bytes, the header as JSON (each tensor's type, shape and
    place), then the tensors' bytes.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    kept = {_name(name): tensor for name, tensor in tensors.items() if _name(name)}
    for name, tensor in kept.items():
        shape = [int(size) for size in reversed(tensor.shape)]
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    file.write(struct.pack("<Q", len(encoded)))
    file.write(encoded)
    for done, (name, tensor) in enumerate(kept.items(), start=1):
        weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype("<f4", copy=False)
        weights = weights.reshape(header[name]["shape"])
        file.write(np.ascontiguousarray(_halves(weights, name, config)).data)
        progress("Converting the weights", done / len(kept))


def _name(name: str) -> str:
    """A tensor's name in Transformers; empty for one that is computed there."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    if name == "rope_freqs.weight":
        return ""
    parts = name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in _IN_LAYER:
        return f"model.layers.{parts[1]}.{_IN_LAYER[parts[2]]}.{parts[3]}"
    raise ModelUnavailableError(f"This GGUF file has a tensor that is not known here: {name}.")


def _halves(
    weights: npt.NDArray[np.float32], name: str, config: Mapping[str, Any]
) -> npt.NDArray[np.float32]:
    """Put the rows of a query or key projection into the order in which Transformers rotates them.

    GGUF rotates neighbouring rows of a head (0, 1), (2, 3), …; Transformers rotates the rows of its
    first half with those of its second.
    """
    if name.endswith("q_proj.weight"):
        n_heads = config["num_attention_heads"]
    elif name.endswith("k_proj.weight"):
        n_heads = config["num_key_value_heads"]
    else:
        return weights
    rows, columns = weights.shape
    pairs = weights.reshape(n_heads, rows // n_heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)
