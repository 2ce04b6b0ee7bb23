"""Reads a tensor file of test_tensor_file.c with Python's safetensors, checks it, and writes it again."""

import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import save_file

ours, theirs = sys.argv[1:]
with safe_open(ours, framework="numpy") as file:
    text = file.metadata()
    tensors = {name: file.get_tensor(name) for name in file.keys()}

assert set(tensors) == {"odd", "counters", "matrix"}, tensors.keys()
real = tensors["matrix"].dtype
assert real in (numpy.float32, numpy.float64), real
assert text == {"format": 'ml3 "loss" \u00e4\n'}, text
assert tensors["matrix"].tolist() == numpy.array([[1, -2.5, 0.1], [0, 1e-30, 3]], real).tolist()
assert tensors["counters"].tolist() == [-(2**63), 7, 2**63 - 1]
odd = tensors["odd"]
assert odd.shape == (5,) and numpy.isnan(odd[0]) and odd[1] == numpy.inf and odd[2] == -numpy.inf
assert odd[3] == 0 and numpy.signbit(odd[3]) and odd[4] == real.type(1e-42)

save_file(tensors, theirs, metadata=text)
