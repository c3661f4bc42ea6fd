"""The simplest tokenizer, letters with spaces between, and the simplest card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformer_core.tokenization.tokens import Tokens


@dataclass(frozen=True)
class Card:
    """What a backend reads of a model card."""

    id: str = "tiny"
    name: str = "tiny"
    family: str = "test"
    revision: str = "0"


@dataclass
class Letters:
    """Reads a as 3, b as 4 and so on; padding is 0."""

    n_ctx: int | None = None
    bos_id: int = 1
    eos_id: int = 2

    def encode(self, text: str) -> Tokens:
        """Letters, then the end token."""
        return self.from_ids([*(ord(letter) - 94 for letter in text.split()), self.eos_id])

    def encode_target(self, text: str) -> Tokens:
        """The same on the target's side."""
        return self.encode(text)

    def from_ids(self, ids: Sequence[int]) -> Tokens:
        """Tokens of ids."""
        special = [i in (self.bos_id, self.eos_id) for i in ids]
        tokens = Tokens.from_labels([self.show(i) for i in ids], is_special=special)
        return replace(tokens, ids=tuple(ids))

    def decode(self, ids: Sequence[int]) -> str:
        """The letters of ids."""
        return " ".join(self.show(i) for i in ids if i > 2)

    def show(self, index: int) -> str:
        """One letter."""
        return chr(index + 94)
