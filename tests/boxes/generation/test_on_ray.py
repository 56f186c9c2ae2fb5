"""The same boxes from a Ray cluster."""

import sys
from functools import partial

import pytest

from lesioncare.boxes.formats import write_boxes
from lesioncare.boxes.generation import SaliencyBoxes, make_boxes, run_in_processes, run_on_ray
from lesioncare.boxes.segmentation import SegmentationMap
from lesioncare.errors import ConfigError, ModelError

from .makers import folder_of_moles


def test_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"lesioncare\[ray\]"):
        make_boxes(folder_of_moles(tmp_path, 2), "border", workers=2, runner=run_on_ray)


def test_an_address_where_no_cluster_can_be(tmp_path):
    pytest.importorskip("ray", reason="needs the extra lesioncare[ray]")
    with pytest.raises(ConfigError, match="no Ray can be used at 'no address'"):
        make_boxes(folder_of_moles(tmp_path, 1), "border", runner=partial(run_on_ray, address="no address"))


@pytest.mark.slow
def test_two_ray_workers_write_the_same_file(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the extra lesioncare[ray]")
    moles = folder_of_moles(tmp_path, 8)
    (tmp_path / "bad.png").write_bytes(b"no image")
    images, files = {**moles, "bad": tmp_path / "bad.png"}, {}
    lost = SaliencyBoxes("lost", (SegmentationMap(str(tmp_path / "lost.onnx")),))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for runner in (run_on_ray, run_in_processes):
            files[runner] = tmp_path / f"{runner.__name__}.json"
            made = make_boxes(images, "consensus", workers=2, runner=runner, skip_bad=True)
            assert list(made.skipped) == ["bad"]
            write_boxes(made.boxes, files[runner])
        with pytest.raises(ModelError, match=r"^\S*lost\.onnx: no such file"):  # and not Ray's own error
            make_boxes(moles, lost, workers=2, runner=run_on_ray)
        assert ray.is_initialized()  # for it was there before
    finally:
        ray.shutdown()
    assert files[run_on_ray].read_bytes() == files[run_in_processes].read_bytes()
