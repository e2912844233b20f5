"""Monitoring a training: curves and samples to look at, warnings with advice, a stop where nothing is left."""

from mmtoolkit.monitoring.callbacks import AfterBar, Curves, StopAtNaN
from mmtoolkit.monitoring.events import Events
from mmtoolkit.monitoring.samples import Samples

__all__ = ["AfterBar", "Curves", "Events", "Samples", "StopAtNaN"]
