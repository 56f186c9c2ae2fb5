"""The changes that benchmarks/stress/mutants.py makes, one after the other, in a few lines of code."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "stress" / "mutations.py"


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutations", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield lambda text: [one.applied(text.encode()).decode() for one in module.mutations(text.encode())]
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a <= b != c", ["x = (a < b != c)", "x = (a <= b == c)"]),
        ("x = a + b * c", ["x = (a - b * c)", "x = a + (b / c)"]),
        ("x = a and not b", ["x = (a or not b)", "x = a and (b)"]),
        (
            "x = 3 if ok else True",
            ["x = (4) if ok else True", "x = (True if ok else 3)", "x = 3 if ok else (False)"],
        ),
        ("if a: b()", ["if (not (a)): b()", "if a: pass"]),
        ("a.b = c\na = d", ["pass\na = d"]),
        ("n += 1", ["pass", "n -= 1", "n += (2)"]),
        ("def f(): return g(x)", ["def f(): return None"]),
        ("é = a > b", ["é = (a >= b)"]),  # places are counted in bytes
        ('raise E(f"{1 + 1}")', ["pass"]),
        ('"""1 + 1"""\n__all__ = ["a" + "b"]\nx: int | None = 1 + 1\ndef f(a: int | None) -> 1: ...', []),
    ],
)
def test_changes_worked_out_by_hand(mutants, text, expected):
    assert sorted(mutants(text)) == sorted(expected)
