"""Trace → tensors: what can be said about patterns, without drawing them."""
