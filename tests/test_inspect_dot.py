"""The computation graph as DOT text: what is drawn, and that it is text that Graphviz takes."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import GradientError, GraphError


def nodes_and_arrows(text):
    lines = text.splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}"
    node, arrow = re.compile(r'  (n\d+) \[label="((?:[^"\\]|\\.)*)".*\];'), re.compile(r"  (n\d+) -> (n\d+)( \[color=gray\])?;")
    assert all(node.fullmatch(line) or arrow.fullmatch(line) for line in lines[2:-1])
    nodes = dict(match.groups() for line in lines if (match := node.fullmatch(line)))
    arrows = [match.groups()[:2] for line in lines if (match := arrow.fullmatch(line))]
    assert {end for arrow in arrows for end in arrow} <= set(nodes)
    return nodes, arrows


def test_network_and_loss():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 1, bias=False, rng=1))
    loss = nn.MSELoss()(model(np.ones((5, 2))), np.zeros((5, 1)))
    nodes, arrows = nodes_and_arrows(tn.inspect.dot(loss, model))
    label = nodes.__getitem__
    assert {r"0.weight\n(3, 2)", r"0.bias\n(3,)", r"2.weight\n(1, 3)", r"constant\n(5, 2)"} <= set(nodes.values())
    assert [(label(a), label(b)) for a, b in arrows][:4] == [
        (r"constant\n(5, 2)", r"tn.linear\n(5, 3)"), (r"0.weight\n(3, 2)", r"tn.linear\n(5, 3)"),
        (r"0.bias\n(3,)", r"tn.linear\n(5, 3)"), (r"tn.linear\n(5, 3)", r"np.tanh\n(5, 3)"),
    ]  # fmt: skip
    assert list(nodes.values())[-1].endswith(r"\n()") and "None" not in nodes.values()  # a bias that is none is not drawn
    assert r"tensor\n(3, 2)" in nodes_and_arrows(tn.inspect.dot(loss))[0].values()


def test_constants_are_grey():
    x = tn.tensor(np.ones(3), requires_grad=True)
    grey = [line for line in tn.inspect.dot(x * np.ones(3)).splitlines() if "gray" in line]
    assert grey == [
        r'  n1 [label="constant\n(3,)", shape=box, color=gray, fontcolor=gray];', "  n1 -> n2 [color=gray];",
    ]  # fmt: skip


def test_shared_results_are_drawn_once_and_numbers_are_told():
    x = tn.tensor(2.0, requires_grad=True)
    y = np.exp(x)
    nodes, arrows = nodes_and_arrows(tn.inspect.dot(y * y + 3.0 * y))
    assert sorted(nodes.values()) == sorted(
        [r"tensor\n()", r"np.exp\n()", r"np.multiply\n()", "3.0", r"np.multiply\n()", r"np.add\n()"]
    )
    exp = next(name for name, label in nodes.items() if label.startswith("np.exp"))
    assert [start for start, _ in arrows].count(exp) == 3


def test_a_number_is_drawn_at_each_of_its_uses():
    x, two = tn.tensor(np.ones(3), requires_grad=True), 2.0
    labels = list(nodes_and_arrows(tn.inspect.dot(x * two + two))[0].values())
    assert labels.count("2.0") == 2
    array = np.ones(3)
    assert list(nodes_and_arrows(tn.inspect.dot(x * array + array))[0].values()).count(r"constant\n(3,)") == 1


@pytest.mark.parametrize("index, text", [
    ((slice(None), slice(1, 2)), "(:, 1:2)"), ((0, slice(None, None, 2), None), "(0, ::2, None)"), (slice(1, None), "1:"),
    ((Ellipsis, 0), "(..., 0)"), ((slice(0, 1),), "(0:1,)"), (np.array([0, 1]), "array(2,)"), (-1, "-1"),
    (None, "None"),
])  # fmt: skip
def test_an_index_is_told_as_it_is_written(index, text):
    x = tn.tensor(np.ones((2, 3)), requires_grad=True)
    label = list(nodes_and_arrows(tn.inspect.dot(x[index]))[0].values())[1]
    assert label.split(r"\n")[0] == f"getitem index={text}"


def test_a_long_parameter_is_cut_and_the_first_operand_comes_first():
    x = tn.tensor(np.ones(6), requires_grad=True)
    nodes, _ = nodes_and_arrows(tn.inspect.dot(np.reshape(x, (1, 1, 1, 1, 1, 1, 1, 1, 6))))
    assert r"np.reshape shape=(1, 1, 1, 1, 1, 1, 1, 1… order='C'\n(1, 1, 1, 1, 1, 1, 1, 1, 6)" in nodes.values()
    assert r"np.concatenate\n(12,)" in nodes_and_arrows(tn.inspect.dot(np.concatenate([x, x], axis=None)))[0].values()
    nodes, arrows = nodes_and_arrows(tn.inspect.dot(np.exp(x) / np.sin(x)))
    assert [nodes[start].split(r"\n")[0] for start, end in arrows if nodes[end].startswith("np.divide")] == ["np.exp", "np.sin"]


@pytest.mark.parametrize("tensor", [np.ones(3), 3.0, None, nn.ReLU()])
def test_only_tensors_have_a_graph(tensor):
    with pytest.raises(GradientError, match=f"dot: a {type(tensor).__name__} has no graph"):
        tn.inspect.dot(tensor)


def test_names_are_of_a_module():
    with pytest.raises(TypeError, match=r"dot: the model is a ufunc; it must be a tn\.nn\.Module"):
        tn.inspect.dot(tn.tensor(1.0, requires_grad=True), np.abs)


def test_a_stack_gives_names_too():
    stack = nn.stack([nn.Linear(2, 1, rng=k) for k in range(3)])
    nodes, _ = nodes_and_arrows(tn.inspect.dot(stack(np.ones((4, 2))), stack))
    assert {r"members.weight\n(3, 1, 2)", r"members.bias\n(3, 1)"} <= set(nodes.values())


def test_what_is_computed_again_is_named_by_its_function():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    nodes, _ = nodes_and_arrows(tn.inspect.dot(tn.checkpoint(nn.Tanh())(x)))
    assert [label for label in nodes.values() if "Tanh" in label] == [r"tn.Tanh\n(2,)"]


def test_a_leaf_is_a_box_of_its_own():
    assert nodes_and_arrows(tn.inspect.dot(tn.tensor([1.0], requires_grad=True))) == ({"n0": r"tensor\n(1,)"}, [])


def test_parameters_hooks_and_quotes():
    x = tn.tensor(np.eye(3), requires_grad=True)
    y = np.reshape(x[np.array([0, 0])], (6,), order="C")
    y.register_hook(lambda g: g)
    nodes, _ = nodes_and_arrows(tn.inspect.dot(y.sum()))
    labels = list(nodes.values())
    assert r"getitem index=array(2,)\n(2, 3)" in labels
    assert r"np.reshape shape=(6,) order='C'\n(6,)" in labels and r"tn.hook\n(6,)" in labels
    nodes_and_arrows(tn.inspect.dot(np.einsum('ij,jk->ik', x, x).sum()))


def test_quotes_and_backslashes_in_a_name():
    model = nn.Module()
    model.parts = {'we"ird\\n': nn.Parameter(np.ones(2))}
    nodes, _ = nodes_and_arrows(tn.inspect.dot(np.exp(model.parts['we"ird\\n']), model))
    assert nodes["n0"] == r'parts.we\"ird\\n\n(2,)'


def test_the_same_program_gives_the_same_text():
    def text():
        model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU(), nn.Linear(3, 1, rng=1))
        return tn.inspect.dot(model(np.ones((4, 2))).mean(), model)

    assert text() == text()


def test_without_a_graph():
    with pytest.raises(GradientError):
        tn.inspect.dot(tn.tensor(3.0))
    x = tn.tensor(3.0, requires_grad=True)
    y = np.exp(x)
    y.backward()
    with pytest.raises(GraphError, match=r"dot: the graph was freed by backward\(\)"):
        tn.inspect.dot(y)
