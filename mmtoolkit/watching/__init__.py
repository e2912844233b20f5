"""Watching a training: curves and samples to look at, warnings that say what to try, a stop where nothing is left."""

from mmtoolkit.watching.answers import SampleAnswers
from mmtoolkit.watching.callbacks import AfterBar, Curves, StopAtNaN
from mmtoolkit.watching.events import Events
from mmtoolkit.watching.samples import SampleCaptions

__all__ = ["AfterBar", "Curves", "Events", "SampleAnswers", "SampleCaptions", "StopAtNaN"]
