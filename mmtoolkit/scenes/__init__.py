"""Small synthetic scenes with true captions and answers in English and Korean, for demos and tests.

A scene is one to three coloured shapes on a grid of three by three cells. Every caption names everything in the
picture, so that a small model can learn it.
"""

from mmtoolkit.scenes.files import write_scenes
from mmtoolkit.scenes.sentences import Language, captions, questions
from mmtoolkit.scenes.shapes import NEW_COLOURS, NEW_KINDS, Scene, Shape, draw_scene, sample_scene

__all__ = [
    "NEW_COLOURS",
    "NEW_KINDS",
    "Language",
    "Scene",
    "Shape",
    "captions",
    "draw_scene",
    "questions",
    "sample_scene",
    "write_scenes",
]
