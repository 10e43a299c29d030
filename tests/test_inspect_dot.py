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
    assert list(nodes.values())[-1].endswith(r"\n()")
    assert r"tensor\n(3, 2)" in nodes_and_arrows(tn.inspect.dot(loss))[0].values()


def test_shared_results_are_drawn_once_and_numbers_are_told():
    x = tn.tensor(2.0, requires_grad=True)
    y = np.exp(x)
    nodes, arrows = nodes_and_arrows(tn.inspect.dot(y * y + 3.0 * y))
    assert sorted(nodes.values()) == sorted(
        [r"tensor\n()", r"np.exp\n()", r"np.multiply\n()", "3.0", r"np.multiply\n()", r"np.add\n()"]
    )
    exp = next(name for name, label in nodes.items() if label.startswith("np.exp"))
    assert [start for start, _ in arrows].count(exp) == 3


def test_a_leaf_is_a_box_of_its_own():
    assert nodes_and_arrows(tn.inspect.dot(tn.tensor([1.0], requires_grad=True))) == ({"n0": r"tensor\n(1,)"}, [])


def test_parameters_hooks_and_quotes():
    x = tn.tensor(np.eye(3), requires_grad=True)
    y = np.reshape(x[np.array([0, 0])], (6,), order="C")
    y.register_hook(lambda g: g)
    nodes, _ = nodes_and_arrows(tn.inspect.dot(y.sum()))
    labels = list(nodes.values())
    assert r"getitem index=array(2,)\n(2, 3)" in labels
    assert r"np.reshape shape=(6,) order='C'\n(6,)" in labels
    nodes_and_arrows(tn.inspect.dot(np.einsum('ij,jk->ik', x, x).sum()))


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
