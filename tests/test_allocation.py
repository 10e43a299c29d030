"""Memory that a step frees is there for the next step."""

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource
import numpy as np
{import_}

def step():
    arrays = [np.ones(10**6, np.float32) for _ in range(8)]
    arrays.clear()

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


def faults(import_: str) -> float:
    """Pages that the system has to provide for each step, of the 7,800 that its arrays cover."""
    run = subprocess.run([sys.executable, "-c", STEPS.format(import_=import_)], capture_output=True, text=True, check=True)
    return float(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory in other ways")
def test_freed_memory_is_used_again() -> None:
    assert faults("") > 1000, "it is tinynet that makes the difference"
    assert faults("import tinynet") < 100
