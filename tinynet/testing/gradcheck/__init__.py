"""`gradcheck`: the derivatives of a function against finite differences, with a message that says where and why they differ."""

from tinynet.testing.gradcheck.check import gradcheck
from tinynet.testing.gradcheck.report import GradcheckError, GradcheckReport, InconclusiveError

__all__ = ["GradcheckError", "GradcheckReport", "InconclusiveError", "gradcheck"]
