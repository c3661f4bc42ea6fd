"""Traces: what a model computed for one input, captured without slowing it."""
