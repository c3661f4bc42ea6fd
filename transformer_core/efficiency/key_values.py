"""The key-value cache: what it saves, what it takes, and fewer heads in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transformer_core.efficiency.cutting import attention_parts
from transformer_core.efficiency.timing import GoOn, Spread, take_turns
from transformer_core.efficiency.variants import Variant, rebuilt
from transformer_core.errors import InputError
from transformer_core.model import Transformer
from transformer_core.model.masks import padding_mask
from transformer_core.model.step import DecoderStep
from transformer_core.tracing.scratch import ScratchModel

LENGTHS = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class CachePoint:
    """The next token after so many: its cost with a cache and without.

    Attributes:
        length: Tokens that stand before it.
        with_cache: Seconds to read one more token.
        without: Seconds to read all of them again.
        cache_bytes: What the cache holds then.
    """

    length: int
    with_cache: Spread
    without: Spread
    cache_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def n_kv_heads(model: Any) -> int:
    """Key-value heads of a decoder layer."""
    if isinstance(model, ScratchModel):
        return model.module.config.n_heads
    config = model.module.config
    return int(getattr(config, "num_key_value_heads", None) or model.n_heads("decoder"))


def cache_bytes(model: Any, length: int, *, kv_heads: int | None = None) -> int:
    """Bytes of the keys and values of ``length`` positions in all decoder layers.

    2 · layers · kv_heads · length · d_head numbers; cross-attention, whose keys are computed once,
    is not counted.
    """
    module = model.module
    d_model = getattr(module.config, "d_model", None) or module.config.hidden_size
    d_head = getattr(module.config, "head_dim", None) or d_model // model.n_heads("decoder")
    heads = n_kv_heads(model) if kv_heads is None else kv_heads
    size = next(p for p in module.parameters()).element_size()
    return int(2 * model.n_layers("decoder") * heads * length * d_head * size)


def cache_curve(
    model: Any,
    *,
    lengths: Sequence[int] = LENGTHS,
    rounds: int = 5,
    go_on: GoOn = lambda: None,
) -> list[CachePoint]:
    """Time the next token after each length, with a cache and by reading everything again.

    Args:
        model: A model that writes.
        lengths: Tokens before it; those that the model cannot read are left out.
        rounds: How often each is timed.
        go_on: Called between parts.

    Raises:
        InputError: If the model has no decoder.
    """
    if "decoder" not in model.sites:
        raise InputError(
            f"{model.card.id} has no decoder, so it writes nothing and caches nothing."
        )
    limit = model.n_ctx or max(lengths) + 2
    points = []
    for length in [n for n in lengths if n + 1 < limit]:
        go_on()
        with_cache, without = _works(model, length, rounds + 1)
        seconds = take_turns({"with": with_cache, "without": without}, rounds=rounds, go_on=go_on)
        points.append(
            CachePoint(
                length,
                Spread.of(seconds["with"]),
                Spread.of(seconds["without"]),
                cache_bytes(model, length),
            )
        )
    return points


def with_fewer_kv_heads(model: Any, kv_heads: int, *, name: str = "") -> Variant:
    """A model whose query heads share keys and values: each group's projections are their mean.

    Mean pooling is how Ainslie et al. 2023 (section 2.1) begin; they then train on for 5 % of the
    steps, which is not done here, so the loss is that of the conversion alone.

    Args:
        model: The model.
        kv_heads: Key-value heads to keep in each decoder layer; they divide those that there are.
        name: What results call it.

    Raises:
        InputError: If the number does not divide the model's, or the model's keys cannot be found.
    """
    if "decoder" not in model.sites:
        raise InputError(f"{model.card.id} has no decoder, hence no cache to make smaller.")
    there = n_kv_heads(model)
    if kv_heads < 1 or there % kv_heads:
        divisors = [n for n in range(1, there) if there % n == 0]
        raise InputError(
            f"{there} key-value heads cannot share {kv_heads}; choose one of "
            f"{', '.join(map(str, divisors)) or 'none: there is one already'}."
        )

    def pool(module: nn.Module) -> None:
        if not _pool_all(module, there, kv_heads):
            raise InputError(f"{model.card.id} keeps keys and values where they are not found.")

    label = name or f"{kv_heads} of {there} key-value heads"
    facts = {
        "kv_heads": kv_heads,
        "of": there,
        "cache_bytes": cache_bytes(model, 1, kv_heads=kv_heads),
        "plain_cache_bytes": cache_bytes(model, 1),
    }
    return Variant(label, rebuilt(model, pool), (), facts)


def _pool_all(module: nn.Module, there: int, kept: int) -> int:
    """Pool every projection of a decoder's keys and values; return how many there were."""
    if isinstance(module, Transformer):
        parts = [part for (site, _), part in attention_parts(module) if site != "encoder"]
        for part in parts:
            part.w_kv = _pooled(part.w_kv, there, kept, n_kinds=2)
        return len(parts)
    found = [
        (part, last)
        for part in module.modules()
        for last in ("k_proj", "v_proj")
        if isinstance(getattr(part, last, None), nn.Linear)
    ]
    for owner, last in found:
        setattr(owner, last, _pooled(getattr(owner, last), there, kept, n_kinds=1))
    return len(found)


@torch.no_grad()
def _pooled(linear: nn.Linear, n_heads: int, n_kept: int, *, n_kinds: int) -> nn.Linear:
    """A projection whose heads equal their group's mean."""

    def mean(rows: Tensor) -> Tensor:
        grouped = rows.view(n_kinds, n_kept, n_heads // n_kept, -1, *rows.shape[1:])
        return grouped.mean(dim=2, keepdim=True).expand_as(grouped).reshape(rows.shape)

    new = nn.Linear(1, 1, bias=linear.bias is not None, device="meta")
    new.in_features, new.out_features = linear.in_features, linear.out_features
    new.weight = nn.Parameter(mean(linear.weight), requires_grad=False)
    if linear.bias is not None:
        new.bias = nn.Parameter(mean(linear.bias), requires_grad=False)
    return new


def _works(
    model: Any, length: int, n_times: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Read one more token with a cache of ``length``, and read ``length`` + 1 without.

    The first can be done ``n_times``: each time with a cache of its own, made before.
    """
    ids = torch.full((1, length + 1), 5)
    if isinstance(model, ScratchModel):
        return _own_works(model, ids, n_times)
    from transformer_core.tracing.huggingface_cache import new_cache, shortened

    module = model.module
    extra: dict[str, Any] = {}
    key = "input_ids"
    if model.is_encoder_decoder:
        with torch.inference_mode():
            memory = module.get_encoder()(input_ids=ids[:, : min(length, 32)])
        extra, key = {"encoder_outputs": memory}, "decoder_input_ids"
    with torch.inference_mode():
        read = new_cache(is_pair=model.is_encoder_decoder)
        module(**{key: ids[:, :-1]}, cache=read, use_cache=True, **extra)
        caches = [shortened(read, length) for _ in range(n_times)]

    @torch.inference_mode()
    def with_cache() -> None:
        module(**{key: ids[:, -1:]}, cache=caches.pop(), use_cache=True, **extra)

    @torch.inference_mode()
    def without() -> None:
        module(**{key: ids}, use_cache=False, **_last_only(model), **extra)

    return with_cache, without


def _last_only(model: Any) -> dict[str, int]:
    """Both score the last position only, where a model can."""
    return {} if model.is_encoder_decoder else {"logits_to_keep": 1}


def _own_works(
    model: ScratchModel, ids: Tensor, n_times: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    module = model.module
    memory, mask = None, None
    length = ids.shape[1] - 1
    with torch.inference_mode():
        if model.is_encoder_decoder:
            memory = module.encode(ids[:, : min(length, 32)], None)
        kept = module.new_cache()
        module.decode(ids[:, :-1], memory, src_mask=None, cache=kept)
        caches = [kept.shortened(length) for _ in range(n_times)]
        step = None if memory is None else DecoderStep(module, memory, padding_mask(mask))

    @torch.inference_mode()
    def with_cache() -> None:
        cache = caches.pop()
        if step is not None:
            step(ids[:, -1], cache)
        else:
            module.unembed(module.decode(ids[:, -1:], None, src_mask=None, cache=cache))

    @torch.inference_mode()
    def without() -> None:
        module.unembed(module.decode(ids, memory, src_mask=None)[:, -1:])

    return with_cache, without
