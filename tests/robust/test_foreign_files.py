"""Files from others are data: nothing in them is run, and nothing is fetched that was not asked for."""

import pickle
import re
from pathlib import Path

import pytest
import torch

import lesioncare
from lesioncare.boxes.segmentation.file import load_segmenter_file
from lesioncare.errors import LesionCareError, ModelError
from lesioncare.training.models import read_weights

from .payload import Payload

SOURCE = Path(lesioncare.__file__).parent


@pytest.mark.parametrize("name", ["weights.pth", "weights.pt", "weights.ckpt", "weights.safetensors"])
@pytest.mark.parametrize("read", [read_weights, load_segmenter_file])
@pytest.mark.parametrize(
    "write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))]
)
def test_weights_with_code_in_them_are_refused_and_run_nothing(tmp_path, name, read, write):
    write({"weight": Payload(tmp_path / "owned")}, tmp_path / name)
    with pytest.raises(LesionCareError, match=re.escape(name)):
        read(tmp_path / name)
    assert not (tmp_path / "owned").exists()


FORBIDDEN = {
    r"torch\.load\((?!.*weights_only=True)": "torch.load without weights_only=True",
    r"\bpickle\.loads?\(|\bjoblib\.load|\bdill\.|\bmarshal\.loads": "unpickling",
    r"allow_pickle=True": "numpy's pickles",
    r"yaml\.(unsafe_|full_)?load\(": "yaml.load",
    r"xml\.etree\.ElementTree import (?!Element)|xml\.(sax|dom)": "an XML parser that expands entities",
    r"\.extractall\(|shutil\.unpack_archive": "an archive that may write outside its folder",
    r"\beval\(|\bexec\(|os\.system\(|shell=True": "running text",
    r"urlopen|\brequests\.(get|post|Session)|\bhttpx\.|urlretrieve": "the network",
}


def test_nothing_in_the_package_runs_what_it_reads():
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [
                f"{path.relative_to(SOURCE)}:{number}: {what}"
                for pattern, what in FORBIDDEN.items()
                if re.search(pattern, line) and not re.search(r"\.eval\(\)", line)
            ]
    assert not found


def test_a_missing_file_of_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"none\.pth"):
        read_weights(tmp_path / "none.pth")
