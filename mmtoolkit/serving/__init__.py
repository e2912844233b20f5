"""One SavedModel from picture bytes to sentences: exported, verified, served while developing, and asked.

The modules are imported by name, for a client needs nothing of what an export needs: `mmtoolkit.serving.client`, say.
"""
