"""Reports for people: one HTML page with views and curves, its table of rows, and the comparison of two."""

from mmtoolkit.reports.comparison import Change, Comparison, compare
from mmtoolkit.reports.comparison_html import comparison_page
from mmtoolkit.reports.files import read_report, read_table, save_report, write_report
from mmtoolkit.reports.report_html import examples_of, report_page
from mmtoolkit.reports.rows import read_rows, write_rows

__all__ = [
    "Change",
    "Comparison",
    "compare",
    "comparison_page",
    "examples_of",
    "read_report",
    "read_rows",
    "read_table",
    "report_page",
    "save_report",
    "write_report",
    "write_rows",
]
