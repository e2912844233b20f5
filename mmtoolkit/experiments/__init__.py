"""Experiments with recurrent cells: how far gradients reach, and what is remembered."""
