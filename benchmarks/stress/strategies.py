"""What fuzz.py draws its files and arguments from: mostly such as are right, with something odd now and then.

Arguments that are drawn from everything are refused at the first check, and what lies behind it is not tried.
"""

import csv
import io
from copy import deepcopy
from typing import Any

import torch
import yaml
from hypothesis import strategies as st

__all__ = ["finite_boxes", "mostly", "plans", "tables", "torn"]


def mostly(right: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Five of six from the one, one of the other."""
    return st.integers(0, 5).flatmap(lambda number: right if number else odd)


_edges = st.floats(-9, 41, width=32) | st.integers(0, 32)
finite_boxes = st.lists(st.tuples(*[_edges] * 4), max_size=3).map(
    lambda rows: torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
)
"""Boxes [n, 4] about an image of 32 pixels, some of them without area."""

_odd_cells = st.text(max_size=4) | st.sampled_from(["nan", "-1", "1e9", "0", " ", "1,5", "0x1", "a.png"])
_names = ["a.png", "./a.png", "a", "b.png", "b"]


@st.composite
def tables(draw: Any) -> bytes:
    """A table of the images a.png and b.png, 9 pixels wide and high: a row or several for each."""
    columns = ["image", "label", *draw(st.sets(st.sampled_from(["group", "split"])).map(sorted))]
    boxed, shares = draw(st.booleans()), draw(st.booleans())
    columns += ["x1", "y1", "x2", "y2"] if boxed else []
    of_images = {name: draw(mostly(st.just(name), _odd_cells)) for name in ("x", "y")}
    rows = []
    for name in ["a.png", "b.png", *draw(st.lists(st.sampled_from(_names), max_size=3))]:
        label = "x" if "a" in name else "y"
        row = {"image": name, "label": of_images[label], "group": f"g{label}", "split": "train"}
        low, high = draw(st.tuples(st.integers(0, 4), st.integers(5, 9)))
        edges = [low, low, high, high] if draw(st.booleans()) else [""] * 4
        edges = [edge / 9 if shares and edge != "" else edge for edge in edges]
        row |= dict(zip(("x1", "y1", "x2", "y2"), map(str, edges), strict=True))
        rows.append([row[column] for column in columns])
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(_odd_cells)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=draw(st.sampled_from(",;\t")), lineterminator=draw(_line_ends))
    writer.writerows([columns, *rows])
    return text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])), "surrogatepass")


_line_ends = st.sampled_from(["\n", "\r\n"])
_odd_values = st.sampled_from([None, True, -1, 1.5, "x", [], [0, 0], {}, {"a": 1}, "none", 10**30])
_arms = st.sampled_from(
    [
        "ce,care",
        ["ce", "focal", "energy-all"],
        {"ce": None, "mine": {"attention": "care-rare", "remedy": "focal"}},
        {"plain": {"attention": "none"}, "late": {"schedule": {"epochs": 3}, "model": {"freeze": "auto"}}},
        {
            "boxed": {
                "attention": {"loss": "care", "alpha": 0.3},
                "boxes": {"file": "b.csv", "min_score": 0.5},
            }
        },
    ]
)
_parts: dict[str, st.SearchStrategy[Any]] = {
    "seeds": st.sampled_from([2, "3", [0, 5], "1,2"]),
    "folds": st.sampled_from([3, "0,1/10", [0, 1]]),
    "boxes": st.sampled_from(["b.csv", {"file": "b.csv"}]),
    "data": st.fixed_dictionaries(
        {"rare": st.sampled_from(["auto", ["a"]]), "validation": st.floats(0, 0.5)}
    ),
    "model": st.sampled_from(["resnet18", {"name": "resnet18", "freeze": "auto", "image_size": [64, 32]}]),
    "schedule": st.fixed_dictionaries({"epochs": st.integers(0, 9), "learning_rate": st.floats(0, 1)}),
    "attention": st.sampled_from(["care", "energy-all", {"loss": "care", "tau": 0.5, "outer": "distance"}]),
    "remedy": st.sampled_from(["focal", {"method": "class-balanced", "beta": 0.9}]),
}


@st.composite
def plans(draw: Any) -> bytes:
    """A plan of a comparison of t.csv, which has a split, or u.csv, which is split by folds."""
    plan: dict[str, Any] = {"table": draw(st.sampled_from(["t.csv", "u.csv"])), "arms": draw(_arms)}
    for name in draw(st.sets(st.sampled_from(sorted(_parts)), max_size=4)):
        if name != "folds" or plan["table"] == "u.csv":
            plan[name] = draw(_parts[name])
    plan = deepcopy(plan)  # what is drawn from is drawn from again
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        where = draw(st.sampled_from([plan, *(value for value in plan.values() if isinstance(value, dict))]))
        where[draw(st.sampled_from([*where, "fold", "seed"]))] = draw(_odd_values)
    return yaml.safe_dump(plan, allow_unicode=True, sort_keys=False).encode()


@st.composite
def torn(draw: Any, whole: list[bytes]) -> bytes:
    """A valid file, of which some bytes are others; one of three is cut off."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 6]))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
        data = data or bytearray(b"x")
    return bytes(data) if draw(st.integers(0, 2)) else bytes(data[: draw(st.integers(0, len(data)))])
