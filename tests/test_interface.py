"""The public interface is the one that tests/interface.txt lists, so that no change of it goes unseen.

`python -m tests.test_interface` writes the list, with scikit-learn and hypothesis installed.
"""

import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from tests.test_package import PUBLIC
from tinynet.compiler.compiled import Compiled
from tinynet.rules.primitive import Primitive

LIST = Path(__file__).parent / "interface.txt"
COMMAND = "python -m tests.test_interface"
HEAD = f"""\
The public interface: what each module exports, with parameters and their defaults, and what each class adds to the
public classes that it is derived from. What has two names is told under the first.
`{COMMAND}` writes this list.
"""
MODULES = [f"tinynet{name}" for name in [*PUBLIC, ".errors", ".testing.strategies"]]
NEEDS = {"tinynet.sklearn": "sklearn"}
GIVEN = {"tn.compile(step)": Compiled, "tn.primitive(fun)": Primitive}
"""Classes that a person is given, and that no module exports."""
ADDRESSED = re.compile(r"<(?:class '|function |built-in function )([\w.]+).*?>")


def exports(module):
    """What the module exports, but for other modules: each name, as a person writes it, and what it names."""
    exported = importlib.import_module(module)
    for name in sorted(exported.__all__):
        thing = getattr(exported, name)
        if not inspect.ismodule(thing):
            yield f"{module}.{name}".replace("tinynet", "tn", 1), thing


def first_names():
    """The first name of each object that can be called, in the order of the modules, without those that cannot be imported."""
    names = {}
    for module in MODULES:
        if importlib.util.find_spec(NEEDS.get(module, "tinynet")):
            for name, thing in exports(module):
                if callable(thing):
                    names.setdefault(thing, name)
    return names


def parameters(fun):
    """As in a definition, without annotations: "(x, axis=-1, *, rng=None)"; "" where there is no signature of tinynet's."""
    if isinstance(fun, np.ufunc):
        return ""
    try:
        signature = inspect.signature(fun)
    except ValueError:  # an exception that has no constructor of its own
        return ""
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return ADDRESSED.sub(r"\1", str(inspect.Signature(bare)))


def members(cls, public):
    """A line for each attribute that comes with the class, and not with a public class that it is derived from."""
    old = {base for parent in cls.__mro__[1:] if parent in public for base in parent.__mro__}
    bases = [base for base in cls.__mro__ if base.__module__.startswith("tinynet.") and base not in old]
    found = {name: member for base in reversed(bases) for name, member in vars(base).items() if not name.startswith("_")}
    for name, member in sorted(found.items()):
        fun = getattr(member, "__func__", member)  # of a static or a class method
        if not type(member).__module__.startswith("sklearn"):  # which gives estimators attributes of its own
            yield f"    .{name}{parameters(fun) if callable(fun) else ''}"


def told(name, thing, public):
    """The lines of one name."""
    if not callable(thing):
        return [name]
    if public.get(thing, name) != name:
        return [f"{name} = {public[thing]}"]
    if not inspect.isclass(thing):
        return [name + parameters(thing)]
    bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
    return [f"class {name}{parameters(thing)}" + f" of {bases}" * bool(bases), *members(thing, public)]


def section(module):
    """The part of the list that tells of one module."""
    public = first_names()
    lines = [line for name, thing in exports(module) for line in told(name, thing, public)]
    return "\n".join([f"## {module}", "", *lines, ""])


def given():
    """The part that tells of classes without a public name."""
    lines = [line for how, cls in GIVEN.items() for line in [how, *members(cls, {})]]
    return "\n".join(["## What is given", "", *lines, ""])


def listed():
    """The parts of the list by their headings."""
    parts = re.split(r"^(?=## )", LIST.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0].removeprefix("## "): part for part in parts}


@pytest.mark.parametrize("module", MODULES)
def test_the_list_tells_what_the_module_exports(module):
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    assert section(module).strip() == listed()[module].strip(), f"if the change is meant: {COMMAND}"


def test_the_list_tells_of_nothing_else():
    head, *parts = listed()
    assert parts == [*MODULES, "What is given"]
    assert listed()["What is given"].strip() == given().strip(), f"if the change is meant: {COMMAND}"
    assert listed()[head].strip() == HEAD.strip(), f"if the change is meant: {COMMAND}"


@pytest.mark.parametrize(
    "before, after",
    [
        ("def f(x, axis=-1): ...", "def f(x, axis=0): ..."),  # a default
        ("def f(x, axis=-1): ...", "def f(x, dim=-1): ..."),  # a name
        ("def f(x, axis=-1): ...", "def f(x, *, axis=-1): ..."),  # by keyword alone
        ("class f:\n def g(self, x): ...", "class f:\n def g(self, y): ..."),
        ("class f:\n def g(self): ...", "class f:\n @property\n def g(self): ..."),
        ("class f(ValueError): ...", "class f(TypeError): ..."),
    ],
)
def test_a_change_is_seen(before, after):
    def lines(source):
        namespace = {"__name__": "tinynet.somewhere"}
        exec(source, namespace)
        return told("tn.f", namespace["f"], {})

    assert lines(before) == lines(before) != lines(after)


if __name__ == "__main__":
    LIST.write_text("\n".join([HEAD, *map(section, MODULES), given()]), encoding="utf-8")
