"""The check itself: what is compared, in what order, and the message when something is wrong."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.random import as_generator
from tinynet.tensor import Tensor
from tinynet.testing.gradcheck.blame import ELSEWHERE, kink_near, reason
from tinynet.testing.gradcheck.comparison import Comparison, Scale, Verdict
from tinynet.testing.gradcheck.contract import pulled_back
from tinynet.testing.gradcheck.differences import Point
from tinynet.testing.gradcheck.evaluation import Function, Gradient, leaves_of, random_cotangent, read_only
from tinynet.testing.gradcheck.forward import compare_pushed
from tinynet.testing.gradcheck.kinks import outside_together
from tinynet.testing.gradcheck.precision import check_precision
from tinynet.testing.gradcheck.projection import compare_by_size
from tinynet.testing.gradcheck.report import Element, GradcheckError, GradcheckReport, InconclusiveError

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["gradcheck"]

Array = np.ndarray[Any, Any]

_DIRECTIONS = 2


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    eps: float | None = None,
    atol: float = 1e-6,
    rtol: float = 1e-6,
    rng: "int | Generator | None" = 0,
    order: int = 1,
    modes: Sequence[str] = ("vjp",),
    fast: bool | None = None,
) -> GradcheckReport:
    """Check the derivatives of a function against finite differences.

    For a random cotangent v of f's result, the gradient of ⟨v, f(x)⟩ that the rules give is compared, element by element
    and input by input, with the central quotient ⟨v, f(x + h) - f(x - h)⟩ / 2h in float64, whose error is about
    h²f''' + ε·f / h. The cotangent is what lets one number see the whole Jacobian: a rule that is right only for a cotangent
    of ones does not pass. An element that does not agree is looked at again: quotients to both sides at thirteen steps are
    extrapolated to step zero, with an estimate of the error (Richardson's extrapolation, Ridders 1982), and where that is not
    exact enough and f itself computes with complex numbers, the complex step decides (Squire and Trapp 1998).

    At a kink, where the slopes to the left and to the right differ, a gradient is right if it lies between the two, and so
    along directions in which elements have a kink together (the shares of a tie); the report tells of it. A kink or an edge of
    the domain that is only near is no hindrance. Higher derivatives are not checked with respect to an element at a kink.

    Each rule is watched: it must not write to what it is given, must return the right shape and dtype, the same when asked
    again, and be linear in its cotangent. f must not write to its inputs, and be deterministic. Inputs of float32 or
    float16 are checked in float64 and then in their own dtypes, against float64's gradients.

    Parameters
    ----------
    f : callable
        Takes as many tensors as there are inputs and returns a tensor, or a tuple of tensors. Whatever else it uses stays
        fixed. It must compute in float64 for inputs of float64.
    inputs : array, Tensor, or sequence of them
        Where to check: floating numbers. They are copied.
    eps : float, optional
        The largest step, relative to the larger of 1 and the element's magnitude. Unless given it is ∛ε = 6e-6 for the first
        quotient, and from 0.016 down to 1e-9 for the extrapolation.
    atol, rtol : float
        An element is right if analytic and numeric value differ by no more than ``atol + rtol * abs(numeric)``; the numeric
        value's own estimated error comes to that, up to the same amount again.
    rng : int, numpy.random.Generator or None
        What the cotangents and directions are drawn with.
    order : int
        With 2, the gradient of the gradient is checked as well, through ``tn.autograd.grad(..., create_graph=True)``, with
        respect to the inputs and to the cotangents; and so on.
    modes : sequence of str
        "vjp" checks gradients. "jvp" checks `tinynet.jvp` along random directions against directional differences.
    fast : bool, optional
        Whether an input's gradient is checked along four random directions in place of element by element; unless given, if
        the input has more than 1000 elements. A wrong element is found by halving. The tolerance is that of the n elements
        together, ``atol * sqrt(n) + rtol * norm(gradient)``: beside much larger ones, an element's small error does not show.

    Returns
    -------
    GradcheckReport
        True; it tells how many derivatives were compared, the worst of them, and the kinks.

    Raises
    ------
    GradcheckError
        If a derivative is wrong. The message has the worst element, both values, and what is to blame where that can be
        told: an operation whose rule is wrong on its own and in what way, a kink, or a cut in the graph.
    InconclusiveError
        If it cannot be told, because f jumps, is not finite close by, or is too rough for finite differences. It is a
        GradcheckError.
    TypeError
        If an input is not of a real floating dtype, or an output is not float64.
    ValueError
        If there is nothing to check, or a step or tolerance is out of its range.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> report = tn.testing.gradcheck(lambda x, w: np.tanh(x @ w), [np.ones((2, 3)), np.full((3, 1), 0.1)], order=2)
    >>> bool(report), report.elements
    (True, 20)
    >>> @tn.primitive
    ... def cube(x):
    ...     return x**3
    >>> rule = cube.defvjp(lambda g, out, x: g * x**2)
    >>> tn.testing.gradcheck(lambda x: cube(x) + 1, np.array([1.0, 2.0]))
    Traceback (most recent call last):
    ...
    tinynet.testing.gradcheck.report.GradcheckError: the gradient of input 0 is wrong at index (1,), at 2 of 2 elements in all
      analytic ..., numeric ... ± ...: difference ..., tolerance ...
      the rule of ...cube for operand 0 is wrong on its own: it is 0.333333 times what it should be
    """
    if order < 1:
        raise ValueError(f"gradcheck: order={order} checks nothing; 1 is the gradient, 2 the gradient of the gradient as well")
    if isinstance(modes, str) or not modes or not {"vjp", "jvp"}.issuperset(modes):
        raise ValueError(f'gradcheck: modes={modes!r}; it takes "vjp", "jvp" or both, as in modes=("vjp", "jvp")')
    if eps is not None and not 1e-15 < eps < np.inf:
        raise ValueError(f"gradcheck: eps={eps}; a step is relative to the input's size: above 1e-15, or None for the best one")
    if not (0 <= atol < np.inf and 0 <= rtol < np.inf):
        raise ValueError(f"gradcheck: atol={atol}, rtol={rtol}; a tolerance is a number, 0 or more")
    given = _as_arrays(inputs)
    wide = [read_only(x.astype(np.float64)) for x in given]
    check = _Check(Function(f), wide, as_generator(rng), Scale(eps, atol, rtol), fast)
    for level in range(order):
        if level:
            check.differentiate()
        if "vjp" in modes:
            check.gradients()
        if "jvp" in modes:
            check.directional_derivatives()
        if not level:
            check.precision([read_only(x) for x in given])
    return GradcheckReport(check.compared, check.worst, tuple(check.kinks))


def _as_arrays(inputs: Any) -> list[Array]:
    """Copies of the inputs."""
    several = isinstance(inputs, list | tuple)
    arrays = []
    for i, x in enumerate(inputs if several else [inputs]):
        array = np.array(x.data if isinstance(x, Tensor) else x)
        if array.dtype.kind == "c":
            raise TypeError(f"gradcheck: input {i} is complex; tinynet differentiates real functions: give its .real and .imag")
        if array.dtype.kind != "f" or hasattr(x, "mask"):
            what = f"is a {type(x).__name__}" if hasattr(x, "mask") else f"has dtype {array.dtype}"
            raise TypeError(
                f"gradcheck: input {i} {what}, which has no derivative; close over it, as in "
                "gradcheck(lambda x: f(x, labels), [x])"
            )
        arrays.append(array)
    if not arrays:
        raise ValueError("gradcheck: there are no inputs to check")
    return arrays


class _Check:
    """A check of one function, and then of its derivatives: what to check, and what has been found."""

    def __init__(self, f: Function, arrays: list[Array], generator: "Generator", scale: Scale, fast: bool | None) -> None:
        self.f = f
        self.arrays = arrays
        self.generator = generator
        self.scale = scale
        self.fast = fast
        self.title = "gradient"
        self.names = [f"input {i}" for i in range(len(arrays))]
        self.compared = 0
        self.worst: Element | None = None
        self.kinks: list[Element] = []
        self._at_kinks: dict[int, set[tuple[int, ...]]] = {}
        self._evaluate()

    def _evaluate(self) -> None:
        self._leaves = leaves_of(self.arrays)
        self._outputs = self.f.outputs(self._leaves)
        for k, y in enumerate(self._outputs):
            if y.dtype != np.float64:
                raise TypeError(
                    f"gradcheck: output {k} of f has dtype {y.dtype}; finite differences need float64 from the inputs to "
                    "the outputs (Module.astype(float) converts a model)"
                )
            if not np.isfinite(y.data).all():
                index = tuple(int(j) for j in np.argwhere(~np.isfinite(y.data))[0])
                what = "f" if self.f.order == 0 else f"the {self.title}"
                raise InconclusiveError(
                    f"{what} cannot be checked where it is not finite: output {k} is {y.data[index]} at index {index}"
                )
        self._values = self.f.values(*self.arrays)
        for y, again in zip(self._outputs, self._values, strict=True):
            if not _same(y.data, again, exactly=self.f.order == 0):
                raise GradcheckError(
                    f"f is not deterministic: a second call with the same inputs gave values that differ by up to "
                    f"{np.nanmax(np.abs(y.data - again)):.2g}; give it a fixed seed, or switch what is random off (.eval())"
                )
        self.cotangents = [random_cotangent(self.generator, y.shape) for y in self._outputs]

    def differentiate(self) -> None:
        """Go on to the gradient of what was checked, as a function of its inputs and cotangents."""
        self.f = Gradient(self.f, len(self.arrays))
        self.names += [f"the cotangent of output {k}" for k in range(len(self.cotangents))]
        self.arrays = [*self.arrays, *map(read_only, self.cotangents)]
        self.title += " of the gradient"
        self._evaluate()

    # Gradients -----------------------------------------------------------------------------------------------------------

    def gradients(self) -> None:
        """Check the gradient with respect to every input."""
        point = Point(self.f.values, self.arrays, self.cotangents, self._values, self.f.complex_values)
        with np.errstate(all="ignore"), suppress(Exception):  # a rule that relies on what its operation kept gets this
            self.f.values(*(read_only(x * ELSEWHERE) for x in self.arrays))
        found = pulled_back(self._outputs, self.cotangents, self._leaves, self.generator)
        gradients = [np.zeros_like(x) if g is None else g for x, g in zip(self.arrays, found, strict=True)]
        places = []
        worst: list[tuple[Element, int]] = []
        for i, (x, name, gradient) in enumerate(zip(self.arrays, self.names, gradients, strict=True)):
            skip = self._at_kinks.setdefault(i, set())
            result = compare_by_size(point, i, gradient, self.scale, name, self.generator, skip, self.fast)
            for kink in sorted(result.kinks, key=lambda kink: kink.index):
                places.append((i, kink.index))
                self.kinks.append(kink._replace(operation=kink_near(self.f, self.arrays, i, kink.index)))
            if result.fault is not None:
                raise self._wrong(i, result, gradient)
            self._at_kinks[i] = skip | {kink.index for kink in result.kinks}
            self.compared += x.size - len(skip)
            worst += [] if result.worst is None else [(result.worst, i)]
        if worst:
            self._note(point, *max(worst, key=lambda pair: pair[0].excess))
        together = outside_together(point, gradients, places, self.scale)
        if together is not None:
            raise self._wrong_tie(*together)

    def _wrong(self, i: int, result: Comparison, gradient: Array) -> GradcheckError:
        """The error about a gradient with a fault."""
        assert result.fault is not None
        verdict, element = result.fault
        name, index = self.names[i], element.index
        value = self.arrays[i][index]
        numbers = f"analytic {element.analytic:.10g}, numeric {element.numeric:.10g} ± {element.error:.1g}"
        if verdict is Verdict.OUTSIDE:
            operation = kink_near(self.f, self.arrays, i, index) or "f"
            return GradcheckError(
                f"the {self.title} of {name} is wrong at a kink, at index {index}, where it is {value:.6g}\n"
                f"  analytic {element.analytic:.6g}, slopes {element.left:.6g} to the left, {element.right:.6g} to the right\n"
                f"  {operation} has the kink: at it, a rule may give anything between the slopes, and nothing else"
            )
        if verdict is Verdict.WRONG:
            counted = f", at {result.wrong} of {gradient.size} elements in all" if result.wrong else ""
            because = reason(self.f, self.arrays, i, index, gradient, self.cotangents, self.scale)
            return GradcheckError(
                f"the {self.title} of {name} is wrong at index {index}{counted}\n"
                f"  {numbers}: difference {element.difference:.2g}, tolerance {element.tolerance:.2g}\n  {because}"
            )
        operation = kink_near(self.f, self.arrays, i, index, self.scale.step)
        remedy = f"{operation} has a kink or jump close by: move" if operation else "move"
        text = f"the {self.title} of {name} cannot be checked at index {index}: {verdict.value}\n  {numbers}\n"
        return InconclusiveError(f"{text}  it is {value:.6g} there; {remedy} the input away from such a point")

    def _wrong_tie(self, group: Any, analytic: float, low: float, high: float) -> GradcheckError:
        operation = kink_near(self.f, self.arrays, *group[0]) or "f"
        where = ", ".join(f"{self.names[i]} at index {index}" for i, index in group)
        return GradcheckError(
            f"the {self.title} is wrong at a tie of {where}\n"
            f"  when they move together, analytic {analytic:.6g}, slopes from {low:.6g} to {high:.6g}\n"
            f"  {operation} has the tie: its rule must share the gradient out, not give it to each"
        )

    # Directional derivatives ---------------------------------------------------------------------------------------------

    def directional_derivatives(self) -> None:
        """Check `jvp` along random directions, which leave out the elements at kinks."""
        for _ in range(_DIRECTIONS):
            direction = [random_cotangent(self.generator, x.shape) for x in self.arrays]
            for i, kinks in self._at_kinks.items():
                for index in kinks:
                    direction[i][index] = 0.0
            self.kinks += compare_pushed(self.f, self.arrays, self._values, direction, self.scale, self.generator)
            self.compared += sum(y.size for y in self._values)

    # The rest ------------------------------------------------------------------------------------------------------------

    def precision(self, given: list[Array]) -> None:
        """Check gradients in the inputs' own dtypes, where these are less exact than float64."""
        if all(x.dtype.itemsize >= 8 for x in given):
            return
        found = pulled_back(self._outputs, self.cotangents, self._leaves, self.generator)
        reference = [np.zeros_like(x) if g is None else g for x, g in zip(self.arrays, found, strict=True)]
        check_precision(self.f, given, self.cotangents, reference, self.generator)

    def _note(self, point: Point, element: Element, i: int) -> None:
        """Keep the element that agrees least, with its estimated error."""
        if np.isnan(element.error):
            with np.errstate(all="ignore"):
                wider = point.element(i, element.index).central(2 * self.scale.step)
            element = element._replace(error=abs(element.numeric - wider))
        if self.worst is None or element.excess > self.worst.excess:
            self.worst = element


def _same(x: Array, y: Array, exactly: bool) -> bool:
    """Whether values are equal; gradients on arrays may round otherwise than on tensors."""
    if exactly:
        return np.array_equal(x, y, equal_nan=True)
    return np.allclose(x, y, rtol=1e-9, atol=1e-9 * float(np.max(np.abs(y), initial=0.0)), equal_nan=True)
