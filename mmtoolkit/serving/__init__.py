"""Exports one SavedModel from picture bytes to sentences, verifies it, serves it while developing, and asks it.

Import the modules by name, e.g. `mmtoolkit.serving.client`: a client needs nothing of what an export needs.
"""
