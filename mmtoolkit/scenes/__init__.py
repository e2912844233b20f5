"""Small synthetic scenes with true captions and answers in English and Korean, for demos and tests.

A scene is one to three coloured shapes on a grid of three by three cells. Every caption names everything in the
picture, so that a small model can learn it.
"""

from mmtoolkit.scenes.files import write_scenes
from mmtoolkit.scenes.pointing import evaluate_pointing, pointing_game, pointing_text, read_boxes
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
    "evaluate_pointing",
    "pointing_game",
    "pointing_text",
    "questions",
    "read_boxes",
    "sample_scene",
    "write_scenes",
]
