"""Scripts that import what is beside them: as files, ``python examples/xor.py``, and as modules, ``python -m examples.xor``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as Python does for a file that it runs
