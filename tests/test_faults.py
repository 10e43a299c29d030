"""Faults made on purpose: each is told of, and nothing is lost."""

import tempfile
from pathlib import Path

import pytest

from benchmarks import faults


@pytest.mark.parametrize("name", [name for name in faults.FAULTS if "killed" not in name])  # see test_resume for that
def test_nothing_is_lost(name):
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which nobody but its owner may enter
        assert faults.FAULTS[name](Path(folder))


def test_the_table(monkeypatch, capsys):
    def lost(folder):
        raise AssertionError("all of it")

    monkeypatch.setattr(faults, "FAULTS", {"a fault": lambda folder: f"{folder}/file was there", "a worse one": lost})
    assert faults.main() == 1
    table = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert table == ["a fault lost: nothing", "file was there", "a worse one lost: LOST: all of it", ""]
