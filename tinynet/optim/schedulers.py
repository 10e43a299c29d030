"""Learning-rate schedules: each is a function of the epoch, and sets the rate of every group to its value."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import cos, pi
from typing import Any

from tinynet.mode import effect
from tinynet.nn.options import number
from tinynet.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LinearLR", "Scheduler", "SequentialLR", "StepLR"]


class Scheduler:
    """The base of every schedule: a subclass defines `rate`.

    The schedule sets the rates for epoch 0 when it is made, and those of the next epoch at each `step`. They depend on the
    epoch and on the initial rates alone; to follow one schedule by another, use `SequentialLR`. As in torch, the rate that a
    group has when its first schedule is made stays its initial rate, ``group["initial_lr"]``, for later ones.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.

    Attributes
    ----------
    optimizer : Optimizer
        The optimizer.
    base_lrs : list of float
        The groups' initial rates.
    last_epoch : int
        How many steps were made.

    Examples
    --------
    >>> import tinynet as tn
    >>> class InverseRoot(tn.optim.Scheduler):
    ...     def rate(self, base, epoch):
    ...         return base / (1 + epoch) ** 0.5
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.8)
    >>> scheduler = InverseRoot(optimizer)
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.4]
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__} needs an optimizer, got a {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch: int = 0
        self._set_rates()

    def rate(self, base: float, epoch: int) -> float:
        """The learning rate at an epoch of a group whose initial rate is `base`."""
        raise NotImplementedError(f"{type(self).__name__} has no rate(); define rate(self, base, epoch)")

    def step(self) -> None:
        """Go on to the next epoch."""
        effect(self._advance, [group.lr for group in self.optimizer.param_groups])

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set_rates()

    def get_last_lr(self) -> list[float]:
        """The rates that the schedule set last.

        Returns
        -------
        list of float
            One a group.
        """
        return [self.rate(base, self.last_epoch) for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands.

        Returns
        -------
        dict
            The epoch and the initial rates; the schedule's own arguments are not part of it.
        """
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go to the epoch of a state of `state_dict`, and set the rates that hold there.

        Parameters
        ----------
        state_dict : mapping
            The state of a schedule made with the same arguments.

        Raises
        ------
        ValueError
            If it is of an optimizer with another number of groups; nothing was changed then.
        """
        base_lrs = list(state_dict["base_lrs"])
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the saved state has {len(base_lrs)} groups, this optimizer "
                f"{len(self.base_lrs)}"
            )
        self.base_lrs, self.last_epoch = base_lrs, state_dict["last_epoch"]
        self._set_rates()

    def _set_rates(self) -> None:
        groups, rates = self.optimizer.param_groups, self.get_last_lr()
        if len(groups) != len(rates):
            raise ValueError(
                f"{type(self).__name__}: the optimizer has {len(groups)} groups, and had {len(rates)} when the schedule was "
                "made; make a new schedule after add_param_group"
            )
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate


class StepLR(Scheduler):
    """Multiply the rate by `gamma` every `step_size` epochs.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.
    step_size : int
        The number of epochs from one fall to the next.
    gamma : float
        The factor.

    Examples
    --------
    >>> import tinynet as tn
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = tn.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        _require_epochs("StepLR", "step_size", step_size)
        self.step_size = step_size
        self.gamma = number(gamma)
        super().__init__(optimizer)

    def rate(self, base: float, epoch: int) -> float:
        """``base * gamma**(epoch // step_size)``."""
        return base * self.gamma ** (epoch // self.step_size)


class ExponentialLR(Scheduler):
    """Multiply the rate by `gamma` every epoch.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.
    gamma : float
        The factor.

    Examples
    --------
    >>> import tinynet as tn
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = tn.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = number(gamma)
        super().__init__(optimizer)

    def rate(self, base: float, epoch: int) -> float:
        """``base * gamma**epoch``."""
        return base * self.gamma**epoch


class CosineAnnealingLR(Scheduler):
    """Let the rate fall to `eta_min` along half a cosine (Loshchilov and Hutter, "SGDR", 2017, without restarts).

    Beyond epoch `T_max` it follows the cosine up again, as torch's does.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.
    T_max : int
        The number of epochs of the fall.
    eta_min : float
        The rate at the end.

    Examples
    --------
    >>> import tinynet as tn
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = tn.optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        _require_epochs("CosineAnnealingLR", "T_max", T_max)
        self.T_max = T_max
        self.eta_min = number(eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, epoch: int) -> float:
        """``eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``."""
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * epoch / self.T_max)) / 2


class LinearLR(Scheduler):
    """Let a factor of the rate go linearly from `start_factor` to `end_factor` in `total_iters` epochs: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.
    start_factor, end_factor : float
        The factor at epoch 0, in (0, 1], and from epoch `total_iters` on, in [0, 1].
    total_iters : int
        The number of epochs of the change.

    Examples
    --------
    >>> import tinynet as tn
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = tn.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.375
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must lie in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must lie in [0, 1], got {end_factor}")
        _require_epochs("LinearLR", "total_iters", total_iters)
        self.start_factor = number(start_factor)
        self.end_factor = number(end_factor)
        self.total_iters = total_iters
        super().__init__(optimizer)

    def rate(self, base: float, epoch: int) -> float:
        """``base`` times the factor, which lies on the line between the two, and stays at the end."""
        done = min(epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class SequentialLR(Scheduler):
    """One schedule after another, such as a warm-up and a decay.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' rates are set.
    schedulers : sequence of Scheduler
        The schedules, each made for the same optimizer; they are not to be stepped themselves.
    milestones : sequence of int
        The epochs, increasing, at which the next schedule begins, with its own epoch 0; one fewer than schedules.

    Examples
    --------
    >>> import tinynet as tn
    >>> optimizer = tn.optim.SGD([tn.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> warm_up = tn.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = tn.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = tn.optim.SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> for _ in range(4):
    ...     print(optimizer.param_groups[0]["lr"])
    ...     scheduler.step()
    0.25
    0.375
    0.5
    0.25
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Scheduler], milestones: Sequence[int]) -> None:
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
            raise ValueError("SequentialLR: all schedulers must be of the optimizer that it is given")
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR needs one milestone fewer than schedulers, got {len(milestones)} for {len(schedulers)}"
            )
        if any(first >= second for first, second in zip([0, *milestones], milestones, strict=False)):
            raise ValueError(f"SequentialLR: milestones must be positive and increasing, got {list(milestones)}")
        self.schedulers: list[Scheduler] = list(schedulers)
        self.milestones: list[int] = list(milestones)
        super().__init__(optimizer)

    def rate(self, base: float, epoch: int) -> float:
        """The rate of the schedule whose turn it is, at the epochs since its turn began."""
        turn = bisect_right(self.milestones, epoch)
        return self.schedulers[turn].rate(base, epoch - [0, *self.milestones][turn])


def _require_epochs(owner: str, name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{owner}: {name} must be at least 1 epoch, got {value}")
