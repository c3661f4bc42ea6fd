"""A tiny Llama as a GGUF file, written as llama.cpp's own converter does.

The reference for the reader in ``transformer_core.models.gguf``: the model that was written is
there to compare with, and nothing of the reader is used to write it.
"""

import json
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
import torch
import transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def make_gguf(llama: Path, path: Path, *, quantised: bool = False) -> Path:
    """Write a folder's Llama and its byte-level tokenizer as one GGUF file.

    Args:
        llama: A folder of ``tiny_models.make_tiny("llama", …)``.
        path: The file.
        quantised: Matrices as Q8_0 instead of 32-bit floats.

    Returns:
        The file.
    """
    model = LlamaForCausalLM.from_pretrained(llama)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _add_tokenizer(writer, llama, n_rows=config.vocab_size)
    for name, tensor in model.state_dict().items():
        _add_tensor(writer, model, name, tensor.numpy(), quantised=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensor(
    writer: gguf.GGUFWriter,
    model: LlamaForCausalLM,
    name: str,
    weights: npt.NDArray[np.float32],
    *,
    quantised: bool,
) -> None:
    config = model.config
    if name == "lm_head.weight" and config.tie_word_embeddings:
        return
    if ".q_proj." in name:
        weights = _permuted(weights, config.num_attention_heads)
    if ".k_proj." in name:
        weights = _permuted(weights, config.num_key_value_heads or config.num_attention_heads)
    if quantised and weights.ndim == 2:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(_gguf_name(name), gguf.quantize(weights, kind), raw_dtype=kind)
    else:
        writer.add_tensor(_gguf_name(name), np.ascontiguousarray(weights))


def _gguf_name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    _, _, layer, *inner, kind = name.split(".")
    return f"blk.{layer}.{_NAMES['.'.join(inner)]}.{kind}"


def _permuted(weights: npt.NDArray[np.float32], n_heads: int) -> npt.NDArray[np.float32]:
    """LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py."""
    halves = weights.reshape(n_heads, 2, weights.shape[0] // n_heads // 2, *weights.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weights.shape))


def _add_tokenizer(writer: gguf.GGUFWriter, llama: Path, *, n_rows: int) -> None:
    tokenizer: PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(llama)
    bpe = json.loads((llama / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    tokens = {index: token for token, index in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_tokens)
    normal, control, unused = 1, 3, 5
    rows = [tokens.get(index, f"[PAD{index}]") for index in range(n_rows)]
    kinds = [
        (control if tokens[index] in special else normal) if index in tokens else unused
        for index in range(n_rows)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(rows)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in bpe["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)


def logits_of(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """Logits of a text, [pos vocab]."""
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=torch.tensor([ids])).logits[0]
    return logits
