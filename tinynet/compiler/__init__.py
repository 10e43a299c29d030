"""The compiler: a step is recorded as NumPy calls, which are made fewer and cheaper and replayed; see `tinynet.compile`."""

from tinynet.compiler.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
