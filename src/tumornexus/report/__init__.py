"""Report: what a run found, for people.

Takes a RunResult (profile, twin, trajectories, outcomes, nodes, ranking, manifest) and the knowledge base; gives one
self-contained HTML file, a terminal summary and the main figures as SVG and PNG. May import every layer above it except
that it needs none of the simulators: it reads results, it never computes biology.
"""

from tumornexus.report.export import figure_files
from tumornexus.report.page import render_report
from tumornexus.report.terminal import print_summary

__all__ = ["figure_files", "print_summary", "render_report"]
