"""One step of decoding: which token was written, from what, and what the model looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from transformer_core.decoding.candidates import Candidate, Distribution
from transformer_core.decoding.filters import Bans, filtered
from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import NotInTraceError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.history import History
from transformer_core.tracing.records import AttentionRecord
from transformer_core.tracing.stepping import Stepper
from transformer_core.tracing.trace import Trace

Ended = Literal["eos", "limit", "stopped"]
"""Why a text ends: its end token, as long as it may be, or somebody stopped it."""

_LENS_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model said before a step chose.

    Attributes:
        stepper: The text that is being written.
        logits: Scores of the vocabulary; None where nothing is recorded.
        history: What was noted until now; None where nothing is recorded.
        written: Tokens before this one.
        bans: What must and must not be written here.
        strategy: How the token is chosen.
        is_log: Whether the strategy scores log-probabilities, as beam search does.
    """

    stepper: Stepper
    logits: Tensor | None
    history: History | None
    written: Sequence[int]
    bans: Bans | None
    strategy: Strategy
    is_log: bool = False


@dataclass(frozen=True)
class CacheSize:
    """What the key–value cache holds after a step has read its token.

    Attributes:
        n_pos: Positions of the decoder.
        nbytes: Bytes of keys and values, those of the source included.
    """

    n_pos: int
    nbytes: int


@dataclass(frozen=True)
class LensLayer:
    """What the logit lens reads after one layer.

    Attributes:
        layer: Counted from 0; −1 is what goes into layer 0.
        token_ids, tokens, probabilities: The most probable tokens, best first.
        chosen_probability: Of the token that the step wrote.
        chosen_rank: Its rank there, 0 for the best.
    """

    layer: int
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    probabilities: tuple[float, ...]
    chosen_probability: float
    chosen_rank: int


@dataclass(frozen=True, eq=False)
class DecodingStep:
    """One token that a model wrote. What costs time is computed when it is first asked for.

    Attributes:
        index: Counted from 0.
        token_id: The token that was written.
        log_prob: Natural logarithm of the probability that the model itself gives it, before
            penalty, temperature and filters.
        cumulative_log_prob: Sum of that over the text so far.
        is_forced: Whether somebody chose it, not the strategy.
        ended: Why the text ends with this step; None: it goes on.
        seconds: From the token before to this one.
        cache: The key–value cache behind it.
        answer: What the model said, and everything around it.
    """

    index: int
    token_id: int
    log_prob: float
    cumulative_log_prob: float
    is_forced: bool
    ended: Ended | None
    seconds: float
    cache: CacheSize
    answer: Answer

    # -- the token --------------------------------------------------------------------------

    @cached_property
    def token(self) -> str:
        """The token as people read it."""
        return self.answer.stepper.tokenizer.show(self.token_id)

    @property
    def written(self) -> tuple[int, ...]:
        """Tokens written until now, this one included."""
        return (*self.answer.written, self.token_id)

    @cached_property
    def text(self) -> str:
        """The text until now, this token included; special tokens left out."""
        return self.answer.stepper.tokenizer.decode(self.written)

    @property
    def strategy(self) -> Strategy:
        """How the token was chosen."""
        return self.answer.strategy

    # -- what it was chosen from ------------------------------------------------------------

    @property
    def logits(self) -> Float[Tensor, " vocab"]:
        """The model's scores of the whole vocabulary.

        Raises:
            NotInTraceError: If the text was written without recording.
        """
        if self.answer.logits is None:
            raise _not_recorded()
        return self.answer.logits

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The best candidates, with every number between logit and probability."""
        return self.distribution().candidates()

    def distribution(self, strategy: Strategy | None = None) -> Distribution:
        """What the step chose from, over the full vocabulary; no forward pass is needed.

        Args:
            strategy: Another penalty, temperature or filters, to see what they would do here; None
                for the step's own.

        Raises:
            NotInTraceError: If the text was written without recording.
        """
        answer = self.answer
        scores = self.logits.log_softmax(dim=-1) if answer.is_log else self.logits
        previous = (*answer.stepper.prompt_ids, *answer.written)
        result = filtered(scores, strategy or answer.strategy, previous=previous, bans=answer.bans)
        return Distribution(result, answer.stepper.tokenizer.show, self.token_id)

    # -- what the model looked at -----------------------------------------------------------

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites of the step: ``decoder``, and ``cross`` in an encoder–decoder."""
        return tuple(site for site in self._history.sites() if site != "encoder")

    def n_layers(self, site: str) -> int:
        """Layers with attention at a site of the step."""
        return self._history.sites()[site]

    def record(self, site: str, *, layer: int) -> AttentionRecord:
        """The step's query, and all keys that it may read.

        Raises:
            NotInTraceError: If there is no such site or layer, or nothing was recorded.
        """
        sites = self._history.sites()
        if site not in self.sites or not 0 <= layer < sites[site]:
            raise NotInTraceError(
                f"A step has no layer {layer} at {site!r}; it has "
                + ", ".join(f"{name} 0 to {sites[name] - 1}" for name in self.sites)
                + "."
            )
        return self._history.latest(site, layer)

    def pattern(
        self, site: str, *, layer: int, head: int | None = None
    ) -> Float[Tensor, "*head key_pos"]:
        """What the step's query attended to: one row, which sums to 1.

        The query is the last token before this one; the keys are that token and those before it, or
        the source's.

        Args:
            site: ``decoder`` or ``cross``.
            layer: Counted from 0.
            head: Counted from 0; None for all heads of the layer.

        Raises:
            NotInTraceError: If there is no such site, layer or head, or nothing was recorded.
        """
        return self.record(site, layer=layer).pattern(head)[..., 0, :]

    def key_tokens(self, site: str) -> Tokens:
        """The tokens along a row: what the decoder had read, or the source."""
        return self.answer.stepper.source if site == "cross" else self._read

    @cached_property
    def trace(self) -> Trace:
        """Everything that the model had read when it chose this token; see :class:`Trace`."""
        return self.answer.stepper.trace(self._history, tuple(self.answer.written), self.logits)

    # -- the logit lens ---------------------------------------------------------------------

    @cached_property
    def lens(self) -> tuple[LensLayer, ...]:
        """What each layer's residual stream says if it is unembedded at once, in order of layers.

        Raises:
            NotInTraceError: If nothing was recorded, or the model's way from its last layer to its
                logits is not known.
        """
        return self.lens_layers(n=10)

    def lens_layers(self, *, n: int) -> tuple[LensLayer, ...]:
        """The logit lens with the n most probable tokens of each layer; see :attr:`lens`."""
        probabilities = self.lens_logits().softmax(dim=-1)
        best = probabilities.topk(min(n, probabilities.shape[-1]), dim=-1)
        chosen = probabilities[:, self.token_id]
        ranks = (probabilities > chosen[:, None]).sum(dim=-1).tolist()
        show = self.answer.stepper.tokenizer.show
        rows = zip(best.indices.tolist(), best.values.tolist(), chosen.tolist(), ranks, strict=True)
        return tuple(
            LensLayer(entry - 1, tuple(ids), tuple(map(show, ids)), tuple(values), own, rank)
            for entry, (ids, values, own, rank) in enumerate(rows)
        )

    def lens_logits(self) -> Float[Tensor, "entry vocab"]:
        """Logits after each layer; entry 0 is what goes into layer 0, entry i + 1 follows layer i.

        Raises:
            NotInTraceError: As :attr:`lens`.
        """
        logits = self.answer.stepper.unembed(self._history.resid())
        off = float((logits[-1] - self.logits).abs().max())
        if off > _LENS_TOLERANCE * (1 + float(self.logits.abs().max())):
            raise NotInTraceError(
                "What this model does between its last layer and its logits is not known here, so "
                f"the logit lens would be wrong (it is off by {off:.3g} after the last layer)."
            )
        return logits

    @property
    def _history(self) -> History:
        if self.answer.history is None:
            raise _not_recorded()
        return self.answer.history

    @cached_property
    def _read(self) -> Tokens:
        return self.answer.stepper.tokens(tuple(self.answer.written))


def _not_recorded() -> NotInTraceError:
    return NotInTraceError("This text was written without recording its steps.")


def log_prob(logits: Float[Tensor, " vocab"], token_id: int) -> float:
    """Natural logarithm of the probability that a model gives a token."""
    return float(logits.log_softmax(dim=-1)[token_id])
