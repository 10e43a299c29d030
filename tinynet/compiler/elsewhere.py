"""The global random generators of Python and NumPy: the recorder does not see what is drawn from them, but that it was."""

import pickle
import sys
from threading import active_count
from typing import Any

__all__ = ["GlobalGenerators"]


class GlobalGenerators:
    """The states that they are in when this is made."""

    def __init__(self) -> None:
        self._python = sys.modules.get("random")
        self._numpy = sys.modules.get("numpy.random")
        self._states = self._present()

    def changed(self) -> bool:
        """Whether something was drawn since; of what other threads may have drawn nobody can tell, and the answer is no."""
        return active_count() == 1 and self._present() != self._states

    def rewind(self) -> None:
        """Put them back, if something was drawn."""
        if self.changed():
            python, numpy = self._states
            if self._python is not None:
                self._python.setstate(python)
            if self._numpy is not None:
                self._numpy.get_bit_generator().state = pickle.loads(numpy)

    def _present(self) -> tuple[Any, Any]:
        return (
            None if self._python is None else self._python.getstate(),
            None if self._numpy is None else pickle.dumps(self._numpy.get_bit_generator().state),
        )
