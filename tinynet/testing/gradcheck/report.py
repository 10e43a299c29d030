"""What `gradcheck` finds: its report, and its errors."""

from typing import NamedTuple

__all__ = ["Element", "GradcheckError", "GradcheckReport", "InconclusiveError"]

_SHOWN = 3


class GradcheckError(AssertionError):
    """A gradient that finite differences do not confirm, or a function or rule that breaks its contract.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> try:
    ...     tn.testing.gradcheck(lambda x: x * x.data, np.array([2.0, 3.0]))
    ... except tn.testing.GradcheckError as error:
    ...     print(str(error).splitlines()[-1].strip())
    each recorded operation's rule is right on its own: a part of f is not recorded (.data, .detach(), no_grad)
    """


class InconclusiveError(GradcheckError):
    """A gradient that cannot be checked: finite differences are not exact enough at this point, or f has no slope there.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> try:
    ...     tn.testing.gradcheck(np.floor, np.array([0.5, 2.0]))
    ... except tn.testing.InconclusiveError as error:
    ...     print(str(error).splitlines()[0])
    the gradient of input 0 cannot be checked at index (1,): f jumps there, or has a vertical tangent
    """


class Element(NamedTuple):
    """One derivative, by the rules and by finite differences.

    Attributes
    ----------
    name : str
        What it is the derivative with respect to (of which output, for a directional derivative), such as "input 0".
    index : tuple of int
        Of which element.
    analytic, numeric : float
        The derivative that the rules give, and that of finite differences.
    error : float
        The estimated error of `numeric`.
    tolerance : float
        How much they may differ.
    left, right : float
        The slopes to both sides, at a kink.
    operation : str
        The operation that has the kink, as far as it is known.
    """

    name: str
    index: tuple[int, ...]  # type: ignore[assignment]
    analytic: float
    numeric: float
    error: float
    tolerance: float
    left: float = float("nan")
    right: float = float("nan")
    operation: str = ""

    @property
    def difference(self) -> float:
        """How far the two values are apart."""
        return abs(self.analytic - self.numeric)

    @property
    def excess(self) -> float:
        """That in units of the tolerance."""
        return self.difference / self.tolerance

    def __str__(self) -> str:
        where = f"{self.name}{f' at index {self.index}' if self.index else ''}"
        if self.left == self.left:
            what = f"{self.operation} has a kink" if self.operation else "a kink"
            return f"{where}: {what}, analytic {self.analytic:.6g} between the slopes {self.left:.6g} and {self.right:.6g}"
        return (
            f"{where}: analytic {self.analytic:.10g}, numeric {self.numeric:.10g} ± {self.error:.1g}, "
            f"difference {self.difference:.1g}, tolerance {self.tolerance:.1g}"
        )


class GradcheckReport:
    """What was checked and found right. It is true, so that it can be asserted.

    Attributes
    ----------
    elements : int
        How many derivatives were compared with finite differences.
    worst : Element or None
        The one that agrees least, relative to its tolerance; None if there was none to compare.
    kinks : tuple of Element
        Where f has slopes that differ to both sides, and the gradient lies between the two.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> report = tn.testing.gradcheck(np.abs, np.array([3.0, 0.0]))
    >>> bool(report), report.elements, report.kinks[0].index, report.kinks[0].operation
    (True, 2, (1,), 'np.absolute')
    """

    def __init__(self, elements: int, worst: Element | None, kinks: tuple[Element, ...]) -> None:
        self.elements = elements
        self.worst = worst
        self.kinks = kinks

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        kinks = f", {len(self.kinks)} of them at kinks" if self.kinks else ""
        lines = [f"gradcheck: {self.elements} derivatives are right{kinks}"]
        if self.worst is not None:
            lines.append(f"  the worst, {self.worst}")
        lines += [f"  {kink}" for kink in self.kinks[:_SHOWN]]
        more = len(self.kinks) - _SHOWN
        return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)
