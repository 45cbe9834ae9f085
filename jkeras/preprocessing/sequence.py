"""Sequences of different lengths."""

from jkeras.utils.sequences import pad_sequences as pad_sequences
