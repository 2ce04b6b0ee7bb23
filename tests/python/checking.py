"""What the checks in this folder share: exit code 77 where Gymnasium is not installed, a list of tests, refusals."""
import sys

try:
    import gymnasium  # noqa: F401
    import numpy as np
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def refuses(kind, words, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except kind as e:
        assert words in str(e), f"'{words}' is not in: {e}"
    else:
        raise AssertionError(f"{function} took {arguments} {named}")


def same(a, b, where=""):
    """Two answers of an environment, to the bit: arrays, dictionaries, numbers."""
    assert type(a) is type(b), f"{where}: {type(a)} and {type(b)}"
    if isinstance(a, dict):
        assert a.keys() == b.keys(), f"{where}: {sorted(a)} and {sorted(b)}"
        for key in a:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), f"{where}: {len(a)} and {len(b)}"
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{where}[{i}]")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape, f"{where}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        if a.dtype == object:
            same(list(a), list(b), where)
        else:
            assert (a == b).all(), f"{where}: {a} and {b}"
    else:
        assert a == b, f"{where}: {a} and {b}"


def run():
    for function in TESTS:
        function()
        print("ok", function.__name__, flush=True)
