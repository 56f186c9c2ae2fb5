"""Commands in processes of their own: a network slow enough to be stopped, and what becomes of them."""

import subprocess
import time

NETWORK = """
import time
from torch import nn

class Pause(nn.Module):
    def forward(self, x):
        time.sleep(0.05)  # so that there is time to stop it
        return x

def make(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), Pause(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, num_classes),
    )
"""
TRAINING = (
    "--model slownet:make --image-size 32 --epochs 30 --batch-size 4 --validation 0.2 --accelerator cpu"
)


def children(process, doing=""):
    """The processes that one has started, those with some words in their command."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if doing in line]


def _ended(process):
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return not listed.stdout.strip() or listed.stdout.startswith("Z")


def all_end(processes, patience=30):
    """Whether processes are gone, or go within some seconds."""
    deadline = time.monotonic() + patience
    while not all(map(_ended, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return all(map(_ended, processes))
