"""What training adds to Keras' `fit`: a recipe, validation by outputs, exact resume, run folders, fine-tuning."""

from mmtoolkit.training.checkpoints import Checkpoints, Position
from mmtoolkit.training.fine_tuning import FineTuned, Stage, check_stages, fine_tune
from mmtoolkit.training.fitting import Phase, Trained, fit, keep_distribution, resumable
from mmtoolkit.training.recipe import Recipe, adam
from mmtoolkit.training.validation import DecodedValidation

__all__ = [
    "Checkpoints",
    "DecodedValidation",
    "FineTuned",
    "Phase",
    "Position",
    "Recipe",
    "Stage",
    "Trained",
    "adam",
    "check_stages",
    "fine_tune",
    "fit",
    "keep_distribution",
    "resumable",
]
