"""Texts to tokens and back, behind one protocol."""

from transformer_core.tokenization.tokens import NO_ID, Tokenizer, Tokens, Word, readable

__all__ = ["NO_ID", "Tokenizer", "Tokens", "Word", "readable"]
