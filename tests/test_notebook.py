"""What notebooks show: tables and charts as HTML and SVG, graphs as pictures, the progress of a training."""

import io
import shutil
import subprocess
import sys
import types
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet import nn
from tinynet.table import Table
from tinynet.training import History
from tinynet.training.chart import chart, quartiles

SVG = "{http://www.w3.org/2000/svg}"


def drawn(columns):
    return ElementTree.fromstring(chart(columns))


def texts(svg):
    return ["".join(element.itertext()) for element in svg.iter(f"{SVG}text")]


# Charts --------------------------------------------------------------------------------------------------------------


def test_a_chart_has_a_curve_and_a_name_for_each_column():
    svg = drawn({"loss": [1.0, 0.9, 0.8], "val_loss": [1.1, 1.0, 0.95]})
    colors = [path.get("stroke") for path in svg.iter(f"{SVG}path")]
    assert [colors.count(color) for color in ("#1f88c9", "#d55e00")] == [2, 2]  # the curve, and its line in the legend
    assert {"loss", "val_loss", "epoch", "1", "2", "3", "0.8"} <= set(texts(svg))


def test_values_of_several_magnitudes_have_a_logarithmic_axis():
    assert {"0.01", "0.1", "1"} <= set(texts(drawn({"loss": [1.0, 0.1, 0.01]})))
    assert "0.01" not in texts(drawn({"loss": [1.0, 0.1, -0.01]}))


def heights(columns):
    """The vertical positions of the first column's curve."""
    curve = next(path for path in drawn(columns).iter(f"{SVG}path") if path.get("stroke") == "#1f88c9")
    return [float(point.partition(",")[2]) for point in curve.get("d").removeprefix("M").split("L")]


def test_greater_values_stand_higher():
    assert heights({"loss": [1.0, 0.5, 0.75]}) == [26.0, 202.0, 114.0]
    assert heights({"loss": [1.0, 0.1, 0.01]}) == [26.0, 114.0, 202.0]


def test_a_curve_is_broken_where_nothing_is_finite():
    svg = drawn({"loss": [3.0, 2.0, np.nan, 2.0, np.inf, 1.5, 1.0]})
    strokes = [path.get("stroke") for path in svg.iter(f"{SVG}path")]
    assert strokes.count("#1f88c9") == 3 and len(list(svg.iter(f"{SVG}circle"))) == 1  # two pieces and the legend; a point


def test_the_members_of_a_stack_are_a_median_in_a_band():
    svg = drawn({"loss": [np.array([1.0, 2.0, 6.0]), np.array([1.0, np.nan, 3.0])]})
    bands = [path for path in svg.iter(f"{SVG}path") if path.get("fill") == "#1f88c9"]
    assert len(bands) == 1 and bands[0].get("opacity") == "0.2"


def test_what_the_band_of_a_stack_is():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 7))
    rows[1, :3], rows[2, 2], rows[3] = np.nan, np.inf, np.nan
    found = quartiles(list(rows))
    for row, quartile in zip(rows[:3], found, strict=False):
        assert np.allclose(quartile, np.quantile(row[np.isfinite(row)], (0.25, 0.5, 0.75)), rtol=1e-14)
    assert np.isnan(found[3]).all()
    assert (quartiles([np.full(7, 0.1)]) == 0.1).all()  # no band of rounding about members that are equal


def test_labels_tell_values_that_are_close_apart_and_have_room():
    svg = drawn({"loss": [123456789.0 + epoch for epoch in range(12)]})
    assert {"123456790", "123456792"} <= set(texts(svg))
    frame = float(next(svg.iter(f"{SVG}rect")).get("x"))
    assert frame > 9 * 7 and all(float(x.get("x")) <= frame for x in svg.iter(f"{SVG}text") if x.get("text-anchor") == "end")


def test_a_long_training_is_drawn_by_few_points_and_no_spike_is_lost():
    losses = np.ones(100_000)
    losses[[77_123, 77_500]] = 2.0, 0.5
    assert len(chart({"loss": losses})) < 50_000
    assert {max(heights({"loss": losses})), min(heights({"loss": losses}))} == {202.0, 26.0}


def test_one_epoch_is_drawn_in_the_middle():
    svg = drawn({"loss": [np.array([1.0, 2.0, 3.0])]})
    frame = next(svg.iter(f"{SVG}rect"))
    middle = float(frame.get("x")) + float(frame.get("width")) / 2
    assert [float(x.get("cx")) for x in svg.iter(f"{SVG}circle")] == [middle]
    assert [x.get("stroke") for x in svg.iter(f"{SVG}path") if x.get("opacity")] == ["#1f88c9"]  # an area that has no width


finite_or_not = st.lists(st.floats() | st.sampled_from([0.0, 5e-324, 1.7e308, -1.7e308]), min_size=1, max_size=8)


@given(st.dictionaries(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), finite_or_not, min_size=1, max_size=3))
def test_whatever_the_values_a_chart_is_well_formed(columns):
    svg = drawn(columns)
    assert set(columns) <= set(texts(svg))
    places = [float(element.get(name)) for element in svg.iter(f"{SVG}text") for name in ("x", "y")]
    assert np.isfinite(places).all() and min(places) >= 0 and max(places) <= 640
    assert "nan" not in "".join(path.get("d") for path in svg.iter(f"{SVG}path"))


# Histories, tables, models -------------------------------------------------------------------------------------------


def test_a_history_shows_its_last_figures_and_its_losses():
    history = History(["loss", "<accuracy>", "val_loss", "lr"])
    assert history._repr_html_() == "<p>History of 0 epochs</p>"
    history.append({"loss": 0.5, "<accuracy>": 0.75, "val_loss": 0.625, "lr": 0.1})
    shown = history._repr_html_()
    assert shown.startswith("<p>History of 1 epoch: loss 0.5, &lt;accuracy&gt; 0.75, val_loss 0.625, lr 0.1</p><svg")
    assert {"loss", "val_loss"} <= set(texts(ElementTree.fromstring(shown.partition("</p>")[2])))
    bare = History(["lr"])
    bare.append({"lr": 0.1})
    assert "<svg" not in bare._repr_html_()


@pytest.mark.parametrize("record", [{"loss": 0.5}, {"loss": 0.5, "lr": 0.1, "f1": 1.0}, {"loss": 0.5, "lr": "a"}])
def test_a_record_that_does_not_fit_leaves_a_history_as_it_was(record):
    history = History(["loss", "lr"])
    history.append({"lr": 0.1, "loss": 1.0})
    with pytest.raises(ValueError, match=r"the record has loss.*; the columns are loss, lr$|could not convert string"):
        history.append(record)
    assert history.to_dict() == {"loss": [1.0], "lr": [0.1]}


class Row(NamedTuple):
    name: str
    size: int


def test_a_table_shows_as_one_with_its_text_escaped():
    table = ElementTree.fromstring(Table([Row("<b>&", 1234567), Row("b", 8)])._repr_html_())
    assert [th.text for th in table.iter("th")] == ["name", "size"]
    assert [td.text for td in table.iter("td")] == ["<b>&", "1,234,567", "b", "8"]
    assert [td.get("style") for td in table.iter("td")] == ["text-align:left", "text-align:right"] * 2
    assert Table([])._repr_html_() == repr(Table([])) == "no rows"


def test_a_model_shows_its_layers_and_their_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(1.0)
            self.layers = {"<in>": nn.Linear(2, 3), "out": nn.Linear(3, 1, bias=False)}

        def extra_repr(self):
            return "a < b"

    shown = ElementTree.fromstring(f"<div>{Scaled()._repr_html_()}</div>")
    rows = [[td.text for td in row.iter("td")] for row in shown.iter("tr")][1:]
    assert rows == [
        [None, "Scaled", "a < b", "1"],
        ["layers.<in>", "Linear", "in_features=2, out_features=3, bias=True", "9"],
        ["layers.out", "Linear", "in_features=3, out_features=1, bias=False", "3"],
    ]
    assert shown.find("p").text == "Scaled: 13 parameters, 13 trainable; 0 numbers in buffers"
    assert nn.Sequential()._repr_html_().endswith("<p>Sequential: 0 parameters, 0 trainable; 0 numbers in buffers</p>")


# Graphs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawing():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    return tn.inspect.dot(x * x)


def test_a_graph_is_drawn_by_graphviz(drawing):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    svg = ElementTree.fromstring(drawing.svg())
    assert svg.tag == f"{SVG}svg" and {"tensor", "np.multiply"} <= set(texts(svg))
    assert drawing._repr_svg_() == drawing.svg()


def test_a_graph_without_graphviz_is_text(monkeypatch, drawing):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert drawing._repr_svg_() is None and drawing.startswith("digraph {")
    lines = []
    drawing._repr_pretty_(types.SimpleNamespace(text=lines.append), False)
    assert lines == [str(drawing)]
    with pytest.raises(FileNotFoundError, match="install Graphviz"):
        drawing.svg()


def graphviz(monkeypatch, run):
    monkeypatch.setattr(shutil, "which", lambda name: f"/there/{name}")
    monkeypatch.setattr(subprocess, "run", run)


def test_what_graphviz_is_given_and_gives(monkeypatch, drawing):
    def run(command, input, timeout, **options):
        return subprocess.CompletedProcess(command, 0, f"<svg>{command} {input == drawing} {timeout}</svg>", "")

    graphviz(monkeypatch, run)
    assert drawing.svg() == "<svg>['/there/dot', '-Tsvg'] True None</svg>"
    assert drawing._repr_svg_() == "<svg>['/there/dot', '-Tsvg'] True 20</svg>"


def test_graphviz_that_fails_or_takes_too_long(monkeypatch, drawing):
    graphviz(monkeypatch, lambda command, **options: subprocess.CompletedProcess(command, 1, "", "no font\n"))
    with pytest.raises(RuntimeError, match=r"Graphviz failed: no font$"):
        drawing.svg()

    def slow(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    graphviz(monkeypatch, slow)
    assert drawing._repr_svg_() is None


# Progress ------------------------------------------------------------------------------------------------------------


def train(monkeypatch, shell, stream):
    """The standard error stream of a training under IPython with such a shell."""
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", stream)
    model = nn.Linear(2, 1, rng=0)
    trainer = tn.Trainer(model, nn.MSELoss(), tn.optim.SGD(model.parameters(), lr=0.1), compile=False)
    trainer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3)
    return stream.getvalue()


def test_a_kernel_shows_a_bar_of_tqdm_auto(monkeypatch):
    made = []

    class Bar:
        def __init__(self, **options):
            made.append(options["total"])

        def set_postfix_str(self, text, refresh):
            made.append(text)

        def update(self):
            made.append("update")

        def close(self):
            made.append("close")

    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    assert train(monkeypatch, types.SimpleNamespace(kernel=None), io.StringIO()) == ""
    assert made[0] == 3 and made[-1] == "close" and made.count("update") == 3
    assert made[1].startswith("loss ")


def test_a_kernel_without_tqdm_shows_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    text = train(monkeypatch, types.SimpleNamespace(kernel=None), io.StringIO())
    assert [line.split()[:2] for line in text.splitlines()] == [["epoch", f"{k}/3"] for k in (1, 2, 3)]
    assert all(line.split()[2::2] == ["loss"] for line in text.splitlines())  # not the learning rate, nor the seconds


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
def test_ipython_without_a_kernel_is_no_notebook(monkeypatch, shell):
    assert train(monkeypatch, shell, io.StringIO()) == ""
