"""Presets that this project trained."""
