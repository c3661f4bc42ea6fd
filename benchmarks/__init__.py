"""Figures of speed and memory, measured here and now."""
