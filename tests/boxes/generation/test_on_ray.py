"""The same boxes from a Ray cluster."""

import sys
import warnings

import pytest

from lesioncare.boxes.generation import make_boxes, run_on_ray
from lesioncare.errors import ConfigError

from .makers import folder_of_moles


def test_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"lesioncare\[ray\]"):
        make_boxes(folder_of_moles(tmp_path, 2), "border", workers=2, runner=run_on_ray)


@pytest.mark.slow
def test_two_ray_workers_give_the_same(tmp_path):
    pytest.importorskip("ray", reason="needs the extra lesioncare[ray]")
    moles = folder_of_moles(tmp_path, 12)
    (tmp_path / "bad.png").write_bytes(b"no image")
    images = {**moles, "bad": tmp_path / "bad.png"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        made = make_boxes(images, "consensus", workers=2, runner=run_on_ray, skip_bad=True)
    assert made == make_boxes(images, "consensus", skip_bad=True)
