"""The figures of the report: each function takes the view and returns a `Scene`.

They share scales and signs: hue is category, fill is tier, crimson is broken or refuted, a dot with a line is a median
or mean with its 90 % interval, hatching is *not measured*, and a numbered disc is a dominant node.
"""

from tumornexus.report.figures.activities import activity_figure, barrier_figure, phenotype_figure
from tumornexus.report.figures.network import network_figure
from tumornexus.report.figures.nodes import node_figure, pair_figure
from tumornexus.report.figures.regimens import forest_figure, pareto_figure
from tumornexus.report.figures.serial import serial_figure
from tumornexus.report.figures.trajectories import diameter_figure, overview_figure, readout_figure
from tumornexus.report.figures.wheel import wheel_figure

__all__ = [
    "activity_figure",
    "barrier_figure",
    "diameter_figure",
    "forest_figure",
    "network_figure",
    "node_figure",
    "overview_figure",
    "pair_figure",
    "pareto_figure",
    "phenotype_figure",
    "readout_figure",
    "serial_figure",
    "wheel_figure",
]
