"""Many people, one model: who is computed next, with whom, and who is told to come back."""

from transformer_core.queueing.line import Ask, Limits
from transformer_core.queueing.queue import InferenceQueue, Ticket
from transformer_core.queueing.report import QueueReport

__all__ = ["Ask", "InferenceQueue", "Limits", "QueueReport", "Ticket"]
