"""Monitors a training: curves, samples, warnings with advice, and a stop at NaN."""

from mmtoolkit.monitoring.callbacks import AfterBar, Budget, Curves, StopAtNaN
from mmtoolkit.monitoring.events import Events
from mmtoolkit.monitoring.samples import Samples

__all__ = ["AfterBar", "Curves", "Events", "Samples", "Budget", "StopAtNaN"]
