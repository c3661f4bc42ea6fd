"""Knowledge distillation: a small student learns what a large teacher thinks likely.

Hinton et al. 2015 (section 2): beside the true token (the hard label) the student is shown the
teacher's whole distribution (the soft label), both softened by a temperature T:

    L = α T² KL(p_teacher^T ‖ p_student^T) + (1 − α) CE(label, p_student)

T² keeps the soft part's gradient as large as it is at T = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor, nn

from transformer_core.config import TransformerConfig
from transformer_core.errors import ConfigError
from transformer_core.model import Transformer
from transformer_core.training.batching import Batch

_CHUNK = 512
"""Labels whose logits, of student and teacher, are held at once."""


@dataclass(frozen=True)
class Distillation:
    """How soft and hard labels are mixed.

    Attributes:
        temperature: T, above 0: what logits are divided by. 1 leaves the distributions as they are;
            over a vocabulary of thousands more than that soon teaches the tail.
        soft_share: α, from 0 (the true tokens alone) to 1 (the teacher alone).
    """

    temperature: float = 1.0
    soft_share: float = 0.7

    def __post_init__(self) -> None:
        """Refuse numbers out of range.

        Raises:
            ConfigError: If there is one.
        """
        if not self.temperature > 0:
            raise ConfigError(f"The temperature is {self.temperature:g}; it must be above 0.")
        if not 0 <= self.soft_share <= 1:
            raise ConfigError(
                f"The share of the soft loss is {self.soft_share:g}; it must be from 0 to 1."
            )

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


def distillation_loss(
    student: Float[Tensor, "pos vocab"],
    teacher: Float[Tensor, "pos vocab"],
    labels: Int[Tensor, " pos"],
    how: Distillation,
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The loss of the equation above, summed over positions.

    Args:
        student: Logits that learn.
        teacher: Logits that teach; no gradient flows into them.
        labels: The true tokens.
        how: Temperature and shares.
        smoothing: Label smoothing of the hard part.
    """
    soft, hard, _ = loss_parts(student, teacher, labels, how.temperature, smoothing=smoothing)
    return how.soft_share * soft + (1 - how.soft_share) * hard


def loss_parts(
    student: Float[Tensor, "pos vocab"],
    teacher: Float[Tensor, "pos vocab"],
    labels: Int[Tensor, " pos"],
    temperature: float,
    *,
    smoothing: float = 0.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """The losses that are mixed, before their shares, and what they say of the true tokens alone.

    Returns:
        T² KL(teacher ‖ student), the smoothed loss of the labels, and their negative log-likelihood
        without a gradient; each summed over positions.
    """
    t = temperature
    student, teacher = student.float(), teacher.detach().float()
    log_p = student.log_softmax(-1)
    nll = -log_p.gather(1, labels[:, None]).sum()
    hard = (1 - smoothing) * nll
    if smoothing:
        hard = hard - smoothing * log_p.mean(-1).sum()
    soft = F.kl_div(
        log_p if t == 1 else (student / t).log_softmax(-1),
        (teacher / t).log_softmax(-1),
        log_target=True,
        reduction="sum",
    )
    return t * t * soft, hard, nll.detach()


class DistilledForcing(nn.Module):
    """Teacher forcing with a teacher: both read the true prefix, the student learns from both.

    It takes the place of :class:`~transformer_core.training.trainer.TeacherForcing` in the training
    loop. The teacher is no part of it: its weights are neither taught nor saved.

    Args:
        student: What learns.
        teacher: What it learns from; of the same vocabulary.
        how: Temperature and shares.
        label_smoothing: Of the hard loss.
        note: Told of the soft and the hard loss of each batch, a token, before their shares.
        remembers: For how many labels the teacher's last layer is kept: few pairs that are learnt
            again and again are read by it once. It then differs by rounding, as a pair stands in
            other batches.

    Raises:
        ConfigError: If the vocabularies differ.
    """

    def __init__(
        self,
        student: Transformer,
        teacher: Transformer,
        how: Distillation,
        *,
        label_smoothing: float = 0.0,
        note: Callable[[float, float], None] | None = None,
        remembers: int = 0,
    ) -> None:
        super().__init__()
        check_vocabularies(student.config, teacher.config)
        self.model = student
        self.how = how
        self.label_smoothing = label_smoothing
        self._note = note
        hidden = _hidden_of(teacher)
        self._teacher = _Remembered(hidden, remembers) if remembers else hidden
        self._unembed = (teacher,)  # in a tuple: a module's attribute would be taught and saved

    def forward(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the loss and the negative log-likelihood, each summed over the labels."""
        model = self.model
        is_label = batch.labels != model.config.pad_id
        labels = batch.labels[is_label]
        memory = model.encode(batch.src, batch.src_mask)
        hidden = model.decode(batch.tgt, memory, src_mask=batch.src_mask)[is_label]
        known = self._teacher(batch, is_label)
        soft, hard, nll = hidden.new_zeros(()), hidden.new_zeros(()), hidden.new_zeros(())
        for start in range(0, len(labels), _CHUNK):
            part = slice(start, start + _CHUNK)
            logits = model.unembed(hidden[None, part])[0]
            with torch.no_grad():
                wanted = self._unembed[0].unembed(known[None, part])[0]
            t, smoothing = self.how.temperature, self.label_smoothing
            parts = loss_parts(logits, wanted, labels[part], t, smoothing=smoothing)
            soft, hard, nll = soft + parts[0], hard + parts[1], nll + parts[2]
        if self._note is not None:
            self._note(float(soft.detach()) / len(labels), float(hard.detach()) / len(labels))
        share = self.how.soft_share
        return share * soft + (1 - share) * hard, nll


def student_config(teacher: TransformerConfig, **shape: Any) -> TransformerConfig:
    """A smaller shape of the same vocabulary; by default 2 + 2 layers, 128 wide, 4 heads.

    Raises:
        ConfigError: If the shape contradicts itself.
    """
    small = {
        "d_model": 128,
        "n_heads": 4,
        "d_ff": 384,
        "n_encoder_layers": 2,
        "n_decoder_layers": 2,
    }
    return TransformerConfig.from_dict(teacher.to_dict() | small | shape)


def check_vocabularies(student: TransformerConfig, teacher: TransformerConfig) -> None:
    """Refuse models that do not speak of the same tokens.

    Raises:
        ConfigError: If so.
    """
    names = ("vocab_size", "pad_id", "bos_id", "eos_id")
    for name in names:
        own, other = getattr(student, name), getattr(teacher, name)
        if own != other:
            raise ConfigError(
                f"The student's {name} is {own}, the teacher's {other}: a student learns the "
                "teacher's distribution over the same tokens, so give it the teacher's tokenizer."
            )


Hidden = Callable[[Batch, Tensor], Tensor]
"""What a teacher's last layer leaves at the labelled positions of a batch."""


class _Remembered:
    """What a teacher made of a pair, kept by the pair's tokens."""

    def __init__(self, hidden: Hidden, n_labels: int) -> None:
        self._hidden = hidden
        self._room = n_labels
        self._known: dict[bytes, Tensor] = {}

    def __call__(self, batch: Batch, is_label: Tensor) -> Tensor:
        sides = zip(batch.src, batch.src_mask, batch.labels, is_label, strict=True)
        keys = [
            src[is_token].numpy().tobytes() + b"|" + labels[taught].numpy().tobytes()
            for src, is_token, labels, taught in sides
        ]
        if not all(key in self._known for key in keys):
            hidden = self._hidden(batch, is_label)
            rows = hidden.split(is_label.sum(dim=1).tolist())
            for key, row in zip(keys, rows, strict=True):
                if key not in self._known and len(row) <= self._room:
                    self._known[key] = row.clone()
                    self._room -= len(row)
            return hidden
        return torch.cat([self._known[key] for key in keys])


def _hidden_of(teacher: Transformer) -> Hidden:
    """What the teacher's last layer leaves at the labelled positions."""

    @torch.no_grad()
    def hidden(batch: Batch, is_label: Tensor) -> Tensor:
        memory = teacher.encode(batch.src, batch.src_mask)
        return teacher.decode(batch.tgt, memory, src_mask=batch.src_mask)[is_label]

    return hidden
