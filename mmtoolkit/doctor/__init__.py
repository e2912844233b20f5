"""Finds what is wrong or odd in a data set before any training."""

from mmtoolkit.doctor.findings import Finding, Health
from mmtoolkit.doctor.health import examine
from mmtoolkit.doctor.health_html import health_page

__all__ = ["Finding", "Health", "examine", "health_page"]
