"""Reports: the figures of evaluated runs, and a page that shows them."""

from aemm.reports.figures import Figures, compute_figures
from aemm.reports.measures import Measure, choose_measure
from aemm.reports.pictures import View
from aemm.reports.report import write_report
from aemm.reports.run import Run

__all__ = ["Figures", "Measure", "Run", "View", "choose_measure", "compute_figures", "write_report"]
