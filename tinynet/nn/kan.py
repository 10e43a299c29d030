"""`KANLinear`, the layer of a Kolmogorov-Arnold network: every connection has a function of its own, which is learned."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynet.dtypes import get_default_dtype
from tinynet.errors import ShapeError
from tinynet.nn.functional import silu
from tinynet.nn.init import normal_, xavier_uniform_
from tinynet.nn.lossparts import as_operand, values
from tinynet.nn.module import Module
from tinynet.nn.options import counts
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.random import as_generator
from tinynet.rules.splines import bspline_basis
from tinynet.tensor import Tensor

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["KANLinear"]


class KANLinear(Module):
    """yⱼ = Σᵢ φⱼᵢ(xᵢ) over the last axis, with φⱼᵢ(x) = wⱼᵢ · silu(x) + Σₖ cⱼᵢₖ · Bₖ(x) by the B-splines Bₖ of a uniform grid.

    Liu et al. 2024, "KAN: Kolmogorov-Arnold networks". As there, w starts by `tinynet.nn.init.xavier_uniform_` and c from the
    normal distribution of standard deviation 0.1, so that the splines start near 0. The grid goes on outside its range for
    `spline_order` intervals at each end; still farther out the splines are 0, and w · silu(x) is what is left.

    Parameters
    ----------
    in_features, out_features : int
        The length of the last axis of the input, and of the output.
    grid_size : int
        The number of intervals in the range.
    spline_order : int
        The degree of the pieces.
    grid_range : tuple of float
        Where the inputs are expected; `update_grid` moves it to where they are.
    base_activation : callable
        What stands for silu: a function or a module that works element by element, or on each input by numbers of its own, as
        PReLU(in_features) on an input of shape (N, in_features) does.
    rng : int, numpy.random.Generator or None
        What the parameters are drawn from; None means the default generator.
    dtype : dtype, optional
        The parameters' floating dtype, the default dtype unless given.

    Attributes
    ----------
    base_weight : Parameter, shape (out_features, in_features)
        The w of each connection.
    spline_weight : Parameter, shape (out_features, in_features, grid_size + spline_order)
        The c of each connection.
    grid : Buffer, shape (in_features, grid_size + 2 * spline_order + 1)
        The knots for each input.

    Raises
    ------
    ValueError
        If a number of features or `grid_size` is no integer of at least 1, `spline_order` is negative, the range is empty, or
        too narrow for its dtype.
    TypeError
        If `base_activation` cannot be called.
    ShapeError
        When called, if the input's last axis is not `in_features` long.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.nn.KANLinear(2, 5, rng=0)
    >>> layer
    KANLinear(in_features=2, out_features=5, grid_size=5, spline_order=3)  # 90 parameters
    >>> x = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> layer(x).shape
    (100, 5)
    >>> curves = layer.edges(np.linspace(-1, 1, 50)[:, None])  # curves[:, j, i] is the function from input i to output j
    >>> curves.shape
    (50, 5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 5,
        spline_order: int = 3,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        base_activation: Callable[[Any], Any] = silu,
        rng: "int | Generator | None" = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        in_features, out_features, grid_size = counts(
            "KANLinear", in_features=in_features, out_features=out_features, grid_size=grid_size
        )
        if spline_order < 0:
            raise ValueError(f"KANLinear: spline_order={spline_order} must be at least 0")
        if not callable(base_activation):
            raise TypeError(f"KANLinear: base_activation={base_activation!r} must be a function or a module, tn.relu say")
        edges = np.asarray(grid_range, float)
        if edges.shape != (2,) or not 0 < edges[1] - edges[0] < np.inf:
            raise ValueError(f"KANLinear: grid_range={grid_range} must be two finite numbers, the smaller one first")
        rng = as_generator(rng)
        dtype = get_default_dtype() if dtype is None else dtype
        self.in_features = in_features
        self.out_features = out_features
        self.grid_size = grid_size
        self.spline_order = spline_order
        self.base_activation = base_activation
        self.base_weight: Parameter = Parameter(np.empty((out_features, in_features), dtype))
        self.spline_weight: Parameter = Parameter(np.empty((out_features, in_features, grid_size + spline_order), dtype))
        low, high = np.repeat(edges[:, None], in_features, axis=1)
        self.grid = Buffer(self._uniform(low, high, dtype))
        xavier_uniform_(self.base_weight, rng=rng)
        normal_(self.spline_weight, std=0.1, rng=rng)

    def forward(self, x: Any) -> Tensor:
        """The layer's value for `x`, of shape (..., in_features): of shape (..., out_features)."""
        x = as_operand(x)
        shape = x.shape
        self._check(shape, self.in_features)
        members = shape[: self.base_weight.ndim - 2]  # of a stack
        columns, base = (
            np.swapaxes(np.reshape(y, (*members, -1, self.in_features)), -1, -2) for y in (x, self.base_activation(x))
        )
        grid: Any = self.grid
        basis = bspline_basis(columns, np.moveaxis(grid, -1, 0)[..., None], self.spline_order)
        weight = np.reshape(np.swapaxes(self.spline_weight, -1, -2), (*members, self.out_features, -1))
        basis = np.reshape(np.moveaxis(basis, 0, -3), (*members, weight.shape[-1], -1))  # of one layer a view
        y: Tensor = self.base_weight @ base + weight @ basis
        return y.swapaxes(-1, -2).reshape((*shape[:-1], self.out_features))

    def edges(self, x: Any) -> Any:
        """The function of every connection, for drawing or a penalty; summed over the last axis, the layer's value.

        Parameters
        ----------
        x : array or Tensor, shape (..., in_features) or (..., 1)
            Where to compute them, for each input or for all inputs alike.

        Returns
        -------
        array or Tensor, shape (..., out_features, in_features)
        """
        x = as_operand(x)
        self._check(x.shape, self.in_features, 1)
        x = np.broadcast_to(x, (*x.shape[:-1], self.in_features))
        basis = bspline_basis(x, self.grid.T, self.spline_order)
        base = self.base_weight * np.expand_dims(self.base_activation(x), -2)
        return base + np.einsum("k...i,jik->...ji", basis, self.spline_weight)

    def update_grid(self, x: Any) -> None:
        """Lay each input's grid over the range of its values, and fit the splines anew, so that the functions stay.

        The coefficients are those of least squared distance from the old splines at the given inputs. An optimizer's memory
        of their gradients belongs to the old grid. With `spline_order` 0, whose last step ends before the last knot, the grid
        reaches beyond the range by as little as the dtypes of grid and inputs can tell.

        Parameters
        ----------
        x : array or Tensor, shape (..., in_features)
            Inputs of the layer.

        Raises
        ------
        ValueError
            If an input is always the same, not finite, or varies too little for the grid's dtype; the layer then is as before.
        """
        x = np.asarray(values(x))
        self._check(x.shape, self.in_features)
        columns = np.reshape(x.astype(float), (-1, self.in_features)).T
        low, high = (f(columns, axis=1, initial=edge) for f, edge in ((np.min, np.inf), (np.max, -np.inf)))
        if not np.all(np.isfinite(high - low) & (high > low)):
            raise ValueError(f"KANLinear.update_grid: the inputs range from {low} to {high}; each must vary, and be finite")
        if self.spline_order == 0:
            eps = max(np.finfo(dtype).eps for dtype in (self.grid.dtype, x.dtype) if dtype.kind == "f")
            reach = eps * np.maximum(np.abs(low), np.abs(high))
            low, high = low - reach, high + reach
        grid = self._uniform(low, high, self.grid.dtype)
        old, new = (bspline_basis(columns, knots.T[:, :, None], self.spline_order) for knots in (self.grid.data, grid))
        splines = np.swapaxes(self.spline_weight.data, 0, 1) @ np.swapaxes(old, 0, 1)  # by input, output and sample
        self.spline_weight.data[...] = np.swapaxes(splines @ np.linalg.pinv(np.swapaxes(new, 0, 1)), 0, 1)
        self.grid.data[...] = grid

    def extra_repr(self) -> str:
        """The layer's sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, grid_size={self.grid_size}, "
            f"spline_order={self.spline_order}"
        )

    def _uniform(self, low: Any, high: Any, dtype: npt.DTypeLike) -> Any:
        """Equally spaced knots for each input, that go on outside its range."""
        steps = np.arange(-self.spline_order, self.grid_size + self.spline_order + 1)
        grid = low[:, None] + steps * ((high - low) / self.grid_size)[:, None]
        with np.errstate(over="ignore"):
            grid = grid.astype(dtype)
        if not (np.isfinite(grid).all() and np.all(grid[:, :-1] < grid[:, 1:])):
            raise ValueError(
                f"KANLinear: {grid.dtype} cannot tell apart the knots of {self.grid_size} intervals from {low} to {high}; "
                "centre and scale the inputs"
            )
        return grid

    def _check(self, shape: tuple[int, ...], *lengths: int) -> None:
        if not shape or shape[-1] not in lengths:
            raise ShapeError(
                f"KANLinear({self.extra_repr()}): the input has shape {shape}; its last axis must be "
                f"{' or '.join(map(str, lengths))} long: make the layer KANLinear({shape[-1] if shape else 1}, "
                f"{self.out_features}), or reshape the input, x[..., None] say"
            )
