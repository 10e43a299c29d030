"""The package as a whole: what it exports, what imports what, and what a plain import costs."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet as tn

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tinynet"

# What each part may know of: imports go down only. those in BASE lie under everything.
BASE = {"errors", "dtypes", "random", "mode", "declared", "revision", "lines", "signatures"}
LAYERS = {
    "errors": set(),
    "dtypes": {"errors"},
    "mode": set(),
    "revision": set(),
    "lines": set(),
    "signatures": set(),
    "random": {"errors", "mode"},
    "declared": set(),
    "rules": BASE,
    "graph": BASE | {"rules"},
    "arraymethods": BASE | {"rules"},
    "tensor": BASE | {"rules", "graph", "arraymethods"},
    "autograd": BASE | {"rules", "graph", "tensor"},
    "trees": set(),
    "files": {"errors"},
    "archive": {"errors", "files"},
    "weights": {"errors", "files"},
    "trace": BASE | {"rules", "graph", "tensor", "autograd", "trees"},
    "transforms": BASE | {"rules", "tensor", "trace", "trees"},
    "compiler": BASE | {"rules", "arraymethods", "tensor", "trees"},
    "custom": BASE | {"rules", "graph", "tensor", "autograd", "trace", "trees"},
    "table": set(),
    "nn": BASE | {"rules", "graph", "tensor", "table", "trees"},
    "saved": BASE | {"tensor", "trees"},
    "anomaly": BASE | {"rules", "graph", "tensor", "trees", "nn", "optim", "saved"},
    "optim": BASE | {"graph", "tensor", "nn"},
    "data": BASE,
    "training": BASE | {"rules", "graph", "tensor", "autograd", "nn", "optim", "data", "compiler", "archive", "files"},
    "testing": BASE | {"rules", "graph", "tensor", "autograd", "transforms", "custom", "trees"},
    "inspect": BASE | {"rules", "graph", "tensor", "autograd", "transforms", "nn", "training", "table"},
    "plot": BASE | {"graph", "tensor", "transforms", "nn", "training"},
    "onnx": BASE | {"rules", "graph", "tensor", "nn", "training", "files"},
    "sklearn": BASE | {"rules", "nn", "optim", "training"},
}
INSTALLED = {"numpy", *sys.stdlib_module_names}
OPTIONAL = {"matplotlib", "tqdm", "sklearn", "hypothesis", "safetensors", "jax", "onnx"}
NEED_MORE = (
    *(f"tinynet.testing.{name}" for name in ("strategies", "checks", "rulechecks", "independent", "fuzz", "coverage")),
    *(f"tinynet.sklearn.{name}" for name in ("base", "classifier", "regressor")),
)
"""The modules that need more than NumPy when they are imported; none is by `import tinynet`."""
PUBLIC = [
    "", ".nn", ".nn.functional", ".nn.init", ".optim", ".data", ".training", ".testing", ".plot", ".autograd", ".inspect",
    ".onnx", ".sklearn",
]  # fmt: skip


def sources():
    """Each module's dotted name and syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(sources())


def imported(nodes):
    """The dotted names that the nodes import when run, `from package import module` resolved to the module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported(node.orelse)
        else:
            yield from imported(ast.iter_child_nodes(node))


def imported_at_once(tree):
    """The same for the import of the module itself, without what its functions import when they are called."""
    return imported(node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef))


def test_imports_go_down_only():
    wrong = []
    for name, tree in MODULES.items():
        if name == "tinynet":
            continue
        part = name.split(".")[1]
        for target in imported([tree]):
            if target.partition(".")[0] == "tinynet":
                below = target.split(".")[1] if "." in target else "the top"
                if below != part and below not in LAYERS[part]:
                    wrong.append((name, target))
    assert set(wrong) == {  # when they are called
        ("tinynet.training.history", "tinynet.plot"), ("tinynet.training.findings", "tinynet.inspect.health"),
    }  # fmt: skip


def test_imports_have_no_cycle():
    graph = {name: {target for target in imported_at_once(tree) if target in MODULES} for name, tree in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()


def test_run_time_needs_numpy_alone():
    for name, tree in MODULES.items():
        if not name.startswith(NEED_MORE):
            assert {target.partition(".")[0] for target in imported_at_once(tree)} <= {"tinynet", *INSTALLED}, name
        assert {target.partition(".")[0] for target in imported([tree])} <= {"tinynet", *INSTALLED, *OPTIONAL}, name


def test_a_plain_import_loads_little():
    heavy = ["numpy.random", "matplotlib", "tqdm", "hypothesis", "sklearn", "dataclasses", "inspect"]
    heavy += ["tinynet.testing", "tinynet.compiler", "tinynet.inspect", "tinynet.plot", "tinynet.anomaly"]
    heavy += ["tinynet.onnx", "tinynet.sklearn"]
    code = (
        "import sys, numpy; before = set(sys.modules); import tinynet;"
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith(NEED_MORE)])
def test_all_names_exist(name):
    if name == "tinynet.sklearn":  # its classes are derived from scikit-learn's
        pytest.importorskip("sklearn")
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    assert names is not None, f"{name} has no __all__"
    assert len(set(names)) == len(names)
    assert [n for n in names if not hasattr(module, n)] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name):
    if name == ".sklearn":
        pytest.importorskip("sklearn")
    module = importlib.import_module(f"tinynet{name}")
    public = {name: getattr(module, name) for name in module.__all__}
    described = {name: thing for name, thing in public.items() if callable(thing) and not inspect.ismodule(thing)}
    assert [name for name, thing in described.items() if not vars(thing).get("__doc__", getattr(thing, "__doc__", None))] == []
    filler = {name for name in described if name.endswith("_")}  # the initialisers are all used in the same way
    errors = {name for name, thing in described.items() if inspect.isclass(thing) and issubclass(thing, Exception)}
    assert [name for name in described.keys() - filler - errors if "Examples\n" not in inspect.getdoc(described[name])] == []


def test_the_changelog_tells_of_this_version():
    assert f"## [{tn.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()
    assert [name for name in MODULES if not (ast.get_docstring(MODULES[name]) or "").strip()] == []


def test_walk_finds_every_module():
    walked = {module.name for module in pkgutil.walk_packages(tn.__path__, "tinynet.")}
    assert walked | {"tinynet"} == set(MODULES)  # a folder without __init__.py would be shipped and not found
