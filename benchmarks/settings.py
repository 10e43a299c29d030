"""The environment of the processes that are measured, in two settings of threads. A library reads it when it is imported."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["DEFAULT", "ONE", "SETTINGS", "environment"]

ONE = "one thread"
DEFAULT = "default threads"

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NPROC": "1",  # XLA's thread pools
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",  # it takes a second thread
}
_ALWAYS: Mapping[str, str | None] = {
    "OPENBLAS_CORETYPE": None,  # every library chooses by itself the kernels that fit the processor
    "OPENBLAS_L2_SIZE": None,
    "JAX_PLATFORMS": "cpu",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",  # or the time to compile would be that of reading what another run compiled
}
SETTINGS: Mapping[str, Mapping[str, str | None]] = {
    ONE: {**_ALWAYS, **_ONE_THREAD},
    DEFAULT: {**_ALWAYS, **dict.fromkeys(_ONE_THREAD)},
}
"""For each setting the variables that have a value in it, or must have none."""


@contextmanager
def environment(setting: str) -> Iterator[None]:
    """The environment in which the processes that are started within run.

    With one thread they all run on one processor: what else a machine computes can slow its processors unequally.
    """
    before, processors = dict(os.environ), _processors()
    if setting == ONE and processors:
        os.sched_setaffinity(0, {max(processors)})
    for name, value in SETTINGS[setting].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if processors:
            os.sched_setaffinity(0, processors)


def _processors() -> set[int]:
    """Those that this process may run on; none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
