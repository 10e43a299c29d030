"""Pictures of models and trainings, drawn with matplotlib where it is installed.

Nothing here touches `matplotlib.pyplot` or its global state: figures work without a screen, are freed like any object, show
themselves as the value of a notebook cell, and are written with ``figure.savefig(path)``. Each function draws on the axes that
it is given, or on those of a new figure, and gives them back; `subplots` makes several. Colours are such that the colour-blind
can tell them apart.
"""

from tinynet.plot.activations import activation_curves
from tinynet.plot.boundary import decision_boundary
from tinynet.plot.figure import COLORS, subplots
from tinynet.plot.fitted import fits
from tinynet.plot.landscape import filter_direction, loss_grid, loss_landscape
from tinynet.plot.regions import linear_regions
from tinynet.plot.trainings import bands, curves

__all__ = [
    "COLORS", "activation_curves", "bands", "curves", "decision_boundary", "filter_direction", "fits", "linear_regions",
    "loss_grid", "loss_landscape", "subplots",
]  # fmt: skip
