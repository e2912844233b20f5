"""Exports one SavedModel from picture bytes to sentences, verifies it, serves it for development, and queries it.

Import the modules by name, e.g. `mmtoolkit.serving.client`: a client needs nothing that an export needs.
"""
