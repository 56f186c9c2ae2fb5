"""Nothing asks the network unless it is told to."""

import json
import subprocess
import sys

import pytest

FORBIDDING = """
import json, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise PermissionError(f"the network was asked: {event} {arguments}")

sys.addaudithook(refuse)
import lesioncare
from lesioncare.cli import main

for name in lesioncare.__all__:
    getattr(lesioncare, name)
for words in json.loads(sys.argv[1]):
    sys.argv = ["lesioncare", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{words}: {end.code}")
print("done", len(sys.modules))
"""


def run(commands, place):
    words = json.dumps([command.split() for command in commands])
    return subprocess.run(
        [sys.executable, "-c", FORBIDDING, words], cwd=place, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_no_command_asks_the_network(tiny, finished, tmp_path):
    """A training from weights in a file, and what is done with it."""
    network = "--model lesioncare.experiment.demo:small_network --image-size 32"
    found = run(
        [
            "--version",
            f"train {tiny} {network} --weights {finished}/model.safetensors --epochs 1 --accelerator cpu "
            "-o new",
            f"predict new {tiny.parent}/images --output p.csv",
            "report new",
            f"evaluate new {tiny}",
            "audit new --steps 2 --limit 4",
            "export new --formats torchscript --output exported",
            f"splits {tiny} --folds 2",
            f"data check {tiny}",
            f"boxes make {tiny.parent}/images --method border --output b.json",
            "boxes stats b.json",
        ],
        tmp_path,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "the network was asked" not in found.stdout + found.stderr


@pytest.mark.slow
def test_what_asks_for_pretrained_weights_is_seen_by_that_test(tiny, tmp_path):
    found = run([f"train {tiny} --model resnet18 --weights pretrained --epochs 1 -o new"], tmp_path)
    assert found.returncode != 0
    assert "2" in found.stderr.splitlines()[-1]
    assert not (tmp_path / "new").exists()
