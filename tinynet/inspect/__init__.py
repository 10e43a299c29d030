"""Looking into networks and activations: linear regions, dead and saturated units, what a function is like, the graph.

- Piecewise linear networks, exactly: `collapse` and `activation_patterns` at a point, `linear_regions` in a window of the
  plane, `linear_segments` along a line; `register` tells them of modules of one's own.
- Networks on data: `dead_units`, `saturation`, `activation_statistics`, `gradient_norms`.
- A function of one number: `report`.
- The computation of a tensor: `dot`.
"""

from tinynet.inspect.affine import activation_patterns, collapse
from tinynet.inspect.dot import dot
from tinynet.inspect.drawing import Drawing
from tinynet.inspect.health import activation_statistics, dead_units, gradient_norms, saturation
from tinynet.inspect.pieces import AffineMap, Pieces, register
from tinynet.inspect.regions import LinearRegions, LinearSegments, linear_regions, linear_segments
from tinynet.inspect.report import ActivationReport, report
from tinynet.table import Table

__all__ = [
    "ActivationReport", "AffineMap", "Drawing", "LinearRegions", "LinearSegments", "Pieces", "Table",
    "activation_patterns", "activation_statistics", "collapse", "dead_units", "dot", "gradient_norms", "linear_regions",
    "linear_segments", "register", "report", "saturation",
]  # fmt: skip
