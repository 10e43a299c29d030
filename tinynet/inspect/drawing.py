"""DOT text that shows as the picture it describes."""

import shutil
import subprocess
from typing import Any

__all__ = ["Drawing"]

PATIENCE = 20  # seconds that a notebook waits for a picture nobody asked for in so many words


class Drawing(str):
    """Text in DOT, the language of Graphviz; a notebook shows it as a picture where Graphviz is installed,
    and line by line where it is not.

    Examples
    --------
    >>> import tinynet as tn
    >>> x = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> drawing = tn.inspect.dot(x * x)
    >>> drawing.startswith("digraph")
    True
    """

    __slots__ = ()

    def svg(self) -> str:
        """The picture, drawn by Graphviz.

        Returns
        -------
        str
            An SVG document.

        Raises
        ------
        FileNotFoundError
            If Graphviz's program ``dot`` is not installed.
        RuntimeError
            If it failed.
        """
        return self._drawn(None)

    def _repr_svg_(self) -> str | None:
        if shutil.which("dot") is None:
            return None
        try:
            return self._drawn(PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _drawn(self, seconds: float | None) -> str:
        program = shutil.which("dot")
        if program is None:
            raise FileNotFoundError(
                "svg: Graphviz's program dot is not there; install Graphviz (apt, brew, conda or winget install graphviz, or "
                "https://graphviz.org/download), or give the text to a viewer of DOT"
            )
        done = subprocess.run(
            [program, "-Tsvg"], input=self, capture_output=True, encoding="utf-8", timeout=seconds, check=False
        )
        if done.returncode:
            raise RuntimeError(f"svg: Graphviz failed: {done.stderr.strip()}")
        return done.stdout
