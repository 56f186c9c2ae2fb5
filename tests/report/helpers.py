"""Small runs made up for the tests, and the report's page as a tree."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.evaluation import Predictions, RunResult

CLASSES = ("common", "rare", "rarest", "middle")
COUNTS = {"common": 900, "rare": 40, "rarest": 20, "middle": 200}
PER_CLASS = {"common": 24, "rare": 16, "rarest": 14, "middle": 20}


class Element:
    """One element of a parsed page."""

    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent = tag, dict(attributes), parent
        self.children, self.pieces = [], []

    def all(self, tag=None, css=None):
        found = []
        for child in self.children:
            words = (child.attributes.get("class") or "").split()
            if (tag is None or child.tag == tag) and (css is None or css in words):
                found.append(child)
            found += child.all(tag, css)
        return found

    @property
    def text(self):
        joined = "".join(p.text if isinstance(p, Element) else p for p in self.pieces)
        return re.sub("[ \\n]+", " ", joined).strip(" \n")


class Page(HTMLParser):
    """A page as a tree; every opened element has to be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.html, self.root = html, Element("root", [], None)
        self.current = self.root
        self.feed(html)
        self.close()
        assert self.current is self.root, f"<{self.current.tag}> is not closed"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs, self.current)
        self.current.children.append(element)
        self.current.pieces.append(element)
        if tag not in {"meta", "img", "br"}:
            self.current = element

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in {"meta", "img", "br"}:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.current.tag == tag, f"</{tag}> closes <{self.current.tag}>"
        self.current = self.current.parent

    def handle_data(self, data):
        self.current.pieces.append(data)

    def all(self, tag=None, css=None):
        return self.root.all(tag, css)

    @property
    def text(self):
        return self.root.text

    def section(self, name):
        return next(one for one in self.all("section") if one.attributes["id"] == name)


def make_run(folder: Path, name="no attention", *, gain=0.0, energy=0.4, seed=0) -> RunResult:
    """A run of 74 test images in groups of two; `gain` lifts the true class's logit of the rare classes."""
    target = np.repeat(np.arange(4), [PER_CLASS[name] for name in CLASSES])
    n = len(target)
    images = [f"secret-name-{row}" for row in range(n)]
    base, noise = np.random.default_rng(0), np.random.default_rng(seed + 1)
    logits = base.normal(size=(n, 4)) + 0.1 * noise.normal(size=(n, 4))
    logits[np.arange(n), target] += 1.0 + gain * np.isin(target, [1, 2])
    values = np.clip(energy + 0.1 * noise.normal(size=n), 0, 1)
    predictions = Predictions(
        image=np.array(images),
        path=np.array([str(folder / f"{image}.png") for image in images]),
        group=np.array([f"patient-{row // 2}" for row in range(n)]),
        target=target,
        logits=logits,
        classes=CLASSES,
        boxes=tuple(np.array([[10.0, 5.0, 30.0, 20.0]]) for _ in range(n)),
        energy=values,
        pointing=(values > 0.4).astype(float),
        area_share=np.full(n, 0.25),
        centre_energy=np.full(n, 0.375),
    )
    epochs = np.arange(3.0)
    attention = np.full(3, np.nan) if gain == 0 else -0.1 * epochs
    history = pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": 2 - epochs / 2,
            "train_classification_loss": 1.5 - epochs / 4,
            "train_attention_loss": attention,
            "validation_balanced_accuracy": 0.4 + epochs / 10,
        }
    )
    return RunResult(
        name=name,
        config={"data": {"table": "table.csv"}, "attention": {"loss": name}, "seed": 0},
        classes=CLASSES,
        rare=("rare", "rarest"),
        train_counts=COUNTS,
        seconds={"train": 12.5},
        versions={"torch": "2.0"},
        history=history,
        predictions=predictions,
        maps=noise.uniform(size=(n, 3, 4)).astype(np.float16),
    )


def changed(run: RunResult, **predictions) -> RunResult:
    """The run with other columns in its predictions."""
    return replace(run, predictions=replace(run.predictions, **predictions))


def without_boxes(run: RunResult) -> RunResult:
    n = len(run.predictions)
    numbers = dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), np.full(n, np.nan))
    return changed(run, boxes=tuple(np.empty((0, 4)) for _ in range(n)), **numbers)
