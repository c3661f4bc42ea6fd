"""Every error that the library raises on purpose, as one tree.

A caller that catches :class:`TransformerCoreError` has caught whatever a person can put right: the
message says what is wrong, which value, which limit, and what to do. Anything else is a bug.
"""


class TransformerCoreError(Exception):
    """The root of the tree; never raised itself."""


class ConfigError(TransformerCoreError):
    """A configuration contradicts itself or is out of range."""


class InputError(TransformerCoreError):
    """A text, image, index or option that cannot be used."""


class EmptyInputError(InputError):
    """A text without a single character to read."""


class TextTooLongError(InputError):
    """A text of more tokens than the model can read.

    Attributes:
        n_tokens: Tokens that the text has, special tokens included.
        limit: Tokens that the model reads at most.
    """

    def __init__(self, n_tokens: int, limit: int) -> None:
        self.n_tokens = n_tokens
        self.limit = limit
        super().__init__(
            f"The text has {n_tokens:,} tokens; this model reads {limit:,} at most. "
            f"Shorten it by {n_tokens - limit:,} tokens."
        )


class TooLongToKeepError(InputError):
    """A text too long for every step of writing from it to be kept in memory.

    Attributes:
        n_tokens: Tokens that the text has.
        limit: Tokens of a text whose steps are kept.
    """

    def __init__(self, n_tokens: int, limit: int) -> None:
        self.n_tokens = n_tokens
        self.limit = limit
        super().__init__(
            f"The text has {n_tokens:,} tokens; up to {limit:,} are worked on with every step kept "
            "to be looked at. Work through it as a document: there only the words are kept."
        )


class MaskError(TransformerCoreError):
    """A mask that leaves some query position nothing to attend to, or has the wrong shape."""


class ModelUnavailableError(TransformerCoreError):
    """A model that cannot be loaded; the message says which, why, and what to do."""


class ArchitectureError(TransformerCoreError):
    """A model whose attention cannot be captured."""


class NotInTraceError(TransformerCoreError):
    """A tensor that this trace does not hold (wrong site or index, or never computed)."""


class FileFormatError(TransformerCoreError):
    """A file that is not what it should be."""


class DataError(TransformerCoreError):
    """A row of a data set that cannot be used; the message names the line."""


class CheckpointError(TransformerCoreError):
    """A checkpoint that cannot be written, read, or that belongs to another model."""


class StoppedError(TransformerCoreError):
    """Work that somebody stopped."""


class BusyError(TransformerCoreError):
    """A server that has no room for one more; the message says what is full and what to do."""


class QueueFullError(BusyError):
    """A queue in which too many wait already.

    Attributes:
        n_waiting: Requests that wait.
    """

    def __init__(self, n_waiting: int) -> None:
        self.n_waiting = n_waiting
        super().__init__(
            f"Busy: {n_waiting:,} people wait already, as many as this server lets wait. Try again "
            "in a moment."
        )


class QueueTimeoutError(BusyError):
    """A request that was not served in time.

    Attributes:
        seconds: How long it waited.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"Busy: this was not computed within {seconds:g} seconds. Try again, or with a shorter "
            "text."
        )


class SupersededError(StoppedError):
    """A request that a newer one of the same session replaced; nobody waits for it any more."""


class OutOfMemoryError(TransformerCoreError):
    """Work that the machine has no memory for; the message says how much was asked for."""


class StorageError(TransformerCoreError):
    """A file that cannot be written; the message says which, why, and what to do."""
