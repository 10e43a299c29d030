"""ONNX: a trained model as a file that other programs run, onnxruntime among them.

`export` writes a `Sequential` of tinynet's modules, for any number of rows; a module of one's own is given its `form` first.
The package onnx is needed when a model is exported, and not before.

Examples
--------
>>> import os, tempfile
>>> import numpy as np, tinynet as tn
>>> model = tn.nn.Sequential(tn.nn.Linear(4, 8), tn.nn.GELU(), tn.nn.Linear(8, 3)).astype("float32")
>>> with tempfile.TemporaryDirectory() as folder:
...     path = os.path.join(folder, "model.onnx")
...     tn.onnx.export(model, path, np.zeros((1, 4)))
...     os.path.getsize(path) > 0
True
"""

from tinynet.onnx.export import export
from tinynet.onnx.forms import form
from tinynet.onnx.graph import Value

__all__ = ["Value", "export", "form"]
