"""Reports to look at: one HTML page with pictures, attention and curves, its table of rows, and two runs compared."""

from mmtoolkit.reports.comparison import Change, Comparison, compared, comparison_page
from mmtoolkit.reports.examples import Look
from mmtoolkit.reports.report_html import report_page
from mmtoolkit.reports.rows import read_rows, write_rows

__all__ = ["Change", "Comparison", "Look", "compared", "comparison_page", "read_rows", "report_page", "write_rows"]
