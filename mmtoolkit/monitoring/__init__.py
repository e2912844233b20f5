"""Watching a training: curves and samples to look at, warnings that say what to try, a stop where nothing is left."""

from mmtoolkit.monitoring.answers import SampleAnswers
from mmtoolkit.monitoring.callbacks import AfterBar, Curves, StopAtNaN
from mmtoolkit.monitoring.events import Events
from mmtoolkit.monitoring.samples import SampleCaptions

__all__ = ["AfterBar", "Curves", "Events", "SampleAnswers", "SampleCaptions", "StopAtNaN"]
