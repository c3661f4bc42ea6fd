"""A folder as Transformers saves it, made into a model that can be traced."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from transformer_core.errors import ArchitectureError, ModelUnavailableError
from transformer_core.models.cache import Progress, ignore_progress
from transformer_core.models.catalogue import ModelCard, fingerprint
from transformer_core.models.hub import weight_files
from transformer_core.models.vision_digits import DigitsProcessor, is_for_digits
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer
from transformer_core.tracing.capture import ATTENTION_NAME
from transformer_core.tracing.huggingface import HuggingFaceModel

# Bars and tables of its own would stand between a command's one line of error and its reader;
# what the table of a load says is in the error, if it matters.
transformers.utils.logging.disable_progress_bar()
logging.getLogger("transformers.modeling_utils").addFilter(
    lambda record: "LOAD REPORT" not in record.getMessage()
)

_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "*.pt", "*.pth", "*.ckpt")
_TOKENIZERS = ("token*.json", "vocab*", "*.model", "*.spm", "merges.txt")
_CONTRADICTIONS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    StrictDataclassError,
)
_UNLIMITED = 10**6
_NO_POSITION_LIMIT = {"t5", "mt5", "umt5", "longt5", "bloom", "switch_transformers"}
_POSITIONS_AFTER_PADDING = {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xmod"}
_VISION = {"vit", "deit", "beit", "dinov2", "vit_mae", "vit_msn", "swin"}
_TASKS = {
    "ForMaskedLM": "fill in the mask",
    "ForCausalLM": "text generation",
    "LMHeadModel": "text generation",
    "MTModel": "translation",
    "ForConditionalGeneration": "text to text",
    "ForImageClassification": "image classification",
    "ForSequenceClassification": "text classification",
    "ForTokenClassification": "token classification",
    "ForQuestionAnswering": "question answering",
}


def load_folder(
    folder: Path, card: ModelCard, *, progress: Progress = ignore_progress
) -> HuggingFaceModel:
    """Load a model from a folder, with its attention open to be seen.

    Nothing in the folder is executed: weights are read from safetensors, code is not run.

    Raises:
        ModelUnavailableError: If the folder holds no model that can be loaded.
        ArchitectureError: If the model's attention cannot be captured.
    """
    config = read_config(folder)
    progress("Reading the weights", 0.0)
    module = _load_module(folder, config)
    progress("Reading the tokenizer", 0.9)
    if module.main_input_name == "pixel_values":
        processor = _load_image_processor(folder)
        return HuggingFaceModel(module, None, card, image_processor=processor)
    tokenizer = _load_tokenizer(folder)
    _choose_languages(tokenizer, module)
    n_ctx = context_length(config, tokenizer)
    model = HuggingFaceModel(module, HuggingFaceTokenizer(tokenizer, n_ctx=n_ctx), card)
    progress("Ready", 1.0)
    return model


def new_vision_model(side: int, n_classes: int, **shape: float) -> PreTrainedModel:
    """Return a ViT for square grey images, with its first, random weights.

    Args:
        side: Pixels along an image's side.
        n_classes: Classes, called by their numbers.
        shape: ``patch_size d_model n_heads n_layers d_ff dropout``.
    """
    config = transformers.ViTConfig(
        image_size=side,
        patch_size=int(shape["patch_size"]),
        num_channels=1,
        hidden_size=int(shape["d_model"]),
        num_hidden_layers=int(shape["n_layers"]),
        num_attention_heads=int(shape["n_heads"]),
        intermediate_size=int(shape["d_ff"]),
        hidden_dropout_prob=shape["dropout"],
        attention_probs_dropout_prob=0.0,
        id2label={index: str(index) for index in range(n_classes)},
        label2id={str(index): index for index in range(n_classes)},
    )
    return transformers.ViTForImageClassification(config)


def read_config(folder: Path) -> PreTrainedConfig:
    """Read a folder's config, and make sure that its weights can be read.

    Raises:
        ModelUnavailableError: If this is no folder of a model, and why not.
    """
    if not (folder / "config.json").is_file():
        raise ModelUnavailableError(
            f"{folder} is no model folder: it has no config.json. Give a folder that was written "
            "by save_pretrained, with config.json and model.safetensors."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnavailableError(f"{folder}/config.json cannot be read: {error}") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING:
        own_code = isinstance(config, dict) and "auto_map" in config
        raise ModelUnavailableError(
            f"{folder}/config.json names an architecture that Transformers "
            f"{transformers.__version__} does not know: model_type is {kind!r}."
            + (" It brings code of its own, which is not run." if own_code else "")
        )
    _check_weights(folder)
    try:
        known: PreTrainedConfig = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except _CONTRADICTIONS as error:
        raise ModelUnavailableError(
            f"{folder}/config.json contradicts itself: {' '.join(str(error).split())}"
        ) from error
    return known


def _check_weights(folder: Path) -> None:
    files = weight_files(folder)
    if not files and any(any(folder.glob(pattern)) for pattern in _PICKLES):
        raise ModelUnavailableError(
            f"{folder} holds pickled weights only, which can run code when they are opened and are "
            "therefore not loaded. Save the model again as safetensors."
        )
    if not files:
        raise ModelUnavailableError(
            f"{folder} holds no weights: model.safetensors, or some part of it, is missing."
        )
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise ModelUnavailableError(
                f"{path} is damaged or not complete ({error}). Fetch or save it again."
            ) from error


def card_of(folder: Path, *, model_id: str, origin: str = "folder") -> ModelCard:
    """Describe a model that is in no catalogue by its folder."""
    config = read_config(folder)
    architecture = (config.architectures or [""])[0]
    task = next((task for end, task in _TASKS.items() if architecture.endswith(end)), "features")
    is_hub = origin == "hub"
    return ModelCard(
        id=model_id,
        name=model_id if is_hub else folder.resolve().name,
        family=_family(config, architecture),
        task=task,
        size_bytes=sum(path.stat().st_size for path in weight_files(folder)),
        source=f"https://huggingface.co/{model_id}" if is_hub else str(folder),
        revision=folder.name[:12] if is_hub else fingerprint(folder),
        origin=origin,
        reads="image" if config.model_type in _VISION else "text",
        hub_id=model_id if is_hub else None,
    )


def _family(config: PreTrainedConfig, architecture: str) -> str:
    if config.model_type in _VISION:
        return "ViT"
    if config.is_encoder_decoder:
        return "encoder–decoder"
    is_decoder = architecture.endswith(("ForCausalLM", "LMHeadModel"))
    is_decoder |= (
        config.model_type
        in transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and (
            config.model_type
            not in transformers.models.auto.modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        )
    )
    return "GPT" if is_decoder else "BERT"


def context_length(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens a model reads at most; None where nothing limits it."""
    if config.model_type not in _NO_POSITION_LIMIT:
        names = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
        limit = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
        if isinstance(limit, int) and limit > 0:  # XLNet says -1: as many as one likes
            after = config.model_type in _POSITIONS_AFTER_PADDING
            return limit - (config.pad_token_id or 0) - 1 if after else limit
    limit = tokenizer.model_max_length
    return int(limit) if limit and limit < _UNLIMITED else None


def _load_module(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Load the class that the weights were saved from; without its head if that has no weights."""
    named = getattr(transformers, (config.architectures or [""])[0], None)
    base = transformers.AutoModel
    missing: set[str] = set()
    for model_class in (named, base):
        if model_class is None:
            continue
        module, missing = _from_pretrained(model_class, folder, config)
        if not missing:
            return module
    raise ModelUnavailableError(
        f"{folder}: the weights lack {len(missing)} tensors of the architecture "
        f"({', '.join(sorted(missing)[:3])} …). Random numbers are not put in their place."
    )


def _from_pretrained(
    model_class: Any, folder: Path, config: PreTrainedConfig
) -> tuple[PreTrainedModel, set[str]]:
    try:
        module, facts = model_class.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=ATTENTION_NAME,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, with names and sizes
        )
    except (SafetensorError, OSError, RuntimeError, ImportError, KeyError, AttributeError) as error:
        raise ModelUnavailableError(f"{folder} cannot be loaded: {_first_line(error)}") from error
    except ValueError as error:
        if "attention" in str(error).lower() or ATTENTION_NAME in str(error):
            raise ArchitectureError(
                f"{config.model_type}: its attention does not pass through the interface of "
                f"Transformers and cannot be shown. ({_first_line(error)})"
            ) from error
        raise ModelUnavailableError(f"{folder} cannot be loaded: {_first_line(error)}") from error
    misfits = sorted(facts["mismatched_keys"])
    if misfits:
        name, in_file, in_config = misfits[0]
        raise ModelUnavailableError(
            f"{folder}: {len(misfits)} tensors have other sizes than config.json says; {name} is "
            f"{tuple(in_file)}, not {tuple(in_config)}. Weights and config are of two models."
        )
    # A pooler stands above the last layer; its output is not part of any trace.
    missing = {name for name in facts["missing_keys"] if ".pooler." not in f".{name}"}
    return module, missing


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def load_tokenizer(
    folder: Path, *, n_ctx: int | None, target_language: str | None = None
) -> HuggingFaceTokenizer:
    """Load a tokenizer without its model.

    Args:
        folder: Where its files are.
        n_ctx: Tokens that its model reads at most.
        target_language: What a model of many languages was told to write.

    Raises:
        ModelUnavailableError: If the folder holds no tokenizer that can be read.
    """
    tokenizer = _load_tokenizer(folder)
    if target_language is not None:
        tokenizer.tgt_lang = target_language
    return HuggingFaceTokenizer(tokenizer, n_ctx=n_ctx)


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    if not any(any(folder.glob(pattern)) for pattern in _TOKENIZERS):
        raise ModelUnavailableError(
            f"{folder} has no tokenizer: tokenizer.json, or the vocabulary that its kind reads, is "
            "missing. Save it beside the model with tokenizer.save_pretrained."
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # the reader of tokenizer.json raises none that is narrower
        raise ModelUnavailableError(
            f"{folder} has no tokenizer that can be read: {_first_line(error)}"
        ) from error
    if len(tokenizer) - len(tokenizer.all_special_ids) < 2:  # made up for want of a vocabulary
        raise ModelUnavailableError(
            f"{folder} has no tokenizer that can be read: its vocabulary is empty."
        )
    return tokenizer


def _load_image_processor(folder: Path) -> Any:
    if is_for_digits(folder):
        return DigitsProcessor()
    try:
        auto: Any = transformers.AutoImageProcessor
        return auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnavailableError(
            f"{folder} has no image processor that can be read: {_first_line(error)}"
        ) from error


def _choose_languages(tokenizer: PreTrainedTokenizerBase, module: PreTrainedModel) -> None:
    """Where a model translates between many languages and names no target: into French.

    (Into English where it reads French.) The decoder is told to begin with that language's code.
    """
    codes: dict[str, int] = getattr(tokenizer, "lang_code_to_id", {})
    if not codes:
        return
    if getattr(tokenizer, "tgt_lang", None) is None:
        wanted = "en" if str(tokenizer.src_lang).startswith("fr") else "fr"
        tokenizer.tgt_lang = next((code for code in codes if code.startswith(wanted)), min(codes))
    if module.generation_config is not None:
        module.generation_config.forced_bos_token_id = codes[tokenizer.tgt_lang]
