"""How alike two sentences are: what an encoder trained on pairs of sentences is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

TASK = "sentence embeddings"


@dataclass(frozen=True)
class Similarity:
    """Two sentences compared.

    Attributes:
        cosine: From −1 to 1; 1 for the same direction.
        n_dimensions: Numbers in each embedding.
        is_trained_for: Whether the model was trained so that the cosine means likeness.
    """

    cosine: float
    n_dimensions: int
    is_trained_for: bool


def embedding(trace: Trace) -> Float[Tensor, " d_model"]:
    """Return a sentence's embedding: the mean over its positions, of length 1.

    The mean runs over what the last layer writes at every position, ``[CLS]`` and ``[SEP]`` among
    them (Reimers & Gurevych 2019, section 3; the recipe of all-MiniLM-L6-v2's model card).

    Raises:
        InputError: If the model is no encoder alone.
    """
    if trace.sites != ("encoder",) or len(trace.source) == 0:
        raise InputError(
            f"{trace.model_name} is no encoder alone, so it has no embedding of a whole sentence. "
            "Choose one of the BERT family, such as minilm."
        )
    last = trace.resid("encoder", layer=trace.n_layers("encoder") - 1)
    mean: Tensor = functional.normalize(last.float().mean(dim=0), dim=0)
    return mean


def similarity(first: Trace, second: Trace, *, task: str = "") -> Similarity:
    """Return the cosine between two sentences' embeddings.

    Args:
        first: The trace of one sentence.
        second: Of the other, by the same model.
        task: What the model's card says that it was trained for.

    Raises:
        InputError: If the traces are of two models, or of a model without an encoder.
    """
    if (first.model_id, first.revision) != (second.model_id, second.revision):
        raise InputError(
            f"{first.model_name} and {second.model_name} are two models: their embeddings cannot "
            "be compared."
        )
    one, other = embedding(first), embedding(second)
    return Similarity(float(one @ other), len(one), task == TASK)
